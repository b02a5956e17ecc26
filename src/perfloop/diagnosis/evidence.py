"""Everything a rule may look at."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..records import Place
from .prediction import Fix, Prediction, predict
from .service_model import ServiceModel, Work, calibrate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..monitoring.observations import Frame, LongStep, Observations, Stack
    from ..sources import Sources
    from .index_trial import IndexTrial, NoTrial
    from .matching import MatchedRequest
    from .service_indexes import AdvisedTrial
    from .simulation import Seconds

__all__ = ["LEAST_SAVED_MS", "LEAST_SHARE", "Evidence"]

LEAST_SHARE = 0.15
"""A fix must save this part of the route's p99 or of all requests' time: run-to-run noise here is 5 to 10 %."""
LEAST_SAVED_MS = 2.0
"""And this much of the route's p50 or p99: below it the cure costs more than the disease."""


@dataclass(frozen=True)
class Evidence:
    """The judged run from both sides, the service's capacity, and the sources.

    Rules are pure functions of this. Files are read through `sources` only.
    """

    observations: Observations
    requests: Sequence[MatchedRequest]
    capacity_rps: float
    in_flight: int
    """Connections of the load curve's last step."""
    sources: Sources
    cores: float = 1
    """Processors that were left to the service in the run."""
    allowed_cores: float = 1
    """Processors it may have when nothing else runs."""
    index_trials: Mapping[int, IndexTrial | NoTrial | AdvisedTrial] = field(default_factory=dict)
    """Indexes proposed, by statement; tried where the database could be copied."""
    seed: int = 0

    @cached_property
    def model(self) -> ServiceModel:
        """The queueing model, calibrated on the run. Its requests are the ones the fixes are computed for."""
        return calibrate(
            self.requests,
            capacity_rps=self.capacity_rps,
            processes=len({request.trace.pid for request in self.requests}),
            cores=self.cores,
            in_flight=self.in_flight,
        )

    @cached_property
    def routes(self) -> dict[str, list[int]]:
        """Rows of `model.requests` by route, the route with the most time first."""
        rows: dict[str, list[int]] = defaultdict(list)
        for row, request in enumerate(self.model.requests):
            rows[request.route].append(row)
        latency = {route: sum(self.model.requests[row].latency for row in members) for route, members in rows.items()}
        return {route: rows[route] for route in sorted(rows, key=lambda route: -latency[route])}

    def stacks(self, route: str) -> list[Stack]:
        """Samples taken while a request of the route was running."""
        return [stack for stack in self.observations.stacks if stack.route is not None and _same(stack.route, route)]

    def long_steps(self, route: str) -> list[LongStep]:
        """Long holds of the event loop by requests of the route."""
        return [step for step in self.observations.long_steps if step.route is not None and _same(step.route, route)]

    def handler(self, route: str) -> Frame | None:
        """Where the route's handler is defined."""
        return next(
            (frame for row in self.routes.get(route, []) if (frame := self.model.requests[row].trace.handler)), None
        )

    def place(self, frame: Frame | None, route: str) -> Place:
        """A frame as a place; without one, the route's handler, else the route itself."""
        if frame is not None:
            return self.sources.place(frame)
        handler = self.handler(route)
        return self.sources.handler_place(handler) if handler else Place(file="(unknown)", line=0, function=route)

    def none(self) -> Seconds:
        """No seconds for every request of the model."""
        return np.zeros(len(self.model.requests))

    def predict(self, little: Work, estimate: Work, much: Work, route: str) -> Prediction:
        """What a fix gains that leaves this work; see Fix."""
        return predict(self.model, Fix(little, estimate, much), route, seed=self.seed)

    def is_material(self, prediction: Prediction, route: str, *, held_ms: float = 0.0) -> bool:
        """The gain is worth a finding: large enough, and not explained by the uncertainty.

        Args:
            held_ms: milliseconds a request for which the fix sets the event loop free. They count although the request
                itself still waits: everybody else no longer does.
        """
        p50 = float(np.median([self.model.requests[row].latency for row in self.routes[route]])) * 1e3
        saved = max(prediction.saved_p99_ms, p50 - prediction.predicted.p50_ms[1])
        surely = max(prediction.surely_saved_p99_ms, p50 - prediction.predicted.p50_ms[2])
        share = max(prediction.share_of_p99, prediction.share_of_time)
        if held_ms >= LEAST_SAVED_MS:
            return share >= LEAST_SHARE
        return share >= LEAST_SHARE and saved >= LEAST_SAVED_MS and surely > 0


def _same(seen: str, route: str) -> bool:
    """The agent names a route by its template alone or with the method before it."""
    return seen == route or route.partition(" ")[2] == seen
