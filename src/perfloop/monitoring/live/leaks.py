"""Whether the processes of a service leak, from what their agents say of their memory. Pure.

The samples are not taken after full collections, as those of `MemoryLeakDetector` inside a process are, and nothing is
known of the C library: garbage that waits is scatter, which the judgement allows for, and a native leak cannot be told
from fragmentation for sure.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ..memory.samples import MemorySample
from ..memory.verdict import judge
from .state import Memory

if TYPE_CHECKING:
    from ..observations import ResourceSample

__all__ = ["LeakWatch"]

_MOST_SAMPLES = 240
_FIRST_STEP, _LAST_STEP = 4.0, 32.0
"""Seconds between two samples that are kept: from the agent's own 5 s to 40 s, which makes a window of 160 minutes."""
_JUDGED_EVERY = 10.0
_MOST_PROCESSES = 16


class LeakWatch:
    """Keeps a bounded series of samples of each process, and judges them now and then."""

    def __init__(self) -> None:
        self._requests: Counter[int] = Counter()
        self._series: dict[int, _Series] = {}
        self._judged = -_JUDGED_EVERY
        self._memory: Memory | None = None

    def count(self, pid: int) -> None:
        """A process has answered a request."""
        self._requests[pid] += 1

    def add(self, sample: ResourceSample) -> None:
        """Take a sample, if it says what a judgement needs."""
        if sample.allocated_blocks is None:
            return
        series = self._series.get(sample.pid)
        if series is None:
            if len(self._series) >= _MOST_PROCESSES:
                return
            series = self._series[sample.pid] = _Series()
        series.add(
            MemorySample(
                at=sample.at,
                rss=sample.rss_bytes,
                blocks=sample.allocated_blocks,
                requests=float(self._requests[sample.pid]),
            )
        )

    def forget(self, pid: int) -> None:
        """A process has ended."""
        self._series.pop(pid, None)
        del self._requests[pid]

    def memory(self, now: float) -> Memory | None:
        """The verdict on the process that is worst off, at most 10 s old; None before the first sample."""
        if now - self._judged >= _JUDGED_EVERY:
            self._judged = now
            verdicts = [self._of(pid, series) for pid, series in self._series.items()]
            self._memory = max(verdicts, key=lambda each: (each.leaking, each.kind != "not enough data"), default=None)
        return self._memory

    def _of(self, pid: int, series: _Series) -> Memory:
        verdict = judge(series.samples)
        return Memory(kind=verdict.kind, leaking=verdict.leaking, reason=verdict.reason, pid=pid)


class _Series:
    """The samples of one process: ever rarer while there are too many, then the last ones."""

    def __init__(self) -> None:
        self.samples: list[MemorySample] = []
        self._step = _FIRST_STEP

    def add(self, sample: MemorySample) -> None:
        if self.samples and sample.at - self.samples[-1].at < self._step:
            return
        self.samples.append(sample)
        if len(self.samples) < _MOST_SAMPLES:
            return
        if self._step < _LAST_STEP:
            self._step *= 2
            self.samples = self.samples[::2]
        else:
            del self.samples[0]
