"""`diagnose`: start a service, load it, watch it from inside, and name what holds it back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ..exceptions import ConfigurationError, ServiceDied, ServiceLost
from ..loadtest import LoadOutcome, Samples, quiet_collector
from ..monitoring import Observations, Service
from ..records import (
    CurvePoint,
    DiagnosisRecord,
    LoadSummary,
    ServiceDescription,
    TargetResult,
    current_environment,
)
from ..sources import Sources
from ..targets import Measured, Targets, evaluate
from ..units import format_duration, format_rate
from .breakdown import break_down
from .discovery import discover_requests
from .evidence import Evidence
from .index_search import not_looked_at, search_clone, try_indexes
from .matching import Match, match, with_parts
from .phases import IN_FLIGHT, Curve, Driver, WarmUp
from .processors import ProcessorUse, allowed_processors, processors_left
from .rules import find
from .service_indexes import check_database
from .unfinished import last_words, nothing_judged

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..monitoring.observations import ResourceSample
    from .index_search import Trials
    from .options import DiagnosisOptions

__all__ = ["diagnose"]

# A p99 needs some hundred requests; a slow service gets a quarter as long again, no more, for the user is waiting.
_ENOUGH_REQUESTS = 500
_LONGEST_STRETCH = 1.25
# The judged run's connections: as many as the curve's last step, so that they never hold it up before the curve did.
_CONNECTIONS = IN_FLIGHT[-1]
# From this share of failed requests on, latencies are those of errors.
_MOST_ERRORS = 0.5
# From this share of answered requests that the agent did not see, there is no diagnosis to speak of.
_MOST_UNSEEN = 0.5
_AGENT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class _Run:
    """What was measured before the analysis."""

    outcome: LoadOutcome
    curve: Curve
    warm_up: WarmUp
    observations: Observations
    service: ServiceDescription
    notes: tuple[str, ...]
    processors: float
    """Left to the service meanwhile."""


async def diagnose(
    options: DiagnosisOptions,
    *,
    on_progress: Callable[[str], None] | None = None,
    stop: asyncio.Event | None = None,
) -> DiagnosisRecord:
    """Run a service, load it, and say where its time goes, what to change and what that gains.

    Args:
        options: the service's command, the requests, how long.
        on_progress: told each step when it is done, in words with its figures.
        stop: set it to end early: a judged run that has begun gives a partial record.

    Raises:
        ConfigurationError: the command cannot be started, or runs no Python the agent can see into.
        NoServer, PortInUse, ServiceNotReady, ServiceDied: the service did not come up, or ended in its warm-up.
        ServiceLost: it ended later; the error keeps the partial record.
        DatabaseUnreachable, NoPrivilege: the database of the options cannot be looked at.
        CancelledError: stopped before there was anything to report. No child process is left.
    """
    options.validate()
    if options.dsn is not None:
        await asyncio.to_thread(check_database, options.dsn)
    stop = stop or asyncio.Event()
    tell = on_progress or (lambda _: None)
    service = Service(
        options.command,
        cwd=options.cwd,
        env=options.env,
        ready_url=options.ready_url,
        startup_timeout=options.startup_timeout,
    )
    found: Match | None = None
    trials: Trials = {}
    notes: list[str] = []
    points: list[CurvePoint] = []
    died: ServiceDied | None = None
    try:
        async with contextlib.AsyncExitStack() as stack:
            await entered(stack, service, stop)
            described = _describe(service, options, Observations())
            try:
                measured = await _measure(service, options, tell, stop, points)
            except ServiceDied as error:
                record = nothing_judged(options, _why(error), service=described, curve=points, notes=last_words(error))
                raise ServiceLost.keeping(error, record) from error
            found = match(measured.observations, _samples(measured.outcome))
            try:
                service.check_alive()
            except ServiceDied as error:
                died = error
            trials, notes = await try_indexes(measured.observations, found, stop)
        if options.dsn is None:
            notes += not_looked_at(measured.observations, found)
        elif not stop.is_set():
            notes += await search_clone(options, measured.observations, found, trials, tell, stop)
    except asyncio.CancelledError:
        # Stopped, and stopped again while the service was being ended: what was measured is no less true.
        task = asyncio.current_task()
        if found is None or not stop.is_set() or task is None:
            raise
        task.uncancel()
    sources = Sources(options.cwd or Path.cwd())
    record = await asyncio.to_thread(_analyse, options, measured, found, sources, trials)
    record = msgspec.structs.replace(record, notes=[*record.notes, *notes])
    if died is not None:
        raise ServiceLost.keeping(died, _lost(record, died)) from died
    tell(_found(record))
    return msgspec.structs.replace(record, partial=record.partial or stop.is_set())


def _why(error: ServiceDied) -> str:
    """The error as a reason in a record."""
    return error.message[:1].lower() + error.message[1:]


def _lost(record: DiagnosisRecord, error: ServiceDied) -> DiagnosisRecord:
    """What was measured before the service ended."""
    reasons = [_why(error), *record.summary.reasons]
    return msgspec.structs.replace(
        record,
        partial=True,
        summary=msgspec.structs.replace(record.summary, trustworthy=False, reasons=reasons),
        notes=[*record.notes, *last_words(error)],
    )


def _found(record: DiagnosisRecord) -> str:
    count = f"{len(record.findings) or 'no'} finding{'s' if len(record.findings) != 1 else ''}"
    return count if record.summary.trustworthy else f"untrustworthy, {count}: {record.summary.reasons[0]}"


async def entered(stack: contextlib.AsyncExitStack, service: Service, stop: asyncio.Event) -> None:
    """Start the service; a stop meanwhile ends it again.

    Raises:
        CancelledError: stopped.
    """
    starting = asyncio.ensure_future(stack.enter_async_context(service))
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            raise asyncio.CancelledError
        starting.result()
    finally:
        for task in (starting, stopped):
            task.cancel()
        await asyncio.gather(starting, stopped, return_exceptions=True)


async def _measure(
    service: Service,
    options: DiagnosisOptions,
    tell: Callable[[str], None],
    stop: asyncio.Event,
    points: list[CurvePoint],
) -> _Run:
    requests, notes = options.requests, []
    if not requests:
        requests, origin = await asyncio.to_thread(discover_requests, service.url)
        notes.append(f"the load is {origin}; choose others with --request")
    driver = Driver(service, requests, options.timeout, stop)
    early = await _agent_reports(service)
    _expect_agent(early, service.url, options)
    tell(_up(service, early))

    warm_up = await driver.warm_up()
    _expect_answers(warm_up, options)
    tell(
        f"warm-up over after {warm_up.seconds:.1f} s"
        if warm_up.stable
        else f"warm-up given up after {warm_up.seconds:.1f} s: the throughput keeps changing"
    )
    if not warm_up.stable:
        notes.append(
            f"the throughput was not steady after {warm_up.seconds:.0f} s of warm-up: figures may vary from run to run"
        )
    with quiet_collector():
        curve = await driver.curve(points, seconds=options.step_duration)
        capacity = curve.capacity_rps
        tell(f"load curve 1 → {curve.points[-1].in_flight} in flight · capacity {format_rate(capacity)}")
        if not curve.trustworthy:
            notes.append("the load generator was at its limit in the load curve: the service may be capable of more")
        # A service that answers nothing without error is still asked, slowly, to show what it does.
        rate = max(capacity / 2, 1.0)
        seconds = min(max(options.duration, _ENOUGH_REQUESTS / rate), options.duration * _LONGEST_STRETCH)
        began, use = time.monotonic(), ProcessorUse()
        outcome = await driver.open(
            rate, seconds, connections=_CONNECTIONS, arrival=options.arrival, seed=options.seed, trace=True
        )
        busy, lasted = use.seconds(), time.monotonic() - began
    observations = await service.observations(since=began)
    described = _describe(service, options, observations)
    latency = outcome.summary.latency_ms
    tell(
        f"judged {format_duration(outcome.summary.elapsed_seconds)} at half of that: "
        f"p50 {format_duration(latency.p50 / 1e3)}, p99 {format_duration(latency.p99 / 1e3)} · "
        f"served by {described.processes} process{'es' if described.processes != 1 else ''}"
    )
    notes += service.notes
    left = processors_left(busy, _cpu_seconds(observations), lasted, allowed_processors())
    return _Run(outcome, curve, warm_up, observations, described, tuple(notes), left)


async def _agent_reports(service: Service) -> Observations:
    """What the agents said so far. They speak when their interpreter starts: what is silent after this is not there."""
    deadline = time.monotonic() + _AGENT_SECONDS
    while True:
        observations = await service.observations()
        if observations.processes or time.monotonic() > deadline:
            return observations
        service.check_alive()
        await asyncio.sleep(0.1)


def _expect_agent(observations: Observations, url: str, options: DiagnosisOptions) -> None:
    if not observations.processes:
        raise ConfigurationError(
            f"The agent saw no request arrive at {url}, so there is nothing to diagnose with",
            got=options.command[0],
            hint="what answers there must be an ASGI or WSGI application: if it is another port's, name that with "
            "--ready URL; and the agent comes with PYTHONPATH: the command must run CPython 3.11 or newer, without -I, "
            "-E or -S, and not clear its environment; `perfloop load` measures any service from outside",
        )


def _expect_answers(warm_up: WarmUp, options: DiagnosisOptions) -> None:
    """What only fails is not loaded: the latency of errors says nothing."""
    if not warm_up.failed:
        return
    raise ConfigurationError(
        f"Every request of the warm-up failed: {'; '.join(kind.example for kind in warm_up.failed[:3])}",
        hint="see that the service has these pages, and that --header brings what they ask for"
        if options.requests
        else 'choose pages that the service has with --request, such as --request "GET /orders?page=1"',
    )


def _up(service: Service, observations: Observations) -> str:
    frameworks = [name.rsplit(" ", 1)[0] for name in _frameworks(observations)]
    parts = [f"service up on {service.url.partition('://')[2]} after {service.startup_seconds:.1f} s"]
    if frameworks:
        parts.append(", ".join(frameworks))
    return " · ".join(parts)


def _frameworks(observations: Observations) -> list[str]:
    names = (name for process in observations.processes.values() for name in process.frameworks)
    return list(dict.fromkeys(names))


def _describe(service: Service, options: DiagnosisOptions, observations: Observations) -> ServiceDescription:
    serving = {trace.pid for trace in observations.requests}
    python = next((info.python for pid, info in observations.processes.items() if pid in serving or not serving), None)
    return ServiceDescription(
        command=list(options.command),
        url=service.url,
        python=python,
        frameworks=_frameworks(observations),
        processes=len(serving) or len(observations.processes),
        startup_seconds=service.startup_seconds,
    )


def _samples(outcome: LoadOutcome) -> Samples:
    assert outcome.samples is not None, "the judged run keeps its samples"
    return outcome.samples


def _analyse(
    options: DiagnosisOptions,
    run: _Run,
    found: Match,
    sources: Sources,
    trials: Trials,
) -> DiagnosisRecord:
    summary, notes = _judge(run, found)
    # The latency of an error says nothing about the work: errors are counted, not diagnosed.
    answered = tuple(request for request in found.requests if request.status < 400)
    evidence = Evidence(
        observations=run.observations,
        requests=answered,
        capacity_rps=run.curve.capacity_rps,
        in_flight=run.curve.points[-1].in_flight,
        sources=sources,
        cores=run.processors,
        allowed_cores=allowed_processors(),
        index_trials=trials,
        seed=options.seed,
    )
    mostly_errors = summary.errors > _MOST_ERRORS * max(summary.requests, 1)
    return DiagnosisRecord(
        environment=current_environment(),
        partial=run.outcome.partial,
        service=run.service,
        plan=run.outcome.plan,
        curve=list(run.curve.points),
        capacity_rps=run.curve.capacity_rps,
        summary=summary,
        results=msgspec.structs.replace(
            run.outcome.results, slowest=with_parts(run.outcome.results.slowest, found.requests)
        ),
        routes=break_down(run.observations, found.requests, sources.place),
        findings=[] if mostly_errors or run.curve.capacity_rps <= 0 else find(evidence),
        targets=_targets(options, run, mostly_errors=mostly_errors),
        notes=notes,
    )


def _judge(run: _Run, found: Match) -> tuple[LoadSummary, list[str]]:
    """The summary, untrustworthy for the diagnosis' own reasons too, and what the reader must know."""
    summary = run.outcome.summary
    reasons, notes = list(summary.reasons), [*run.notes, *found.notes()]
    answered = len(found.requests) + found.unseen_by_agent
    if summary.errors > _MOST_ERRORS * max(summary.requests, 1):
        kinds = ", ".join(f"{kind.count} × {kind.kind}" for kind in run.outcome.results.error_kinds[:3])
        reasons.append(
            f"{summary.errors} of {summary.requests} requests failed ({kinds}): the latency of errors says nothing"
        )
    elif summary.errors:
        notes.append(f"{summary.errors} of {summary.requests} requests failed and are not part of the findings")
    if answered and found.unseen_by_agent > _MOST_UNSEEN * answered:
        reasons.append(
            f"the agent saw {len(found.requests)} of {answered} answered requests: it knows ASGI and WSGI servers"
        )
    if run.observations.dropped:
        notes.append(f"the agent dropped {run.observations.dropped} events: its buffers were full")
    for pid, process in run.observations.processes.items():
        failed = process.hooks_failed.values()
        notes += [f"a part of the agent failed in process {pid}: {error}" for error in failed]
    if (os.cpu_count() or 1) < 2:
        notes.append("service and load generator shared one processor: the capacity is a lower bound")
    trustworthy = summary.trustworthy and not reasons
    return msgspec.structs.replace(summary, trustworthy=trustworthy, reasons=reasons), notes


def _targets(options: DiagnosisOptions, run: _Run, *, mostly_errors: bool) -> list[TargetResult]:
    """Latency of the judged run, and the rates the service is capable of."""
    targets, configured = options.targets or Targets(), options.targets is not None
    if mostly_errors:
        return evaluate(targets, Measured(), configured=configured)
    measured = Measured.of_load(run.outcome.plan, run.outcome.summary)
    summary, capacity = run.outcome.summary, run.curve.capacity_rps
    first, last = _first_and_last(run.observations)
    span = max((after.at - before.at for before, after in zip(first, last, strict=True)), default=0.0)
    commits = sum(after.commits - before.commits for before, after in zip(first, last, strict=True))
    cpu = _cpu_seconds(run.observations)
    memory = current_environment().memory_bytes
    return evaluate(
        targets,
        msgspec.structs.replace(
            measured,
            requests_per_second=capacity,
            transactions_per_second=commits / max(summary.requests, 1) * capacity if commits else None,
            bytes_per_second=run.curve.bytes_a_request * capacity,
            cpu=cpu / span / (os.cpu_count() or 1) if span > 0 else None,
            memory=sum(each.rss_bytes for each in last) / memory if memory and last else None,
            saturating=run.curve.trustworthy,
        ),
        configured=configured,
    )


def _cpu_seconds(observations: Observations) -> float:
    """Processor seconds the service's processes spent."""
    first, last = _first_and_last(observations)
    return sum(after.cpu_seconds - before.cpu_seconds for before, after in zip(first, last, strict=True))


def _first_and_last(observations: Observations) -> tuple[list[ResourceSample], list[ResourceSample]]:
    """The first and the last resource sample of each process."""
    by_pid: dict[int, list[ResourceSample]] = {}
    for sample in observations.resources:
        by_pid.setdefault(sample.pid, []).append(sample)
    return [each[0] for each in by_pid.values()], [each[-1] for each in by_pid.values()]
