"""Virtual speed-up: what the service would measure after a fix, from the measured requests with the fixed part removed.

The measured run is simulated twice through the calibrated model, as it was and with less work. The measured
percentile × the ratio of the simulated ones is the prediction, so what the model gets wrong in both cancels. The idea
is Coz's (Curtsinger and Berger, SOSP 2015); Coz slows the rest down, here the measured arrivals are replayed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..records import Interval, Predicted, RouteGain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .service_model import ServiceModel, Work
    from .simulation import Seconds

__all__ = ["Fix", "Prediction", "predict"]

REPLICATES = 24
# The interval holds the middle 90 % of the replicates.
_TAIL = 5.0
# The model is used for its ratio; where it is off by more than this it must not multiply the error.
LEAST_SCALE, MOST_SCALE = 0.4, 3.0
# Other routes are named when a fix takes so much of their p50 or p99 away, and surely some: milliseconds and share.
_WAITS_LESS_MS, _WAITS_LESS = 2.0, 0.15
_LEAST_REQUESTS = 20
_MOST_ROUTES = 3


@dataclass(frozen=True, slots=True)
class Fix:
    """The work that remains after a fix: if it saves little, as estimated, and if it saves much."""

    little: Work
    estimate: Work
    much: Work


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a fix gains."""

    predicted: Predicted
    measured_p99_ms: float
    share_of_p99: float
    """Part of the route's p99 removed, 0 to 1."""
    share_of_time: float
    """Part removed of all requests' time, or of the busiest station's where that is more."""
    others: tuple[RouteGain, ...] = ()
    """Other routes that wait less, the one that gains most first."""

    @property
    def saved_p99_ms(self) -> float:
        return self.measured_p99_ms - self.predicted.p99_ms[1]

    @property
    def surely_saved_p99_ms(self) -> float:
        """What the cautious end of the interval still saves."""
        return self.measured_p99_ms - self.predicted.p99_ms[2]


def predict(model: ServiceModel, fix: Fix, route: str, *, seed: int = 0) -> Prediction:
    """Latency of one route and capacity of the service after a fix, each with an interval.

    Args:
        model: calibrated on the run the fix is judged by.
        fix: the work that remains, request by request as in `model.requests`.
        route: whose percentiles are asked for.
        seed: of the bootstrap.
    """
    random = np.random.default_rng(seed)
    groups = _rows_by_route(model)
    before = model.latencies(model.work)
    after = model.latencies(fix.estimate)
    routes = {name: _Percentiles(model, rows, before, after) for name, rows in groups.items()}
    capacity = model.capacity(fix.estimate)
    capacities = [capacity]
    for _ in range(REPLICATES):
        weight = float(random.triangular(-1.0, 0.0, 1.0))
        work = fix.estimate.blend(fix.much if weight > 0 else fix.little, abs(weight))
        varied = model.with_fewer_cores(max(-weight, 0.0))
        drawn = np.arange(len(model.requests))
        for members in groups.values():
            drawn[members] = random.choice(members, size=members.size)
        again = model.latencies(model.work, drawn)
        fixed = varied.latencies(work, drawn)
        for each in routes.values():
            each.replicate(random, again, fixed)
        capacities.append(varied.capacity(work.take(drawn)))

    asked = routes[route]
    total = float(before.sum())
    of_latency = 1.0 - float(after.sum()) / total if total > 0 else 0.0
    of_busy = model.freed(fix.estimate)
    m99, p99 = asked.measured(99), asked.after[99][0]
    return Prediction(
        predicted=Predicted(
            p50_ms=_interval(asked.after[50], 1e3),
            p99_ms=_interval(asked.after[99], 1e3),
            capacity_rps=_interval(capacities, 1.0),
        ),
        measured_p99_ms=m99 * 1e3,
        share_of_p99=min(max(1.0 - p99 / m99, 0.0), 1.0) if m99 > 0 else 0.0,
        share_of_time=min(max(of_latency, of_busy, 0.0), 1.0),
        others=_waiting_less({name: each for name, each in routes.items() if name != route}),
    )


class _Percentiles:
    """p50 and p99 of one route after the fix, in seconds: the estimate, then one a replicate."""

    def __init__(self, model: ServiceModel, rows: NDArray[np.intp], before: Seconds, after: Seconds) -> None:
        self.rows = rows
        self.latencies = np.array([model.requests[row].latency for row in rows])
        self.after: dict[int, list[float]] = {50: [], 99: []}
        self._add(self.latencies, before, after)

    def measured(self, percentile: int) -> float:
        return float(np.percentile(self.latencies, percentile))

    def replicate(self, random: np.random.Generator, before: Seconds, after: Seconds) -> None:
        self._add(random.choice(self.latencies, size=self.latencies.size), before, after)

    def _add(self, measured: Seconds, before: Seconds, after: Seconds) -> None:
        for percentile, values in self.after.items():
            values.append(_scaled(measured, before[self.rows], after[self.rows], percentile))


def _waiting_less(routes: dict[str, _Percentiles]) -> tuple[RouteGain, ...]:
    """The routes of these that the fix makes faster by much and surely."""
    found: list[tuple[float, RouteGain]] = []
    for name, route in routes.items():
        gain = RouteGain(route=name, p50_ms=_interval(route.after[50], 1e3), p99_ms=_interval(route.after[99], 1e3))
        saved = 0.0
        for percentile, after in ((50, gain.p50_ms), (99, gain.p99_ms)):
            now = route.measured(percentile) * 1e3
            if after[2] < now and now - after[1] >= max(_WAITS_LESS_MS, _WAITS_LESS * now):
                saved = max(saved, now - after[1])
        if saved and route.rows.size >= _LEAST_REQUESTS:
            found.append((saved, gain))
    found.sort(key=lambda each: -each[0])
    return tuple(gain for _, gain in found[:_MOST_ROUTES])


def _scaled(measured: Seconds, before: Seconds, after: Seconds, percentile: float) -> float:
    """The percentile after the fix: what was measured × simulated after ÷ before, which is what was measured where the
    fix changes nothing. Where the model is far off, what it saves is scaled no further than the bounds."""
    real, simulated, fixed = (float(np.percentile(values, percentile)) for values in (measured, before, after))
    scale = real / simulated if simulated > 0 else 1.0
    if scale > MOST_SCALE:
        return real - (simulated - fixed) * MOST_SCALE
    # Far too much simulated: no less than this of it, and no slower for it than now.
    return fixed * scale if scale >= LEAST_SCALE or fixed > simulated else min(fixed * LEAST_SCALE, real)


def _rows_by_route(model: ServiceModel) -> dict[str, NDArray[np.intp]]:
    routes: dict[str, list[int]] = {}
    for row, request in enumerate(model.requests):
        routes.setdefault(request.route, []).append(row)
    return {route: np.array(rows, dtype=np.intp) for route, rows in routes.items()}


def _interval(values: list[float], unit: float) -> Interval:
    """Low, estimate (the first of the values) and high."""
    estimate = values[0]
    low, high = (float(value) for value in np.percentile(values, (_TAIL, 100 - _TAIL)))
    return (min(low, estimate) * unit, estimate * unit, max(high, estimate) * unit)
