"""Every request the generator claims is one row in PostgreSQL and one request the agent saw."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import psycopg

from perfloop import loadtest
from perfloop.monitoring import Service
from perfloop.monitoring.readiness import PROBE_SPAN

from ...servers.uvicorn import REPOSITORY

if TYPE_CHECKING:
    from ...servers.postgresql import PostgreSQL

REQUESTS = 300


async def test_generator_agent_and_database_count_the_same_requests(postgresql: PostgreSQL) -> None:
    command = [sys.executable, "-m", "uvicorn", "tests.integration.services.visits:app", "--port", "0"]
    env = {"VISITS_DATABASE": postgresql.socket_url}
    async with Service(command, cwd=REPOSITORY, env=env) as service:
        options = loadtest.LoadOptions(
            url=service.url,
            requests=(
                loadtest.Request(target="/visit/home", weight=2),
                loadtest.Request(target="/visit/cart", weight=1),
            ),
            rate=200.0,
            duration=None,
            request_limit=REQUESTS,
            trace=True,
        )
        outcome = await loadtest.run(options)
        observations = await service.observations()
    with psycopg.connect(postgresql.url) as connection:
        spans = [row[0] for row in connection.execute("SELECT span FROM visits ORDER BY span")]
        pages = dict(connection.execute("SELECT page, count(*) FROM visits GROUP BY page").fetchall())
    assert outcome.summary.requests == REQUESTS
    assert outcome.summary.errors == 0
    assert spans == list(range(1, REQUESTS + 1))
    assert pages == {"home": REQUESTS * 2 // 3, "cart": REQUESTS // 3}
    # Not those of others, nor the question whether the service is ready.
    seen = [request for request in observations.requests if request.span not in (None, PROBE_SPAN)]
    assert sorted(request.span or 0 for request in seen) == spans
    assert {request.route for request in seen} == {"/visit/{page}"}
