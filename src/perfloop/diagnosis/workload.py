"""The database workload of a service that was watched: which statements, from which lines, on which routes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, TypeAlias

from ..database.capture import WorkloadBuilder
from ..database.nplusone import Call, Repetition, describe_repetition, find_repetitions
from ..exceptions import ConfigurationError
from ..loadtest import LoadOptions, run
from ..monitoring import Service
from ..records import StatementUse
from ..sources import Sources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..loadtest import LoadOutcome, Request
    from ..monitoring.observations import Frame, Observations, RequestTrace, Sample
    from ..records import NPlusOne, WorkloadRecord

    _Uses: TypeAlias = dict[int, dict[tuple[str, Frame | None], "_Use"]]

__all__ = ["capture_service", "workload_of"]

_MOST_USES = 20
_OPENS, _CLOSES = ("BEGIN", "START TRANSACTION"), ("COMMIT", "ROLLBACK", "END")


@dataclass
class _Use:
    """One line on one route."""

    site: int
    seconds: float = 0.0
    slowest: float = 0.0
    rows: int = 0
    per_request: list[int] = field(default_factory=list)
    inside: set[bool | None] = field(default_factory=set)
    """What was seen of its executions; None: nothing is known."""


def workload_of(
    observations: Observations, sources: Sources, *, seconds: float | None = None, values: bool = False
) -> WorkloadRecord:
    """The record of what the requests asked.

    Args:
        observations: of the service's agents.
        sources: the service's files, for loops and relationships.
        seconds: how long it was watched.
        values: keep literals and the values of parameters, where the agents were asked to tell them.
    """
    uses: _Uses = defaultdict(dict)
    for request in observations.requests:
        _add(uses, request, observations)
    builder = WorkloadBuilder(values=values)
    samples: dict[int, list[Sample]] = defaultdict(list)
    for sample in observations.samples:
        samples[sample.statement].append(sample)
    for statement, found in uses.items():
        text = observations.statements[statement]
        ordered = sorted(found.items(), key=lambda each: -each[1].seconds)
        told = samples[statement]
        as_issued = next((sample.sql for sample in told if sample.sql is not None), text)
        builder.add(
            as_issued if values else text,
            samples=[sample.parameters for sample in told if sample.parameters],
            calls=sum(sum(use.per_request) for use in found.values()),
            total_ms=sum(use.seconds for use in found.values()) * 1e3,
            slowest_ms=max(use.slowest for use in found.values()) * 1e3,
            rows=sum(use.rows for use in found.values()),
            uses=[_described(route, use, observations, sources) for (route, _), use in ordered[:_MOST_USES]],
        )
    if observations.dropped:
        builder.leave_out("statements that the agents' buffers could not take", observations.dropped)
    names = " ".join(name for info in observations.processes.values() for name in info.frameworks).lower()
    return builder.record(
        "postgresql" if "psycopg" in names or "asyncpg" in names else "sqlite",
        "service",
        seconds=seconds,
        requests=len(observations.requests),
        n_plus_one=_repeated(observations, sources, names),
    )


async def capture_service(
    command: Sequence[str],
    *,
    stop: asyncio.Event,
    requests: tuple[Request, ...] = (),
    seconds: float = 30.0,
    ready_url: str | None = None,
    startup_timeout: float = 30.0,
    values: bool = False,
) -> WorkloadRecord:
    """Run a service with the agent inside and record what it asks of its databases.

    Args:
        command: the service's, run without a shell.
        stop: ends it early.
        requests: sent one after another while it is watched; without any, what others send is watched.
        seconds: how long.
        ready_url: asked whether the service is up.
        startup_timeout: seconds until it must have answered.
        values: keep literals and the values of some executions' parameters, not only their types and sizes.

    Raises:
        ConfigurationError: no statement was seen.
        NoServer, ServiceNotReady, PortInUse, ServiceDied: as `Service`.
    """
    async with Service(
        command,
        light=True,
        parameters="values" if values else "shapes",
        ready_url=ready_url,
        startup_timeout=startup_timeout,
    ) as service:
        started = time.monotonic()
        failed: list[str] = []
        if requests:
            options = LoadOptions(
                url=service.url, requests=requests, connections=1, duration=seconds, insecure=True, warm_up="none"
            )
            failed = _failed(await run(options, stop=stop), requests)
        else:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), seconds)
        service.check_alive()
        observations = await service.observations(since=started)
        seconds = round(time.monotonic() - started, 1)
        record = workload_of(observations, Sources("."), seconds=seconds, values=values)
        record.left_out.extend(failed)
    if not record.statements:
        raise ConfigurationError(
            f"Expected statements of the service, but saw none in {len(observations.requests)} requests",
            got="; ".join(failed) or None,
            hint="name requests that use its database with --request; statements of sqlite3, aiosqlite, psycopg 3 and "
            "asyncpg are seen, by hand or through SQLAlchemy and Django",
        )
    return record


def _failed(outcome: LoadOutcome, requests: Sequence[Request]) -> list[str]:
    """What failed requests would have asked is not in the workload: which, how many, and how."""
    summary, results = outcome.summary, outcome.results
    if not summary.errors:
        return []
    how = ", ".join(each.kind for each in results.error_kinds)
    counts = [(each.label, each.errors, each.requests) for each in results.endpoints if each.errors]
    counts = counts or [(f"{requests[0].method} {requests[0].target}", summary.errors, summary.requests)]
    which = ", ".join(f"{label} {errors:,} of {all_:,} times" for label, errors, all_ in counts)
    return [f"what failed requests would have asked ({how}): {which}"]


def _add(uses: _Uses, request: RequestTrace, observations: Observations) -> None:
    route = f"{request.method} {request.route}"
    counts: Counter[tuple[int, Frame | None]] = Counter()
    inside = False
    for call in request.statements:
        verb = observations.statements[call.statement].upper()
        if verb.startswith(_OPENS):
            inside = True
        frames = observations.sites[call.site]
        place = frames[0] if frames else None
        use = uses[call.statement].setdefault((route, place), _Use(call.site))
        use.seconds += call.duration
        use.slowest = max(use.slowest, call.duration)
        use.rows += call.rows
        # Drivers open transactions unasked; where the driver does not tell, a BEGIN of its own does.
        use.inside.add(True if inside else call.in_transaction)
        counts[call.statement, place] += 1
        if verb.startswith(_CLOSES):
            inside = False
    for (statement, place), count in counts.items():
        uses[statement][route, place].per_request.append(count)


def _described(route: str, use: _Use, observations: Observations, sources: Sources) -> StatementUse:
    frames = observations.sites[use.site]
    return StatementUse(
        route=route,
        place=sources.place(frames[0]) if frames else None,
        loop=sources.loop_around(frames),
        calls=sum(use.per_request),
        requests=len(use.per_request),
        per_request_p50=float(median(use.per_request)),
        per_request_max=max(use.per_request),
        in_transaction=use.inside.pop() if len(use.inside) == 1 else None,
    )


def _repeated(observations: Observations, sources: Sources, frameworks: str) -> list[NPlusOne]:
    """The N+1 of all requests, each by its typical request; the most statements saved first."""
    groups: dict[tuple[str, str], list[tuple[Repetition, int]]] = defaultdict(list)
    for request in observations.requests:
        calls = [
            Call(observations.statements[call.statement], call.site, call.rows, call.key, call.values)
            for call in request.statements
        ]
        for repetition in find_repetitions(calls):
            route = f"{request.method} {request.route}"
            groups[route, repetition.statement].append((repetition, len(repetition.calls)))
    found = [
        describe_repetition(
            sorted(repetitions, key=lambda each: each[1])[len(repetitions) // 2][0],
            observations.sites.__getitem__,
            sources,
            frameworks=frameworks,
            route=route,
            per_request=round(median(count for _, count in repetitions)),
        )
        for (route, _), repetitions in groups.items()
    ]
    return sorted(found, key=lambda each: -each.statements_saved)
