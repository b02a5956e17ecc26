"""A limit of calls in flight that follows what a call takes without a queue: Netflix's gradient, kept from drifting.

`limit ← limit × min(1, tolerance × base ÷ rtt) + √limit`, as in Gradient2 of Netflix's concurrency-limits and in
Envoy's adaptive concurrency, where `base` is what a call takes while nothing queues. Who only averages what calls
took comes to think of the queue as usual: at a load a little above capacity its limit creeps up for ever. So here the
base is measured: from time to time, while the limit is what keeps calls out, fewer are let in, half as many and half
again for as long as that makes them quicker. Only a base measured so may rise. A base that is too low makes the limit
fall until it keeps calls out: then it is measured.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..exceptions import InvalidValue
from .settings import at_least, count, positive, share

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Gradient"]

_LEAST_GRADIENT = 0.5
_ON_DROP = 0.9
_LEAST_RTT = 1e-6
_QUICKER = 0.75
"""With half the calls in flight they take less than this share of the time: they had queued. Less is chance."""
_SURPRISE = 3.0
"""A call takes so many times the base: is that a queue, or has the service become slower?"""
_SELDOM = 100.0
"""So many times as long as a call takes lie between two measurements at least."""
_SOONER = 0.1
"""To answer that, the base is measured after this share of the usual time."""
_PATIENCE = 10.0
"""So many times what calls took before, a measurement lasts at most."""
_PROBE_SAMPLES = 3
"""As many times the samples of another window a measurement has: all depends on it."""
_ERROR = 0.15
"""The standard error of a mean that is gone by, as a share of it."""
_LONG = 10.0
"""So many times as long as is needed at least a window lasts at most, however much its calls differ."""
_FALL = 0.1
"""Weight of a window in a base that falls."""


class Gradient:
    """Decides a limit from how long calls take. Not safe for threads: whoever has it holds a lock."""

    def __init__(
        self,
        *,
        initial: int = 20,
        minimum: int = 4,
        maximum: int = 1000,
        tolerance: float = 1.5,
        smoothing: float = 0.2,
        window: float = 0.1,
        samples: int = 10,
        measure_every: float = 60.0,
    ) -> None:
        """A limit.

        Args:
            initial: calls in flight at first.
            minimum: the limit is never below it; what calls take at it counts as without a queue.
            maximum: the limit is never above it.
            tolerance: calls may take so many times the base before the limit falls, 1 or more.
            smoothing: the weight of the newest window, above 0 and at most 1.
            window: seconds that are judged together at least; as long as a call takes at least.
            samples: calls that are judged together at least.
            measure_every: seconds between two measurements of the base, made while the limit keeps calls out. During
                one, which takes some times as long as a call does, half as many calls or fewer are let in.

        Raises:
            InvalidValue: a value out of range, or limits that do not rise from minimum over initial to maximum.
        """
        self._minimum, self._maximum = bounds(minimum, initial, maximum)
        self._tolerance = at_least(tolerance, 1, "tolerance")
        self._smoothing = share(smoothing, "smoothing")
        self._window_seconds = positive(window, "window")
        self._samples = count(samples, "samples")
        self._measure_every = positive(measure_every, "measure_every")
        self._settings = {"initial": initial, "minimum": minimum, "maximum": maximum, "tolerance": tolerance}
        self._settings |= {"smoothing": smoothing, "window": window, "samples": samples, "measure_every": measure_every}
        self._limit = float(initial)
        self.limit = initial
        """Calls that may be in flight now."""
        self._base: float | None = None
        self._measured = -math.inf
        self._window = _Window()
        self._probe: _Probe | None = None

    @property
    def base(self) -> float | None:
        """Seconds a call takes without a queue; None before the first window."""
        return self._base

    def describe(self) -> Mapping[str, float]:
        """The settings."""
        return self._settings

    def update(self, now: float, rtt: float, inflight: int, dropped: bool) -> None:
        """A call ended.

        Args:
            now: seconds of a monotonic clock. If they jump, one window is wrong, no more.
            rtt: seconds it took. Negative or no number: the call is left out.
            inflight: calls in flight when it ended, itself included.
            dropped: it got no proper answer, as when it timed out. One that failed quicker than calls take is left out.
        """
        if not 0 <= rtt < math.inf or (dropped and self._base is not None and rtt < self._base):
            return
        window, probe = self._window, self._probe
        if probe is None:
            window.add(now, max(rtt, _LEAST_RTT), inflight, dropped)
            if window.tells(now, self._samples, self._window_seconds):
                self._window = _Window()
                self._judge(now, window)
        else:
            if probe.began <= now - rtt <= probe.until:  # not one from before, or from after those that are looked at
                window.add(now, max(rtt, _LEAST_RTT), inflight, dropped)
                if probe.until == math.inf and window.tells(now, self._samples * _PROBE_SAMPLES, self._window_seconds):
                    probe.until = now
            # Quick calls end first: those that began with them and take longer belong to the picture.
            if now >= probe.until + probe.longest or now > probe.began + probe.patience:
                self._window = _Window()
                self._measure(now, probe, window)
        self.limit = int(self._limit) if self._probe is None else self._probe.level

    def _judge(self, now: float, window: _Window) -> None:
        mean = window.total / window.count
        if self._base is None:
            self._base = mean
        elif mean < _QUICKER * self._base:
            self._base += _FALL * (mean - self._base)
        inflight = window.inflight / window.count
        if inflight * 2 < self._limit:  # nothing is learned of a limit that is not used
            if window.dropped:
                self._limit = max(self._minimum, self._limit * _ON_DROP)
            return
        due = max(self._measure_every, _SELDOM * mean)
        if mean > _SURPRISE * self._base:
            due *= _SOONER
        if now - self._measured >= due and window.most >= self.limit:
            self._begin_probe(now, inflight, mean, window.longest)
            return
        gradient = min(1.0, max(_LEAST_GRADIENT, self._tolerance * self._base / mean))
        wanted = self._limit * gradient + math.sqrt(self._limit)
        limit = self._limit + self._smoothing * (wanted - self._limit)
        if window.dropped:
            limit = min(limit, self._limit * _ON_DROP)
        self._limit = min(self._maximum, max(self._minimum, limit))

    def _begin_probe(self, now: float, inflight: float, mean: float, longest: float) -> None:
        level = max(self._minimum, int(min(inflight, self._limit) / 2))
        if level >= inflight:  # so few calls were in flight: that is the base
            self._base, self._measured = mean, now
        else:
            self._probe = _Probe(now, level, mean, longest)

    def _measure(self, now: float, probe: _Probe, window: _Window) -> None:
        if window.count >= self._samples:  # else hardly any calls came
            mean = window.total / window.count
            if mean < _QUICKER * probe.before and probe.level > self._minimum:
                self._begin_probe(now, probe.level, mean, window.longest)
                return
            self._base = mean
            # Twice the level before the last is more than enough: calls queued there, or it is the limit as it was.
            self._limit = max(self._minimum, min(self._limit, 4.0 * probe.level))
        self._probe, self._measured = None, now


class _Window:
    """Calls that are judged together."""

    __slots__ = ("began", "count", "dropped", "inflight", "longest", "most", "squares", "total")

    def __init__(self) -> None:
        self.began = math.inf
        self.count = 0
        self.total = self.squares = self.longest = 0.0
        self.inflight = 0
        """Calls in flight, added up."""
        self.most = 0
        """Calls in flight, at one time."""
        self.dropped = False

    def add(self, now: float, rtt: float, inflight: int, dropped: bool) -> None:
        self.began = min(self.began, now)
        self.count += 1
        self.total += rtt
        self.squares += rtt * rtt
        self.longest = max(self.longest, rtt)
        self.inflight += inflight
        self.most = max(self.most, inflight)
        self.dropped = self.dropped or dropped

    def tells(self, now: float, samples: int, seconds: float) -> bool:
        """So many calls, so long and so much alike that their mean tells something; or that is not to be had."""
        mean = self.total / self.count
        least = max(seconds, mean)
        if self.count < samples or now - self.began < least:
            return False
        variance = self.squares / self.count - mean * mean
        return variance <= self.count * (_ERROR * mean) ** 2 or now - self.began >= _LONG * least


class _Probe:
    """A measurement of the base: few calls are let in, and those that were let in since are looked at."""

    __slots__ = ("before", "began", "level", "longest", "patience", "until")

    def __init__(self, now: float, level: int, mean: float, longest: float) -> None:
        self.began = now
        self.level = level
        self.before = mean
        self.until = math.inf
        """Calls that began until then are looked at."""
        self.longest = longest
        """Seconds that none of them takes longer, as far as is known."""
        self.patience = max(1.0, _PATIENCE * mean) + longest


def bounds(minimum: int, initial: int, maximum: int) -> tuple[int, int]:
    """The least and the greatest limit, checked.

    Raises:
        InvalidValue: one that is no whole number of 1 or more, or they do not rise.
    """
    count(minimum, "minimum")
    count(initial, "initial")
    count(maximum, "maximum")
    if not minimum <= initial <= maximum:
        raise InvalidValue(
            "Expected minimum ≤ initial ≤ maximum", got=(minimum, initial, maximum), where="minimum, initial, maximum"
        )
    return minimum, maximum
