"""Which of two statements is faster on the clone: runs in turn, and an end to it when the time is over."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...stats import MINIMUM_RUNS, compare
from .engine import QueryTimedOut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...records.kinds import Interval
    from ...stats import Comparison, Verdict
    from .engine import Engine, Stopwatch
    from .statement import Statement

__all__ = ["Measurement", "measure"]

_PLAINLY = 2.0
"""With too few runs for an interval: so many times apart must the nearest runs of two statements lie."""
_MOST = 6
"""Times as many rounds as asked for, where they do not tell yet."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What came of it."""

    verdict: Verdict
    reason: str
    before_ms: float | None = None
    after_ms: float | None = None
    ended_ms: float | None = None
    """What a statement without a time ran before it was ended."""
    ratio: Interval | None = None
    before_buffers: int | None = None
    after_buffers: int | None = None


@dataclass(slots=True)
class _Arm:
    statement: Statement
    warm_ms: float = 0.0
    times: list[float] = field(default_factory=list)
    buffers: list[int] = field(default_factory=list)
    ended_ms: float | None = None

    def run(self, watch: Stopwatch, parameters: Sequence[Any], deadline: float) -> None:
        took, buffers = watch.run(self.statement, parameters, deadline)
        self.times.append(took)
        self.buffers += [buffers] if buffers is not None else []

    def warm_up(self, watch: Stopwatch, parameters: Sequence[Any], deadline: float) -> None:
        """The run that fills the caches; it tells whether there is time for more."""
        began = time.monotonic()
        try:
            self.warm_ms, _ = watch.run(self.statement, parameters, deadline)
        except QueryTimedOut:
            self.ended_ms = (time.monotonic() - began) * 1000


def measure(
    engine: Engine,
    original: Statement,
    rewrite: Statement,
    parameters: Sequence[Any],
    *,
    needs: Sequence[str],
    rounds: int,
    threshold: float,
    deadline: float,
) -> Measurement:
    """Run both in turn on the clone, in a transaction that is rolled back.

    Args:
        needs: DDL that the rewrite is measured with.
        rounds: runs of each; more where they do not tell.
        threshold: changes up to this share of the time are no difference.
        deadline: of `time.monotonic`, by which all of it ends.

    Raises:
        QueryFailed: a statement fails there, or the time is over before the two were tried.
    """
    before, after = _Arm(original), _Arm(rewrite)
    with engine.stopwatch(needs, deadline) as watch:
        if watch.plan(original, parameters) == watch.plan(rewrite, parameters):
            return Measurement("no difference", "the database plans both alike")
        # The first leaves the second some time.
        before.warm_up(watch, parameters, (time.monotonic() + deadline) / 2)
        after.warm_up(watch, parameters, deadline)
        if before.ended_ms is not None or after.ended_ms is not None:
            return _ended(before, after, threshold)
        try:
            while not (found := _found(before, after, rounds, threshold)):
                for arm in (before, after):
                    arm.run(watch, parameters, deadline)
        except QueryTimedOut:
            found = _cut(before, after, threshold)
    return found


def _found(before: _Arm, after: _Arm, rounds: int, threshold: float) -> Measurement | None:
    """The verdict when there are rounds enough; None: go on."""
    done = len(after.times)
    if done == 0 or done % rounds:
        return None
    times = compare(before.times, after.times, threshold=threshold)
    if times.verdict == "not enough data" and done < _MOST * rounds:
        return None
    return _timed(before, after, times, times.verdict, times.reason)


def _cut(before: _Arm, after: _Arm, threshold: float) -> Measurement:
    """The verdict on the rounds there was time for; with few of them the first counts too."""
    runs = len(after.times)
    if runs < MINIMUM_RUNS:
        for arm in (before, after):
            arm.times.append(arm.warm_ms)
    times = compare(before.times, after.times, threshold=threshold)
    reason = f"the time for measuring ended it after {runs or 'the first'} runs: {times.reason}"
    apart = _apart(before.times, after.times)
    if times.verdict == "not enough data" and apart is not None:
        slow = "original" if apart == "faster" else "rewrite"
        reason += f", but the {slow} took more than {_PLAINLY:g} times as long as the other in every run"
        return _timed(before, after, times, apart, reason)
    return _timed(before, after, times, times.verdict, reason)


def _apart(before: Sequence[float], after: Sequence[float]) -> Verdict | None:
    """A difference too plain to need an interval."""
    if max(after) * _PLAINLY < min(before):
        return "faster"
    return "slower" if max(before) * _PLAINLY < min(after) else None


def _ended(before: _Arm, after: _Arm, threshold: float) -> Measurement:
    """The verdict where one of them, or both, did not end in time."""
    if before.ended_ms is not None and after.ended_ms is not None:
        least = min(before.ended_ms, after.ended_ms)
        reason = f"each takes more than {least / 1000:.2g} s and was ended"
        return Measurement("not enough data", reason, ended_ms=least)
    verdict: Verdict = "slower" if before.ended_ms is None else "faster"
    slow, fast, name = (after, before, "rewrite") if before.ended_ms is None else (before, after, "original")
    ended = slow.ended_ms or 0.0
    return Measurement(
        verdict if fast.warm_ms * (1 + threshold) < ended else "not enough data",
        f"the {name} takes more than {ended / 1000:.2g} s and was ended, the other {fast.warm_ms:.3g} ms",
        before_ms=before.warm_ms if before.ended_ms is None else None,
        after_ms=after.warm_ms if after.ended_ms is None else None,
        ended_ms=ended,
    )


def _timed(before: _Arm, after: _Arm, times: Comparison, verdict: Verdict, reason: str) -> Measurement:
    return Measurement(
        verdict,
        reason,
        before_ms=times.a,
        after_ms=times.b,
        ratio=times.ratio,
        before_buffers=_median(before.buffers),
        after_buffers=_median(after.buffers),
    )


def _median(values: Sequence[int]) -> int | None:
    return sorted(values)[len(values) // 2] if values else None
