"""Everything that is known of a service, kept up to date in bounded memory. Pure: observations and the time go in."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from ...targets import Measured, Targets, evaluate
from ..readiness import PROBE_SPAN
from .budgets import BudgetWatch, shown_alerts, shown_budgets
from .caches import CacheWatch
from .leaks import LeakWatch
from .parts import PartWatch
from .resources import Usage, usage
from .slowest import SlowestRequests, slow_request
from .state import LiveState, Points, RouteFigures
from .window import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ...telemetry.caches import CacheAbout, Counts
    from ...telemetry.resilience import Transition, Values
    from ..alerts.alert import KeptAlert
    from ..objectives import Objective
    from ..observations import Observations, ResourceSample
    from ..resources import Use
    from .resources import Reading
    from .slowest import SlowRequest
    from .state import Memory
    from .window import Second

__all__ = ["ALL_ROUTES", "OTHER_ROUTES", "LiveRecorder"]

ALL_ROUTES = "all routes"
OTHER_ROUTES = "(other routes)"

_WINDOW = 60
_COURSE = 300
_MOST_ROUTES = 100
_MOST_EVENTS = 20
_MOST_TRACED = 100
_LAG_SECONDS = 10.0
_APART = 4


class LiveRecorder:
    """What the live page shows, out of what the agents or a middleware saw.

    Args:
        title: what is watched, without secrets.
        targets: what it should achieve; None: the defaults.
        processors: the machine has.
        memory_bytes: the machine has.
        now: the moment, seconds of the monotonic clock that all moments are of.
        epoch: seconds since 1970 at zero of that clock.
        window: seconds that figures are of.
    """

    def __init__(
        self,
        title: str,
        *,
        targets: Targets | None = None,
        processors: float,
        memory_bytes: int,
        now: float,
        epoch: float,
        window: int = _WINDOW,
    ) -> None:
        self._title = title
        self._targets = targets or Targets()
        self._configured = targets is not None
        self._processors = processors
        self._memory_bytes = memory_bytes
        self._began = now
        self._epoch = epoch
        self._window = window
        self._all = Window(max(_COURSE + 1, window))
        self._lately = Window(window)
        self._routes: dict[str, Window] = {}
        self._requests = self._failed = 0
        self._slowest = SlowestRequests()
        self._traced = SlowestRequests(_MOST_TRACED)
        self._reading: Reading | None = None
        self._usage: Usage | None = None
        self._course: dict[int, Usage] = {}
        self._processes: set[int] = set()
        self._events: deque[tuple[float, str]] = deque(maxlen=_MOST_EVENTS)
        self._lags: deque[tuple[float, float]] = deque()
        self._commits: dict[int, deque[tuple[float, int]]] = {}
        self._dropped = 0
        self._uses: Sequence[Use] = ()
        self._watched = BudgetWatch(self._targets)
        self._objectives: Sequence[Objective] = ()
        self._alerts: Sequence[KeptAlert] = ()
        self._leaks = LeakWatch()
        self._caches = CacheWatch(window)
        self._parts = PartWatch(window)
        self._memory: Memory | None = None
        """The verdict of somebody else, in place of ours."""

    def add(self, observations: Observations, now: float) -> None:
        """Take what agents saw since the last time, but for our own requests whether the service is up."""
        for trace in observations.requests:
            if trace.span == PROBE_SPAN:
                continue
            failed = trace.error is not None or trace.status >= 500
            duration = trace.ended - trace.started
            route = f"{trace.method} {trace.route}".strip()
            self._leaks.count(trace.pid)
            self.count(route, trace.ended, duration, failed=failed, parts=trace.parts)
            slow = self._slowest.wants(trace.ended, duration)
            traced = trace.span is not None and self._traced.wants(trace.ended, duration)
            if slow or traced:
                request = slow_request(trace, observations, self._epoch)
                if slow:
                    self._slowest.add(trace.ended, request)
                if traced:
                    self._traced.add(trace.ended, request)
        self._take_processes(observations.processes, now)
        self._take_samples(observations.resources, now)
        self._caches.add(observations.caches, now)
        self._parts.add(observations.parts, now)
        self._dropped += observations.dropped

    def count(
        self,
        route: str,
        at: float,
        duration: float,
        *,
        failed: bool = False,
        parts: Mapping[str, float] | None = None,
        count: int = 1,
    ) -> None:
        """Count requests of a route that ended at one moment and took as long; `parts` is of all of them together."""
        window = self._routes.get(route)
        if window is None:
            if len(self._routes) >= _MOST_ROUTES:
                route = OTHER_ROUTES
            window = self._routes.setdefault(route, Window(self._window))
        window.add(at, duration, failed=failed, parts=parts, count=count)
        self._lately.add(at, duration, failed=failed, parts=parts, count=count)
        self._all.add(at, duration, failed=failed, count=count)
        self._watched.count(duration, failed=failed, count=count)
        self._requests += count
        self._failed += count if failed else 0

    def add_slow(self, at: float, request: SlowRequest) -> None:
        """Take one slow request of another source than the agents'."""
        if self._slowest.wants(at, request.duration_ms / 1000):
            self._slowest.add(at, request)
        if request.span_id is not None and self._traced.wants(at, request.duration_ms / 1000):
            self._traced.add(at, request)

    def add_reading(self, reading: Reading) -> None:
        """Take what the kernel says of the processes."""
        self._usage = used = usage(self._reading, reading, processors=self._processors, memory_bytes=self._memory_bytes)
        self._reading = reading
        second = int(reading.at)
        self._course[second] = used
        for old in [each for each in self._course if each < second - _COURSE]:
            del self._course[old]

    def set_resources(self, uses: Sequence[Use]) -> None:
        """Take how the machine's resources fare."""
        self._uses = uses

    def judge(self, now: float) -> list[Objective]:
        """Judge the targets by all requests that were counted, and by the resources; to be done every few seconds."""
        objectives = self._watched.judge(now, self._uses)
        self.set_objectives(objectives, self._watched.alerts())
        return objectives

    def set_objectives(self, objectives: Sequence[Objective], alerts: Sequence[KeptAlert]) -> None:
        """Take how the targets were judged, and the alerts of that."""
        self._objectives, self._alerts = objectives, alerts

    def set_memory(self, memory: Memory | None) -> None:
        """Take the latest verdict of who knows better, from inside the process."""
        self._memory = memory

    def set_caches(self, counts: Counts, about: Sequence[CacheAbout], now: float) -> None:
        """Take what the caches of all processes have counted, where no agent tells."""
        self._caches.set(counts, about, now)

    def set_parts(self, values: Values, moved: Sequence[Transition], now: float) -> None:
        """Take what the parts of policies of all processes have counted, where no agent tells."""
        self._parts.set(values, moved, now)

    def say(self, now: float, words: str) -> None:
        """Keep an event to be shown."""
        self._events.append((round(self._epoch + now, 1), words))

    def find(self, span_id: str) -> SlowRequest | None:
        """The slow request that came with this number, 16 hexadecimal digits; None where it is not kept."""
        return self._traced.find(span_id.lower())

    def state(
        self, now: float, *, ended: bool = False, ready: bool = True, notes: Sequence[str] = (), points: bool = True
    ) -> LiveState:
        """What is known now.

        Args:
            now: the moment.
            ended: the service has ended for good.
            ready: it answers.
            notes: what the figures lack besides.
            points: with the last minutes second by second.
        """
        self._advance(now)
        everything = self._figures(ALL_ROUTES, self._lately, now)
        used = self._used(now)
        return LiveState(
            at=round(self._epoch + now, 3),
            title=self._title,
            status="ended" if ended else "starting" if not ready else "running" if everything.requests else "idle",
            uptime_seconds=round(now - self._began, 1),
            window_seconds=self._window,
            requests=self._requests,
            failed=self._failed,
            all_routes=everything,
            routes=[
                self._figures(route, window, now)
                for route, window in sorted(self._routes.items(), key=lambda entry: (-_weight(entry[1]), entry[0]))
            ],
            usage=used,
            resources=list(self._uses),
            targets=evaluate(self._targets, _measured(everything, used, self._uses), configured=self._configured),
            budgets=shown_budgets(self._objectives),
            alerts=shown_alerts(self._alerts, self._epoch),
            memory=self._memory or self._leaks.memory(now),
            caches=self._caches.caches(now),
            parts=self._parts.parts(now, course=points),
            slowest=self._slowest.slowest(),
            events=list(self._events),
            notes=[*notes, *([f"{self._dropped:,} records were lost: too many to be taken"] if self._dropped else [])],
            points=self._points(now) if points else None,
        )

    def _advance(self, now: float) -> None:
        self._all.advance(now)
        self._lately.advance(now)
        self._slowest.advance(now)
        self._traced.advance(now)
        for route, window in list(self._routes.items()):
            window.advance(now)
            if not window.requests:
                del self._routes[route]

    def _figures(self, route: str, window: Window, now: float) -> RouteFigures:
        span = min(max(now - self._began, 1.0), self._window)
        p50, p95, p99 = window.percentiles(50, 95, 99)
        return RouteFigures(
            route=route,
            requests=window.requests,
            failed=window.failed,
            rate=round(window.requests / span, 3),
            p50_ms=_ms(p50),
            p95_ms=_ms(p95),
            p99_ms=_ms(p99),
            parts_ms={
                part: round(spent * 1000 / window.requests, 4) for part, spent in window.parts.items() if spent > 0
            },
        )

    def _used(self, now: float) -> Usage | None:
        if self._usage is None:
            return None
        from msgspec.structs import replace

        lags = [lag for at, lag in self._lags if at > now - _LAG_SECONDS]
        rates = [
            max(last - first, 0) / (until - since)
            for (since, first), *_, (until, last) in (kept for kept in self._commits.values() if len(kept) > 1)
        ]
        return replace(
            self._usage,
            loop_lag_ms=_ms(max(lags)) if lags else None,
            commits_per_second=round(sum(rates), 2) if any(rates) else None,
        )

    def _take_processes(self, processes: Iterable[int], now: float) -> None:
        current = set(processes)
        for pid in sorted(current - self._processes):
            self.say(now, f"process {pid} serves")
        for pid in sorted(self._processes - current):
            self.say(now, f"process {pid} has ended")
            self._commits.pop(pid, None)
            self._leaks.forget(pid)
            self._caches.forget(pid, now)
            self._parts.forget(pid, now)
        self._processes = current

    def _take_samples(self, samples: Iterable[ResourceSample], now: float) -> None:
        for sample in samples:
            if sample.loop_lag is not None:
                self._lags.append((sample.at, sample.loop_lag))
            if sample.pid in self._processes:
                self._leaks.add(sample)
                kept = self._commits.setdefault(sample.pid, deque())
                kept.append((sample.at, sample.commits))
                while kept[0][0] < now - _LAG_SECONDS and len(kept) > 1:
                    kept.popleft()
        while self._lags and self._lags[0][0] < now - _LAG_SECONDS:
            self._lags.popleft()

    def _used_about(self, second: int) -> Usage | None:
        """What was read in this second, or else a little earlier: readings are not on the second."""
        return next((self._course[at] for at in range(second, second - _APART, -1) if at in self._course), None)

    def _points(self, now: float) -> Points:
        course: list[Second] = self._all.course(now, min(_COURSE, int(now) - int(self._began)))
        used = [self._used_about(second.at) for second in course]
        return Points(
            at=[round(self._epoch + second.at, 1) for second in course],
            rate=[float(second.requests) for second in course],
            p50_ms=[_ms(second.p50) for second in course],
            p99_ms=[_ms(second.p99) for second in course],
            errors=[float(second.failed) for second in course],
            cpu=[None if each is None or each.cpu is None else round(each.cpu, 3) for each in used],
            rss_bytes=[None if each is None else each.rss_bytes for each in used],
        )


def _measured(figures: RouteFigures, used: Usage | None, uses: Sequence[Use]) -> Measured:
    shares = {use.resource: use.utilisation for use in uses}

    def seconds(value: float | None) -> float | None:
        return None if value is None else value / 1000

    return Measured(
        latency_p50=seconds(figures.p50_ms),
        latency_p95=seconds(figures.p95_ms),
        latency_p99=seconds(figures.p99_ms),
        requests_per_second=None if not figures.requests else figures.rate * (1 - figures.failed / figures.requests),
        transactions_per_second=None if used is None else used.commits_per_second,
        cpu=shares.get("processors"),
        memory=shares.get("memory"),
        disk=shares.get("disk"),
    )


def _weight(window: Window) -> float:
    """What routes are ordered by: the time their requests took, or their number where nothing tells."""
    return sum(window.parts.values()) or window.requests * 1e-9


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
