"""The search itself: from the probes so far to the next one, or to the answer. A pure function of the history.

1. Closed probes with 1, 2, 4, … requests in flight, until the throughput stops growing: where to look.
2. Open probes, up or down in growing steps from a little below that throughput, until one met the goals and another
   missed them.
3. Open probes at the rate that tells most (see `posterior`), until the interval is narrow enough.

As it keeps no state, a search is resumed by handing it the probes of its record.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from ...records import Interval  # noqa: TC001  # msgspec reads it
from ...units import format_duration
from .judging import SETTLING
from .posterior import Posterior

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...records import CapacityProbe

__all__ = ["Conclusion", "NextProbe", "Settings", "decide"]

_LEAST_RAMP = 4
"""Closed probes: with fewer, no scalability law can be fitted."""
_GROWS = 1.05
"""A doubling of the requests in flight that gains less has reached the throughput there is."""
_RAMP_ROUNDS = 3
"""Requests on each connection in a closed probe."""
_START = 0.9
_STEPS = (1.15, 1.3, 1.6, 2.0)
"""Factors from one rate to the next while all met the goals, or all missed them."""
_FLOOR = 0.125
"""As a share of what one request at a time gets through: below, requests do not meet, and latency is what it is."""
_OPEN_PROBES = 60
_LEAST_EACH = 2
"""Probes that met, and that missed, near the answer."""
_LONGEST = 4.0
"""A slow service's probes are so much longer at most, to have enough samples."""
_SPARE_TIME = 1.1
_REPEATS = 3
"""Untrustworthy probes in a row at one rate that are no accident: the generator cannot do it."""
_CLOSE = 1.2
"""The highest rate met is so near to what the generator can do that nothing is gained by looking between them."""
_SPARE = 4
"""Connections for each request in flight at the highest throughput."""
_FEWEST_CONNECTIONS = 16
_MOSTLY_WAITED = 0.5


class Settings(Struct, frozen=True, kw_only=True):
    """What a search goes by. Times are seconds."""

    precision: float
    """The interval's width as a share of the estimate at which the search ends."""
    confidence: float
    budget: float
    """How long all probes may take, with the recovery after them."""
    probe: float
    """How long an open probe is."""
    samples: int
    """Requests a probe needs to be judged."""
    most_connections: int


class NextProbe(Struct, frozen=True, kw_only=True):
    """The probe to do next; closed when it has no rate."""

    rate: float | None
    connections: int
    seconds: float


class Conclusion(Struct, frozen=True, kw_only=True):
    """The answer; fields as in `CapacityRecord`."""

    verdict: Literal["found", "at least", "never met", "not enough data"]
    limited_by: Literal["service", "generator", "connections", "time"]
    capacity: Interval | None = None
    reasons: list[str]


def decide(settings: Settings, history: Sequence[CapacityProbe]) -> NextProbe | Conclusion:
    """What to do after these probes, in the order they were done."""
    search = _Search(settings, history)
    return search.ramp() or search.open()


class _Search:
    """The probes so far, and what follows from them."""

    def __init__(self, settings: Settings, history: Sequence[CapacityProbe]) -> None:
        self._settings = settings
        self._ramp = [probe for probe in history if probe.model == "closed"]
        self._tried = [probe for probe in history if probe.model == "open"]
        self._met = [_rate(probe) for probe in self._tried if probe.verdict == "met"]
        self._missed = [_rate(probe) for probe in self._tried if probe.verdict == "missed"]
        self._ceiling = self._generator_ceiling()
        spent = sum(probe.seconds + probe.recovery_seconds for probe in history)
        self._over = ""
        """Why there are no more probes."""
        if len(self._tried) >= _OPEN_PROBES:
            self._over = f"{_OPEN_PROBES} probes did not decide it"
        elif spent >= settings.budget:
            self._over = f"the time is over: {format_duration(settings.budget)} of probes"

    # Closed.

    def ramp(self) -> NextProbe | None:
        """The next closed probe; None when the throughput has stopped growing."""
        settings, ramp = self._settings, self._ramp
        shortest = settings.probe / 8
        if not ramp:
            return NextProbe(rate=None, connections=1, seconds=shortest)
        last = ramp[-1]
        in_flight = 2 * last.connections
        if self._tried or self._over or not last.throughput or in_flight > settings.most_connections:
            return None
        # One step beyond the first that gained nothing: does the throughput fall there?
        if len(ramp) >= _LEAST_RAMP and (
            last.verdict == "untrustworthy" or (self._flat(ramp) and self._flat(ramp[:-1]))
        ):
            return None
        seconds = max(shortest, _RAMP_ROUNDS * last.latency_ms.mean / 1000)
        return NextProbe(rate=None, connections=in_flight, seconds=min(seconds, settings.probe))

    @staticmethod
    def _flat(ramp: Sequence[CapacityProbe]) -> bool:
        """The last of these gained nothing worth having."""
        return ramp[-1].throughput < _GROWS * max(probe.throughput for probe in ramp[:-1])

    def _connections(self) -> int:
        """Enough that it is never they whose throughput is measured: by Little's law, with room for queues."""
        best = max(self._ramp, key=lambda probe: probe.throughput)
        return min(max(_FEWEST_CONNECTIONS, _SPARE * best.connections), self._settings.most_connections)

    def _short_of_connections(self) -> bool:
        """The throughput still grew with the last connections allowed, and requests waited for one when they missed."""
        growing = 2 * self._ramp[-1].connections > self._settings.most_connections and not (
            len(self._ramp) > 1 and self._flat(self._ramp)
        )
        return growing and all(probe.waited > _MOSTLY_WAITED for probe in self._tried if probe.verdict == "missed")

    # Open.

    def open(self) -> NextProbe | Conclusion:
        """The next open probe, or the answer."""
        if not any(probe.throughput for probe in self._ramp):
            return _nothing("service", "no request was answered without error", *self._ramp[-1].reasons)
        trailing = _trailing_untrustworthy(self._tried)
        if 0 < trailing < _REPEATS and not self._over:
            return self._probe(_rate(self._tried[-1]))
        if self._met and self._missed:
            return self._between()
        if self._over:
            untrusted = [probe for probe in self._tried if probe.verdict == "untrustworthy"]
            limit: Literal["generator", "time"] = "generator" if 2 * len(untrusted) > len(self._tried) else "time"
            return _nothing(limit, self._over, *(untrusted[-1].reasons if untrusted else ()))
        return self._down() if self._missed else self._up()

    def _up(self) -> NextProbe | Conclusion:
        """No rate missed the goals yet."""
        good = [_rate(probe) for probe in self._tried if probe.verdict in ("met", "too few samples")]
        highest = max(good, default=0.0)
        if self._ceiling is not None and highest and self._ceiling <= _CLOSE * highest:
            reasons = [f"at {self._ceiling:.4g} requests/s: {reason}" for reason in self._last_untrustworthy()]
            if not self._met:
                return _nothing("generator", *reasons)
            return Conclusion(verdict="at least", limited_by="generator", reasons=reasons)
        if not highest:
            rate = _START * max(probe.throughput for probe in self._ramp)
            if self._ceiling is not None:
                rate = self._ceiling / 2
            if rate < self._lowest():
                return _nothing("generator", *self._last_untrustworthy())
            return self._probe(rate)
        rate = highest * _STEPS[min(len(good), len(_STEPS)) - 1]
        if self._ceiling is not None and rate >= self._ceiling:
            rate = math.sqrt(highest * self._ceiling)
        return self._probe(rate)

    def _down(self) -> NextProbe | Conclusion:
        """No rate met the goals yet."""
        last, lowest = self._tried[-1], min(self._missed)
        if last.verdict == "too few samples":
            return _nothing("time", f"at {_rate(last):.4g} requests/s: {last.reasons[0]}")
        if lowest <= self._lowest() * (1 + 1e-9):
            why = next(probe.reasons for probe in self._tried if probe.rate == lowest and probe.verdict == "missed")
            return Conclusion(
                verdict="never met",
                limited_by="service",
                reasons=[f"at {lowest:.4g} requests/s: {reason}" for reason in why],
            )
        rate = lowest / _STEPS[min(len(self._missed), len(_STEPS)) - 1]
        # What it got through under overload is near what it can do.
        done = min(probe.throughput for probe in self._tried if probe.verdict == "missed")
        if lowest / 2 < done < rate:
            rate = 0.97 * done
        if self._ceiling is not None:
            rate = min(rate, self._ceiling / 2)
        return self._probe(max(rate, self._lowest()))

    def _between(self) -> NextProbe | Conclusion:
        """The capacity is bracketed."""
        settings = self._settings
        outcomes = [(rate, True) for rate in self._met] + [(rate, False) for rate in self._missed]
        posterior = Posterior(outcomes, settings.precision)
        low, middle, high = interval = posterior.interval(settings.confidence)
        margin = 1 + 2 * settings.precision
        near = [met for rate, met in outcomes if low / margin <= rate <= high * margin]
        width = (high - low) / middle
        if width <= settings.precision and min(near.count(True), near.count(False)) >= _LEAST_EACH:
            if self._short_of_connections():
                few = f"all {settings.most_connections} connections were busy: with more it may be capable of more"
                return Conclusion(verdict="at least", limited_by="connections", capacity=interval, reasons=[few])
            return Conclusion(verdict="found", limited_by="service", capacity=interval, reasons=[])
        if self._over:
            wide = f"the interval is {width:.0%} of the estimate wide, {settings.precision:.0%} was asked for"
            limit: Literal["generator", "time"] = "time" if self._ceiling is None else "generator"
            return Conclusion(
                verdict="not enough data", limited_by=limit, capacity=interval, reasons=[self._over, wide]
            )
        return self._probe(posterior.most_telling_rate())

    def _probe(self, rate: float) -> NextProbe:
        """An open probe long enough for its tail percentile."""
        settings = self._settings
        needed = _SPARE_TIME * settings.samples / (1 - SETTLING) / rate
        seconds = min(max(settings.probe, needed), _LONGEST * settings.probe)
        return NextProbe(rate=rate, connections=self._connections(), seconds=seconds)

    def _lowest(self) -> float:
        """Requests a second below which nothing changes any more."""
        return _FLOOR * next(probe.throughput for probe in self._ramp if probe.throughput)

    # The generator.

    def _generator_ceiling(self) -> float | None:
        """The lowest rate that the generator could not do, several times in a row."""
        ceilings = [
            _rate(probe)
            for index, probe in enumerate(self._tried)
            if _trailing_untrustworthy(self._tried[: index + 1]) >= _REPEATS
        ]
        above = [rate for rate in ceilings if rate > max(self._met, default=0.0)]
        return min(above, default=None)

    def _last_untrustworthy(self) -> list[str]:
        return next((probe.reasons for probe in reversed(self._tried) if probe.verdict == "untrustworthy"), [])


def _nothing(limited_by: Literal["service", "generator", "time"], *reasons: str) -> Conclusion:
    return Conclusion(verdict="not enough data", limited_by=limited_by, reasons=list(reasons))


def _trailing_untrustworthy(tried: Sequence[CapacityProbe]) -> int:
    """How many probes at the end of these were untrustworthy, all at one rate."""
    count = 0
    for probe in reversed(tried):
        if probe.verdict != "untrustworthy" or probe.rate != tried[-1].rate:
            break
        count += 1
    return count


def _rate(probe: CapacityProbe) -> float:
    assert probe.rate is not None
    return probe.rate
