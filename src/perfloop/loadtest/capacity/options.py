"""What a capacity search is asked to do."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from ...exceptions import InvalidValue
from ...targets import Targets
from .decision import Settings
from .goals import goals_of, parse_goals, samples_needed

if TYPE_CHECKING:
    from ..options import LoadOptions

__all__ = ["CapacityOptions"]

_PROBE, _RANDOM_PROBE = 4.0, 10.0
_PROBES = 30


class CapacityOptions(Struct, frozen=True, kw_only=True):
    """One search for the highest rate that meets the targets.

    Args:
        load: what to send and how: url, requests, headers, arrival, timeout, seed and so on. The search decides
            itself how much: `connections`, `rate`, `profile`, `think_time`, `pacing`, `duration`, `request_limit` and
            `warm_up` are not used.
        targets: what a rate must meet: `"p99<200ms"`, `"errors<0.1%"`; mean, max, any percentile of latency, and the
            share of errors. Default: the latency targets of `perfloop.targets`. Without one on errors, `errors<=0.1%`
            is added.
        most_connections: how many requests may be in flight at most, over HTTP/1.1 each on a connection of its own; it
            opens what the throughput needs.
        precision: the width of the interval, as a share of the estimate, at which the search ends.
        budget: seconds that all probes may take together; then the answer is what is known. None: 30 probes.
        probe: seconds of each probe; up to four times as long where a percentile needs the samples. None: 4, and 10
            with Poisson arrivals, whose long queues are too rare for a short probe to meet its share of them.
    """

    load: LoadOptions
    targets: tuple[str, ...] = goals_of(Targets())
    most_connections: int = 512
    precision: float = 0.10
    budget: float | None = None
    probe: float | None = None

    def validate(self) -> None:
        """Check every option before anything is opened.

        Raises:
            InvalidValue: names the option, what was expected and what was got.
        """
        self.load.validate()
        parse_goals(self.targets)
        if self.most_connections < 1:
            raise InvalidValue("Expected at least one connection", got=self.most_connections, where="most_connections")
        for name, most in (("precision", 1.0), ("budget", math.inf), ("probe", math.inf)):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and 0 < value <= most):
                expected = "a share above 0, up to 1" if name == "precision" else "a number of seconds above 0"
                raise InvalidValue(f"Expected {expected}", got=value, where=name)

    def sending(self, in_flight: int) -> LoadOptions:
        """The load with at most so many requests in flight, a power of two of them on each connection over HTTP/2."""
        streams = 1 << (min(self.load.streams, in_flight).bit_length() - 1) if self.load.http2 else 1
        return structs.replace(self.load, connections=-(-in_flight // streams), streams=streams)

    def settings(self, spent: float = 0.0) -> Settings:
        """What the decisions go by.

        Args:
            spent: seconds an earlier search took, which this one continues with a budget of its own.
        """
        probe = self.probe or (_RANDOM_PROBE if self.load.arrival == "poisson" else _PROBE)
        return Settings(
            precision=self.precision,
            confidence=0.95,
            budget=spent + (self.budget or _PROBES * probe),
            probe=probe,
            samples=samples_needed(parse_goals(self.targets)),
            most_connections=self.most_connections,
        )
