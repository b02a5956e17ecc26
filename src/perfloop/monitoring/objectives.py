"""The targets of chapter 1, judged all the time: is each met just now, and how fast is its error budget used up."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from ..clock import MONOTONIC, Clock
from ..records import TargetResult  # noqa: TC001  (msgspec reads it)
from ..targets import Measured, Targets, evaluate
from ..telemetry import DEFAULT_REGISTRY, Distribution, FamilySnapshot, Registry
from .alerts.alert import AlertState
from .burn_rate import WINDOWS, Burn, BurnRate, Window
from .periodic import Periodic, PeriodicMonitor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .alerts.alert import KeptAlert
    from .resources import Use

__all__ = ["Objective", "ObjectiveMonitor", "Objectives", "Requests", "requests_of"]

DURATION = "http.server.request.duration"
_STATUS = "http.response.status_code"
_LATENCIES = {"latency_p50": 0.50, "latency_p95": 0.05, "latency_p99": 0.01}
"""Budget of each: the share of requests that may take longer."""
_UTILISATIONS = {"cpu": "processors", "memory": "memory", "disk": "disk"}
_TIME_BUDGET = 0.05
"""Share of the time that a resource may be in use beyond its target."""
_RECENT_SECONDS = 300.0
_INTERVAL_SECONDS = 10.0


class Objective(Struct, frozen=True, kw_only=True):
    """One target at one moment."""

    result: TargetResult
    """Whether it was met in the last five minutes, and what was measured."""
    budget: float | None = None
    """Share that may miss it; None: it has no budget, since production cannot measure it."""
    burns: tuple[Burn, ...] = ()

    @property
    def name(self) -> str:
        """As in `Targets`."""
        return self.result.name

    @property
    def burning(self) -> str | None:
        """The name of the most urgent window in which the budget burns; None where none does."""
        return next((burn.window.name for burn in self.burns if burn.burning), None)


class Requests(NamedTuple):
    """All requests so far. Time is as exact as the histogram's cells, 2.2 %."""

    cells: dict[int, int]
    """Count by cell of those that succeeded."""
    bounds: Sequence[float]
    """Upper bound of each cell."""
    failed: int

    def slower(self, seconds: float) -> int:
        """How many took longer, or failed: that was fast is no good then."""
        return self.failed + sum(
            count for cell, count in self.cells.items() if cell and self.bounds[cell - 1] >= seconds
        )

    @property
    def total(self) -> int:
        """All."""
        return self.failed + sum(self.cells.values())


def requests_of(family: FamilySnapshot | None) -> Requests:
    """The requests in a family of histograms, all series together.

    Args:
        family: `http.server.request.duration`; a status of 500 or more is a failure.
    """
    if family is None:
        return Requests({}, (), 0)
    status = family.label_names.index(_STATUS) if _STATUS in family.label_names else None
    cells: dict[int, int] = {}
    bounds: Sequence[float] = ()
    failed = 0
    for series in family.series:
        value = series.value
        if not isinstance(value, Distribution):
            continue
        bounds = value.bounds
        if status is not None and series.labels[status].startswith("5"):
            failed += value.count
            continue
        for cell, count in value.cells.items():
            cells[cell] = cells.get(cell, 0) + count
    return Requests(cells, bounds, failed)


class Objectives:
    """Judges targets by what is read now and then: pure, but for what it remembers.

    Capacities (a rate of requests, commits or bytes) are judged as `targets.evaluate` does it: production shows what
    was asked for, not what could be done.

    Args:
        targets: what should be achieved.
        windows: over which budgets are watched.
        time_budget: share of the time a resource may be in use beyond its target.
    """

    def __init__(
        self, targets: Targets, *, windows: tuple[Window, ...] = WINDOWS, time_budget: float = _TIME_BUDGET
    ) -> None:
        self._targets = targets
        budgets = {**_LATENCIES, **dict.fromkeys(_UTILISATIONS, time_budget)}
        self._rates = {
            name: BurnRate(budget, windows=windows)
            for name, budget in budgets.items()
            if getattr(targets, name) is not None
        }
        self._over = dict.fromkeys(_UTILISATIONS, (0, 0))
        """How often each resource was in use beyond its target, of how many times."""
        self._recent: deque[tuple[float, Requests]] = deque()

    def update(self, now: float, requests: Requests, uses: Sequence[Use] = ()) -> list[Objective]:
        """Judge all targets.

        Args:
            now: seconds on a clock that should not go back; if it does, what was known is forgotten.
            requests: all so far.
            uses: of the resources, just now.
        """
        measured: dict[str, float | None] = {}
        for name in _LATENCIES.keys() & self._rates.keys():
            self._rates[name].record(now, requests.slower(getattr(self._targets, name)), requests.total)
        measured.update(self._recently(now, requests))
        shares = {use.resource: use.utilisation for use in uses}
        for name, resource in _UTILISATIONS.items():
            share = shares.get(resource)
            measured[name] = share
            if share is not None and name in self._rates:
                over, times = self._over[name]
                self._over[name] = over, times = over + (share > getattr(self._targets, name)), times + 1
                self._rates[name].record(now, over, times)
        results = evaluate(self._targets, Measured(**measured))  # type: ignore[arg-type]
        return [
            Objective(
                result=result,
                budget=self._rates[result.name].budget if result.name in self._rates else None,
                burns=tuple(self._rates[result.name].burns()) if result.name in self._rates else (),
            )
            for result in results
        ]

    def _recently(self, now: float, requests: Requests) -> dict[str, float | None]:
        """Percentiles and rate of the last minutes."""
        recent = self._recent
        if recent and (now < recent[-1][0] or requests.total < recent[-1][1].total):
            recent.clear()
        recent.append((now, requests))
        while len(recent) > 2 and recent[1][0] <= now - _RECENT_SECONDS:
            recent.popleft()
        begin, before = recent[0]
        cells = {
            cell: count - before.cells.get(cell, 0)
            for cell, count in sorted(requests.cells.items())
            if count > before.cells.get(cell, 0)
        }
        if not cells or now <= begin:
            return {}
        distribution = Distribution(
            buckets=(), bounds=list(requests.bounds), cells=cells, count=sum(cells.values()), sum=0.0
        )
        return {
            "latency_p50": distribution.percentile(50),
            "latency_p95": distribution.percentile(95),
            "latency_p99": distribution.percentile(99),
            "requests_per_second": distribution.count / (now - begin),
        }


class ObjectiveMonitor(PeriodicMonitor):
    """Judges the targets every few seconds in a thread of its own, from `start` to `stop`, and tells who wants to know.

    Reads the histogram `http.server.request.duration` of a registry, with all processes that share it. Each of them may
    have a monitor: one tells, and another when that has ended. In a process forked meanwhile it does not go on.

    Args:
        targets: what should be achieved.
        registry: where requests are counted.
        uses: gives how the resources fare just now: a `ResourceMonitor`'s `uses`.
        tell: called in the monitor's thread with the objectives after each judgement, in one process of the service.
        interval: seconds between judgements.
        windows: over which budgets are watched.
        clock: what time it is.

    Raises:
        InvalidValue: an interval that is not above 0.
    """

    def __init__(
        self,
        targets: Targets,
        registry: Registry = DEFAULT_REGISTRY,
        *,
        uses: Callable[[], Sequence[Use]] | None = None,
        tell: Callable[[list[Objective]], object] | None = None,
        interval: float = _INTERVAL_SECONDS,
        windows: tuple[Window, ...] = WINDOWS,
        clock: Clock = MONOTONIC,
    ) -> None:
        self._registry = registry
        self._uses = uses or (lambda: ())
        self._tell = tell
        self._clock = clock
        self.targets = targets
        """What should be achieved."""
        self._objectives = Objectives(targets, windows=windows)
        self._state = AlertState()
        self._latest: list[Objective] = []
        self._burn_rate = registry.gauge(
            "perfloop.objective.burn_rate",
            "How many times too fast the error budget of a target is used up, over the long window.",
            unit="1",
            labels=["target", "window"],
            merge="max",
        )
        self._begin()
        super().__init__(Periodic(self.judge, interval, name="perfloop-objectives", begin=self._begin))

    def _begin(self) -> None:
        self._judging = threading.Lock()

    def objectives(self) -> list[Objective]:
        """As they were judged last; empty before the first time."""
        return self._latest

    def alerts(self) -> list[KeptAlert]:
        """Those that are firing and those of late, the newest first, whichever process sends them."""
        return self._state.kept()

    def judge(self) -> list[Objective]:
        """Judge now, in this thread, and tell if no other process does. The monitor does so by itself."""
        family = next((each for each in self._registry.collect_all() if each.name == DURATION), None)
        uses = self._uses()
        with self._judging:
            now = self._clock.now()
            self._latest = latest = self._objectives.update(now, requests_of(family), uses)
            self._state.update(now, latest)
        for objective in latest:
            for burn in objective.burns:
                if burn.long is not None:
                    self._burn_rate.labels(objective.name, burn.window.name).set(burn.long)
        if self._tell is not None and self._registry.leads():
            self._tell(latest)
        return latest
