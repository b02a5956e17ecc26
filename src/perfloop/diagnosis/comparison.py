"""Is B faster than A? Over interleaved runs of two commands, or, with less to go by, over two records."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import msgspec

from ..exceptions import ServiceDied, ServiceLost, ServiceNotReady
from ..loadtest import Request, quiet_collector
from ..monitoring import Service
from ..records import ComparisonRecord, MetricComparison, current_environment
from ..stats import Comparison, compare
from ..units import format_duration, format_rate
from .discovery import discover_requests
from .driver import entered
from .phases import Driver, answered_rate
from .unfinished import last_words, nothing_compared

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .options import ComparisonOptions

__all__ = ["compare_commands", "metric_of", "overall"]

# In flight when the capacity is measured: enough to saturate a few workers, too few to make queues the subject.
_IN_FLIGHT = 8
_CONNECTIONS = 64
# Warm-up, in capacity measurements. The pilot runs, which find the rate, also fill the machine's caches.
_WARM_UP, _PILOT_WARM_UP = 0.5, 1.5
# A run with fewer requests has no p99 to speak of: then the median is the first metric, which decides.
_ENOUGH_FOR_P99 = 500


@dataclass(frozen=True, slots=True)
class _Metric:
    name: str
    unit: str
    lower_is_better: bool


_P50 = _Metric("latency p50", "ms", True)
_P99 = _Metric("latency p99", "ms", True)
_CAPACITY = _Metric("capacity", "requests/s", False)
_ERRORS = _Metric("errors", "share", True)


@dataclass(slots=True)
class _Arm:
    """One command and what its runs measured."""

    name: Literal["A", "B"]
    command: tuple[str, ...]
    env: dict[str, str]
    values: dict[_Metric, list[float]] = field(default_factory=dict)
    requests: list[int] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    """One of each run that is not trustworthy."""

    def add(self, metric: _Metric, value: float) -> None:
        self.values.setdefault(metric, []).append(value)

    def shown(self) -> str:
        return " ".join(
            [*(f"{name}={shlex.quote(value)}" for name, value in self.env.items()), shlex.join(self.command)]
        )


async def compare_commands(
    options: ComparisonOptions,
    *,
    on_progress: Callable[[str], None] | None = None,
    stop: asyncio.Event | None = None,
) -> ComparisonRecord:
    """Start two services in turn, A B A B …, several times each, load them alike, and compare run by run.

    They run bare, without the agent. A pilot run of each finds the rate, half of the slower one's capacity: the same
    for both. Each run then starts the service anew, warms it up, measures its capacity in the closed model, and its
    latency in the open one.

    Args:
        options: the commands, the requests, how often.
        on_progress: told each run when it is done, in words with its figures.
        stop: set it to end early: the pairs that are complete make a partial record.

    Raises:
        ConfigurationError: a command cannot be started.
        NoServer, PortInUse, ServiceNotReady, ServiceDied: a service did not come up, or ended when it was first tried.
        ServiceLost: one did so later; the error keeps a partial record of the pairs that are complete.
        CancelledError: stopped before the first pair was complete. No child process is left.
    """
    options.validate()
    stop = stop or asyncio.Event()
    tell = on_progress or (lambda _: None)
    a = _Arm("A", options.a, options.env_a)
    b = _Arm("B", options.b, options.env_b)
    pairs = 0
    with quiet_collector():
        requests = options.requests
        capacities = []
        for arm in (a, b):
            capacity, requests = await _pilot(options, arm, requests, stop)
            tell(f"{arm.name} first tried: capacity {format_rate(capacity)}")
            capacities.append(capacity)
        rate = max(min(capacities) / 2, 1.0)
        try:
            for run in range(1, options.runs + 1):
                # Every other pair in the other order, so that neither arm always comes second.
                for arm in (a, b) if run % 2 else (b, a):
                    tell(f"run {run} of {options.runs}, {arm.name}: {await _run(options, arm, requests, rate, stop)}")
                pairs = run
        except asyncio.CancelledError:
            if not (stop.is_set() and pairs):
                raise
        except (ServiceDied, ServiceNotReady) as error:
            record = _record(options, a, b, pairs, rate) if pairs else nothing_compared(options, error.message)
            reasons = [f"run {pairs + 1}: {error.message}", *record.reasons[1 - bool(pairs) :], *last_words(error)]
            raise ServiceLost.keeping(error, msgspec.structs.replace(record, reasons=reasons)) from error
    return _record(options, a, b, pairs, rate)


async def _pilot(
    options: ComparisonOptions, arm: _Arm, requests: tuple[Request, ...], stop: asyncio.Event
) -> tuple[float, tuple[Request, ...]]:
    async with contextlib.AsyncExitStack() as stack:
        service = _service(options, arm)
        await entered(stack, service, stop)
        if not requests:
            requests, _ = await asyncio.to_thread(discover_requests, service.url)
        driver = Driver(service, requests, options.timeout, stop)
        await driver.closed(_IN_FLIGHT, _PILOT_WARM_UP * options.step_duration)
        return answered_rate(await driver.closed(_IN_FLIGHT, options.step_duration)), requests


async def _run(
    options: ComparisonOptions, arm: _Arm, requests: tuple[Request, ...], rate: float, stop: asyncio.Event
) -> str:
    async with contextlib.AsyncExitStack() as stack:
        service = _service(options, arm)
        await entered(stack, service, stop)
        driver = Driver(service, requests, options.timeout, stop)
        await driver.closed(_IN_FLIGHT, _WARM_UP * options.step_duration)
        closed = await driver.closed(_IN_FLIGHT, options.step_duration)
        outcome = await driver.open(rate, options.duration, connections=_CONNECTIONS)
        service.check_alive()
    if outcome.partial:
        raise asyncio.CancelledError
    summary, capacity = outcome.summary, answered_rate(closed)
    arm.add(_P50, summary.latency_ms.p50)
    arm.add(_P99, summary.latency_ms.p99)
    arm.add(_CAPACITY, capacity)
    arm.add(_ERRORS, summary.errors / max(summary.requests, 1))
    arm.requests.append(summary.requests)
    arm.reasons += summary.reasons[:1]
    return (
        f"p50 {format_duration(summary.latency_ms.p50 / 1e3)}, p99 {format_duration(summary.latency_ms.p99 / 1e3)}, "
        f"capacity {format_rate(capacity)}"
    )


def _service(options: ComparisonOptions, arm: _Arm) -> Service:
    return Service(
        arm.command,
        cwd=options.cwd,
        env=arm.env,
        agent=False,
        ready_url=options.ready_url,
        startup_timeout=options.startup_timeout,
    )


def _record(options: ComparisonOptions, a: _Arm, b: _Arm, pairs: int, rate: float) -> ComparisonRecord:
    order = [_P50, _P99, _CAPACITY, _ERRORS]
    if min(*a.requests, *b.requests) >= _ENOUGH_FOR_P99:
        order = [_P99, _P50, _CAPACITY, _ERRORS]
    metrics: list[MetricComparison] = []
    said: list[str] = []
    for metric in order:
        # The last pair may be half done.
        result = compare(
            a.values[metric][:pairs],
            b.values[metric][:pairs],
            confidence=options.confidence,
            seed=options.seed,
            lower_is_better=metric.lower_is_better,
        )
        metrics.append(metric_of(metric.name, metric.unit, result))
        if not said or result.verdict == "not enough data":
            said.append(f"{metric.name}: {result.reason}")
    reasons = [*said, f"both under {format_rate(rate)}, half of the slower one's capacity"]
    for arm in (a, b):
        if any(arm.values[_ERRORS][:pairs]):
            worst = max(arm.values[_ERRORS][:pairs])
            reasons.append(
                f"requests to {arm.name} failed, up to {worst:.1%} a run: errors have a latency of their own"
            )
        if arm.reasons:
            reasons.append(
                f"{len(arm.reasons)} of {pairs} runs of {arm.name} not trustworthy, the first since {arm.reasons[0]}"
            )
    return ComparisonRecord(
        environment=current_environment(),
        partial=pairs < options.runs,
        a=a.shown(),
        b=b.shown(),
        runs=pairs,
        confidence=options.confidence,
        metrics=metrics,
        verdict=overall(metrics, a.values[_ERRORS][:pairs], b.values[_ERRORS][:pairs]),
        reasons=reasons,
    )


def metric_of(name: str, unit: str, result: Comparison) -> MetricComparison:
    """One line of a comparison record."""
    return MetricComparison(metric=name, unit=unit, a=result.a, b=result.b, ratio=result.ratio, verdict=result.verdict)


def overall(
    metrics: Sequence[MetricComparison], errors_a: Sequence[float], errors_b: Sequence[float]
) -> Literal["faster", "slower", "no difference", "not enough data"]:
    """The first metric's verdict; but answers that fail are not faster, however soon they come."""
    if not metrics:
        return "not enough data"
    verdict = metrics[0].verdict
    mostly_failing = [sum(errors) > 0.5 * len(errors) for errors in (errors_a, errors_b)]
    if any(mostly_failing) and verdict in ("faster", "slower"):
        return "not enough data"
    return verdict
