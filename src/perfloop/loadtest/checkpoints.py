"""The moments at which a warm-up may end: what had been counted until then is kept, to be left out afterwards.

Constant memory: of moments evenly apart every second one is dropped when they are too many, but never those at 0.1,
0.2, 0.4 s and so on, so that a short warm-up is seen in a long run too.
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


class Checkpoint(NamedTuple):
    """What had been counted at one moment."""

    tick: int
    elapsed: float
    requests: int
    errors: int
    bytes_received: int
    latency: tuple[Counts, ...]
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
        self._kept: list[Checkpoint] = []
        self._tick = self._step = 1
        self.next = _EVERY if seconds is None else seconds
        """When the next one is due, in seconds from the start."""

    def reached(self, recorder: Recorder, elapsed: float | None = None) -> None:
        """Take the one that is due: everything that finished before has been recorded, and nothing else.

        Args:
            elapsed: the moment it is of, where it could not be taken when it was due.
        """
        at = self.next if elapsed is None else elapsed
        if self._seconds is not None:
            self._kept.append(_checkpoint(recorder, 1, at))
            self.next = math.inf
            return
        self._tick = max(self._tick, int(at / _EVERY + 1e-9))
        enough = recorder.requests - (self._kept[-1].requests if self._kept else 0) >= _LEAST_REQUESTS
        if enough:
            self._kept.append(_checkpoint(recorder, self._tick, at))
            if len(self._kept) > _MOST:
                self._step *= 2
                self._kept = [each for each in self._kept if self._stays(each.tick)]
        self._tick += 1
        while not self._stays(self._tick):
            self._tick += 1
        self.next = self._tick * _EVERY

    def _stays(self, tick: int) -> bool:
        return tick % self._step == 0 or tick & (tick - 1) == 0

    def exclude(self, recorder: Recorder, elapsed: float) -> WarmUp:
        """Take the warm-up out of a recorder that has finished.

        Args:
            elapsed: seconds the run lasted.
        """
        if self._seconds is not None:
            if not self._kept or self._kept[0].requests == recorder.requests:
                return WarmUp(reason=f"no request finished after the warm-up of {format_duration(self._seconds)}")
            end: float | None = self._kept[0].elapsed
        else:
            if elapsed < LEAST_RUN:
                return WarmUp()
            windows = self._windows()
            falling, end = never_over(windows), warm_up_end(windows)
            if falling is None and end is not None and end > elapsed / 2:
                falling = windows[0].p50_ms, windows[-1].p50_ms
            if falling is not None:
                first, last = (format_duration(p50 / 1000) for p50 in falling)
                return WarmUp(
                    reason=f"the service was still warming up: the median latency fell from {first} to {last} in the "
                    "course of the run; run it for longer, or with --warm-up none"
                )
            if end is None:
                return WarmUp()
        checkpoint = next(each for each in self._kept if each.elapsed == end)
        recorder.requests -= checkpoint.requests
        recorder.bytes_received -= checkpoint.bytes_received
        for counts in checkpoint.latency:
            recorder.latency.subtract(counts)
        for countable, earlier in zip(recorder.countables(), checkpoint.others, strict=True):
            countable.subtract(earlier)
        return WarmUp(seconds=checkpoint.elapsed, requests=checkpoint.requests, errors=checkpoint.errors)

    def _windows(self) -> list[Window]:
        windows = []
        before: Checkpoint | None = None
        for checkpoint in self._kept:
            histogram = Histogram()
            for counts in checkpoint.latency:
                histogram.add_counts(counts)
            for counts in before.latency if before else ():
                histogram.subtract(counts)
            if count := histogram.count:
                windows.append(
                    Window(checkpoint.elapsed, count, histogram.percentile(50) / 1000, histogram.mean / 1000)
                )
                before = checkpoint
        return windows


def _checkpoint(recorder: Recorder, tick: int, elapsed: float) -> Checkpoint:
    recorder.settle()
    return Checkpoint(
        tick,
        elapsed,
        recorder.requests,
        recorder.errors,
        recorder.bytes_received,
        tuple(histogram.counts() for histogram in recorder.latencies()),
        [countable.counts() for countable in recorder.countables()],
    )
