"""What a load test gives back, and what it says while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct, structs

from ..records import LoadPlan, LoadResults, LoadSummary, PhaseTime
from .recording import figures
from .tally import Tally, tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..stats import Histogram
    from .checkpoints import WarmUp
    from .connector import Openings
    from .failures import FailureTally
    from .recording import Recorder, Samples
    from .trust import GeneratorFacts

__all__ = ["LoadOutcome", "OnProgress", "Progress", "conclude"]


class Progress(Struct, frozen=True, kw_only=True):
    """How a load test is going, given to `on_progress` about four times a second."""

    elapsed: float
    """Seconds since the clock started."""
    duration: float | None
    """Seconds it will run; None when it runs for a number of requests."""
    requests: int
    """Finished requests."""
    errors: int
    in_flight: int
    backlog: int
    """Requests that are due and wait for a connection; 0 in the closed model."""
    rate: float
    """Requests finished a second, over the last second or so."""
    p50_ms: float | None
    """Median latency of the second under way; None while nothing was answered."""
    p99_ms: float | None
    bytes_received: int
    connections: int
    """Open connections."""
    phase: str = ""
    """What the arrival profile does, as `1/2 ramp 10..500 30s`; empty in the closed model."""
    planned_rate: float | None = None
    """Requests a second planned at this moment; None in the closed model."""
    target_rate: float | None = None
    """Requests that became due a second, over the last second or so; None in the closed model."""
    statuses: dict[str, int] = {}
    """How often each status was answered."""
    error_kinds: dict[str, int] = {}
    """How often requests failed in each way."""
    latency: Tally = Tally()
    service_time: Tally = Tally()
    send_lag: Tally = Tally()

    @classmethod
    def of(
        cls,
        recorder: Recorder,
        *,
        elapsed: float,
        duration: float | None,
        in_flight: int,
        backlog: int,
        rate: float,
        target_rate: float | None,
        connections: int,
        planned: tuple[str, float] | None,
    ) -> Progress:
        """The progress of a recorder that has just been folded.

        Args:
            planned: the phase its schedule is in, and the rate.
        """
        point = recorder.current()
        return cls(
            elapsed=elapsed,
            duration=duration,
            requests=recorder.requests,
            errors=recorder.errors,
            in_flight=in_flight,
            backlog=backlog,
            rate=rate,
            p50_ms=point.p50_ms,
            p99_ms=point.p99_ms,
            bytes_received=recorder.bytes_received,
            connections=connections,
            phase=planned[0] if planned else "",
            planned_rate=planned[1] if planned else None,
            target_rate=target_rate,
            statuses={str(status): count for status, count in sorted(recorder.statuses.items())},
            error_kinds=recorder.failures.counts(),
            latency=tally(*recorder.latencies()),
            service_time=tally(recorder.service_time),
            send_lag=tally(recorder.send_lag),
        )


OnProgress: TypeAlias = "Callable[[Progress], None]"
"""Called on the event loop; it must return within a fraction of a millisecond."""


class LoadOutcome(Struct, kw_only=True, eq=False):
    """Everything one load test measured."""

    summary: LoadSummary
    results: LoadResults
    plan: LoadPlan
    partial: bool
    """The test was stopped before its end."""
    latency: Histogram
    """µs from due to the response's end. Requests that were given up (timeout, never sent) count with the time they
    waited, a lower bound; those that failed otherwise had no answer and no latency."""
    service_time: Histogram
    """µs from written to the response's end, or to the timeout."""
    queue: Histogram
    """µs from due to a connection free."""
    send_lag: Histogram
    """µs from due, with a connection free, to written."""
    facts: GeneratorFacts | None = None
    """How the generator fared: what `summary.trustworthy` is judged by. None where there was not one generator."""
    samples: Samples | None = None
    """Each finished request, when `keep_samples` was set."""
    abandoned: int = 0
    """Requests in flight when the test was stopped; they are in no other figure."""
    unmeasured: int = 0
    """Requests of a scenario's setup and teardown; they are in no other figure."""
    events: dict[str, int] = {}
    """What happened to connections and is no failed request: `retried` (a keep-alive connection was closed just as a
    request was written), `reconnected`, `reconnect failed`, `unsolicited data`, `server went away: …`."""


def conclude(
    recorder: Recorder,
    cpu: float,
    reasons: list[str],
    *,
    facts: GeneratorFacts | None,
    plan: LoadPlan,
    elapsed: float,
    warm_up: WarmUp,
    partial: bool,
    abandoned: int,
    events: FailureTally,
    openings: Openings,
) -> LoadOutcome:
    """The outcome of a run that is over.

    Args:
        cpu: seconds the generators ran.
        reasons: why it cannot be trusted.
        elapsed: seconds the run counts as: to the last answer, and no less than was planned, but without the warm-up.
        warm_up: what the recorder does not hold any more.
    """
    if warm_up.reason is not None:
        reasons = [*reasons, warm_up.reason]
    return LoadOutcome(
        summary=LoadSummary(
            requests=recorder.requests,
            errors=recorder.errors,
            rate=recorder.requests / elapsed,
            elapsed_seconds=elapsed,
            bytes_received=recorder.bytes_received,
            bytes_per_second=recorder.bytes_received / elapsed,
            latency_ms=figures(recorder.latency),
            service_time_ms=figures(recorder.service_time),
            queue_ms=figures(recorder.queue),
            send_lag_ms=figures(recorder.send_lag),
            generator_cpu_seconds=cpu,
            warm_up_seconds=warm_up.seconds,
            warm_up_requests=warm_up.requests,
            warm_up_errors=warm_up.errors,
            trustworthy=not reasons,
            reasons=reasons,
        ),
        results=LoadResults(
            statuses={str(status): count for status, count in sorted(recorder.statuses.items())},
            error_kinds=recorder.failures.kinds(),
            series=[
                structs.replace(point, warm_up=True) if point.second < warm_up.seconds else point
                for point in recorder.series
            ],
            latency_histogram=recorder.latency.encode(),
            service_time_histogram=recorder.service_time.encode(),
            endpoints=recorder.endpoints.results(elapsed, figures),
            phases=_phases(recorder, openings),
            events=events.kinds(),
            slowest=[] if recorder.slowest is None else recorder.slowest.requests(recorder.start),
        ),
        plan=plan,
        partial=partial,
        latency=recorder.latency,
        service_time=recorder.service_time,
        queue=recorder.queue,
        send_lag=recorder.send_lag,
        facts=facts,
        samples=recorder.samples(),
        abandoned=abandoned,
        events=events.counts(),
    )


def _phases(recorder: Recorder, openings: Openings) -> list[PhaseTime]:
    histograms: tuple[tuple[Literal["dns", "connect", "tls", "first_byte", "body"], Histogram], ...] = (
        ("dns", openings.dns),
        ("connect", openings.connect),
        ("tls", openings.tls),
        ("first_byte", recorder.first_byte),
        ("body", recorder.body),
    )
    return [
        PhaseTime(name=name, count=histogram.count, time_ms=figures(histogram))
        for name, histogram in histograms
        if histogram.count
    ]
