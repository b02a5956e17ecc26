"""Failures are counted as failures: the generator's figures against what Redis counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redis import Redis as Client

from perfloop import loadtest

from ...servers.uvicorn import run_uvicorn

if TYPE_CHECKING:
    from ...servers.redis import Redis


async def test_refused_visitors_are_errors_and_every_request_reached_redis(redis_server: Redis) -> None:
    with (
        Client.from_url(redis_server.url) as client,
        run_uvicorn("tests.integration.services.tickets:app", TICKETS_STORE=redis_server.url) as url,
    ):
        outcome = await loadtest.run(
            loadtest.LoadOptions(url=f"{url}/ticket", connections=16, duration=None, request_limit=505)
        )
        drawn = int(client.get("tickets") or 0)
    assert drawn == outcome.summary.requests == 505
    assert outcome.summary.errors == 50
    assert outcome.results.statuses == {"200": 455, "503": 50}
