"""Virtual speed-up: what the service would measure after a fix, from the measured requests with the fixed part removed.

The measured run is simulated twice through the calibrated model, as it was and with less work. The measured
percentile × the ratio of the simulated ones is the prediction, so what the model gets wrong in both cancels. The idea
is Coz's (Curtsinger and Berger, SOSP 2015); Coz slows the rest down, here the measured arrivals are replayed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..records import Interval, Predicted

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
    """Part removed of all requests' time, or of the busiest station's where that is more (it bounds the capacity)."""

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
    rows = np.flatnonzero(np.array([request.route == route for request in model.requests]))
    measured = np.array([model.requests[row].latency for row in rows])
    before = model.latencies(model.work)
    after = model.latencies(fix.estimate)
    p50 = _scaled(measured, before[rows], after[rows], 50)
    p99 = _scaled(measured, before[rows], after[rows], 99)
    capacity = model.capacity(fix.estimate)

    groups = _rows_by_route(model)
    spread: dict[str, list[float]] = {"p50": [p50], "p99": [p99], "capacity": [capacity]}
    for _ in range(REPLICATES):
        weight = float(random.triangular(-1.0, 0.0, 1.0))
        work = fix.estimate.blend(fix.much if weight > 0 else fix.little, abs(weight))
        drawn = np.arange(len(model.requests))
        for members in groups:
            drawn[members] = random.choice(members, size=members.size)
        again = model.latencies(model.work, drawn)[rows]
        fixed = model.latencies(work, drawn)[rows]
        sample = random.choice(measured, size=measured.size)
        spread["p50"].append(_scaled(sample, again, fixed, 50))
        spread["p99"].append(_scaled(sample, again, fixed, 99))
        spread["capacity"].append(model.capacity(work.take(drawn)))

    m99 = float(np.percentile(measured, 99))
    total, busiest = float(before.sum()), model.bottleneck_seconds(model.work)
    of_latency = 1.0 - float(after.sum()) / total if total > 0 else 0.0
    of_busy = 1.0 - model.bottleneck_seconds(fix.estimate) / busiest
    return Prediction(
        predicted=Predicted(
            p50_ms=_interval(p50, spread["p50"], 1e3),
            p99_ms=_interval(p99, spread["p99"], 1e3),
            capacity_rps=_interval(capacity, spread["capacity"], 1.0),
        ),
        measured_p99_ms=m99 * 1e3,
        share_of_p99=min(max(1.0 - p99 / m99, 0.0), 1.0) if m99 > 0 else 0.0,
        share_of_time=min(max(of_latency, of_busy, 0.0), 1.0),
    )


def _scaled(measured: Seconds, before: Seconds, after: Seconds, percentile: float) -> float:
    real, simulated, fixed = (float(np.percentile(values, percentile)) for values in (measured, before, after))
    scale = real / simulated if simulated > 0 else 1.0
    return fixed * min(max(scale, LEAST_SCALE), MOST_SCALE)


def _rows_by_route(model: ServiceModel) -> list[NDArray[np.intp]]:
    routes: dict[str, list[int]] = {}
    for row, request in enumerate(model.requests):
        routes.setdefault(request.route, []).append(row)
    return [np.array(rows, dtype=np.intp) for rows in routes.values()]


def _interval(estimate: float, values: list[float], unit: float) -> Interval:
    low, high = (float(value) for value in np.percentile(values, (_TAIL, 100 - _TAIL)))
    return (min(low, estimate) * unit, estimate * unit, max(high, estimate) * unit)
