"""The moments at which a warm-up may end: what had been counted until then is kept, to be left out afterwards.

How long requests took is kept in stretches evenly apart; when they are too many, pairs of them are joined, but never at
0.1, 0.2, 0.4 s and so on, so that a short warm-up is seen in a long run too. All that had been counted is kept three
times for each doubling of the time: the warm-up is cut at the first of those moments after its end.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from msgspec import Struct

from ..stats import Counts, Histogram
from ..units import format_duration
from .warm_up import LEAST_RUN, Window, never_over, warm_up_end

if TYPE_CHECKING:
    from .recording import Recorder

__all__ = ["Checkpoints", "Countable", "WarmUp"]

_EVERY = 0.1
_MOST = 64
# Fewer have no median to speak of.
_LEAST_REQUESTS = 10


class Countable(Protocol):
    """What counts requests, and can forget those of an earlier moment."""

    def counts(self) -> Any:
        """What is counted so far."""

    def subtract(self, earlier: Any) -> None:
        """Forget what had been counted when `counts` gave `earlier`."""


class _Stretch(NamedTuple):
    """What finished between two moments."""

    tick: int
    elapsed: float
    """Seconds from the start of the run to its end."""
    latency: Counts


class _End(NamedTuple):
    """All that had been counted at a moment at which the warm-up may end."""

    elapsed: float
    requests: int
    errors: int
    bytes_received: int
    latency: Counts
    others: list[Any]


class WarmUp(Struct, frozen=True, kw_only=True):
    """What was left out at the start of a run, and why the rest cannot be trusted, if so."""

    seconds: float = 0.0
    requests: int = 0
    errors: int = 0
    reason: str | None = None


class Checkpoints:
    """Those of one run.

    Args:
        seconds: how long the warm-up is; None to find that out.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = seconds
        self._stretches: list[_Stretch] = []
        self._ends: list[_End] = []
        self._tick = self._step = 1
        self._next_end = 1
        self._requests = 0
        self._latency = Histogram()
        self.next = _EVERY if seconds is None else seconds
        """When the next one is due, in seconds from the start."""

    def reached(self, recorder: Recorder, elapsed: float | None = None) -> None:
        """Take the one that is due: everything that finished before has been recorded, and nothing else.

        Args:
            elapsed: the moment it is of, where it could not be taken when it was due.
        """
        at = self.next if elapsed is None else elapsed
        if self._seconds is not None:
            self._latency.update_to(recorder.latencies())
            self._ends.append(_end(recorder, at, self._latency.counts()))
            self.next = math.inf
            return
        self._tick = max(self._tick, int(at / _EVERY + 1e-9))
        if recorder.requests - self._requests >= _LEAST_REQUESTS:
            self._requests = recorder.requests
            self._stretches.append(_Stretch(self._tick, at, self._latency.update_to(recorder.latencies())))
            if self._tick >= self._next_end:
                self._ends.append(_end(recorder, at, self._latency.counts()))
                self._next_end = _following(self._tick)
            if len(self._stretches) > _MOST:
                self._step *= 2
                self._join()
        self._tick += 1
        while not self._stays(self._tick):
            self._tick += 1
        self.next = self._tick * _EVERY

    def _stays(self, tick: int) -> bool:
        return tick % self._step == 0 or tick & (tick - 1) == 0

    def _join(self) -> None:
        """Join each stretch that ends at a moment which is dropped with the one after it."""
        joined: list[_Stretch] = []
        for stretch in self._stretches:
            if joined and not self._stays(joined[-1].tick):
                stretch = stretch._replace(latency=joined.pop().latency.plus(stretch.latency))
            joined.append(stretch)
        self._stretches = joined

    def exclude(self, recorder: Recorder, elapsed: float) -> WarmUp:
        """Take the warm-up out of a recorder that has finished.

        Args:
            elapsed: seconds the run lasted.
        """
        if self._seconds is not None:
            if not self._ends or self._ends[0].requests == recorder.requests:
                return WarmUp(reason=f"no request finished after the warm-up of {format_duration(self._seconds)}")
            end = self._ends[0]
        else:
            if elapsed < LEAST_RUN:
                return WarmUp()
            windows = self._windows()
            falling, over = never_over(windows), warm_up_end(windows)
            found = next((each for each in self._ends if over is not None and each.elapsed >= over), None)
            if falling is None and over is not None and (found is None or over > elapsed / 2):
                falling = windows[0].p50_ms, windows[-1].p50_ms
            if falling is not None:
                first, last = (format_duration(p50 / 1000) for p50 in falling)
                return WarmUp(
                    reason=f"the service was still warming up: the median latency fell from {first} to {last} in the "
                    "course of the run; run it for longer, or with --warm-up none"
                )
            if found is None:
                return WarmUp()
            end = found
        recorder.requests -= end.requests
        recorder.bytes_received -= end.bytes_received
        recorder.latency.subtract(end.latency)
        for countable, earlier in zip(recorder.countables(), end.others, strict=True):
            countable.subtract(earlier)
        return WarmUp(seconds=end.elapsed, requests=end.requests, errors=end.errors)

    def _windows(self) -> list[Window]:
        windows = []
        for stretch in self._stretches:
            histogram = Histogram()
            histogram.add_counts(stretch.latency)
            if count := histogram.count:
                p50, mean = histogram.percentile(50) / 1000, histogram.mean / 1000
                windows.append(Window(stretch.elapsed, count, p50, mean))
        return windows


def _following(tick: int) -> int:
    """The next of 1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 32 …: three to a doubling."""
    power = 0
    while round(2 ** (power / 3)) <= tick:
        power += 1
    return round(2 ** (power / 3))


def _end(recorder: Recorder, elapsed: float, latency: Counts) -> _End:
    recorder.settle()
    return _End(
        elapsed,
        recorder.requests,
        recorder.errors,
        recorder.bytes_received,
        latency,
        [countable.counts() for countable in recorder.countables()],
    )
