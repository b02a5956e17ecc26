"""Where the warm-up of a steady run ends: a pure judgement on how long requests took in successive windows of it.

The first requests of a service that is cold (its caches, pools, connections, a JIT) are slower than all that follow.
A window counts as slow only when it is clearly slower than the run's second half: noise that is merely higher at first
is not cut, since that would make every result look better than it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["LEAST_RUN", "Window", "never_over", "warm_up_end"]

LEAST_RUN = 3.0
"""Seconds a run must last for its warm-up to be looked for."""
_LEAST_WINDOWS = 8
_LEAST_PAIRS = 12
_SLOWER_MS = 1.0
# By how much the median, or the mean, of a slow window is above that of the second half. The mean shows what only some
# requests wait for, as for a pool that fills; it is also what a single long request moves.
_SLOWER = {"p50_ms": 1.25, "mean_ms": 2.0}
# How many times the largest excess in the second half; once it is slow, a window half so slow still is.
_EXCESS = {"p50_ms": 2.0, "mean_ms": 4.0}
_STAYS_SLOW = 0.5
# The share of windows in a long slow one that noise may make look fast.
_NOISE = 0.25
_MOST_CORRELATED = 0.95
# Of a run that warmed up all the time: how much slower its first quarter is than its last, each than the next.
_WARMED, _FALLS = 1.5, 1.1
_SETTLED = 0.9


class Window(Struct, frozen=True):
    """What finished in one stretch of a run, which begins where the window before ends."""

    end: float
    """Seconds from the start of the run."""
    requests: int
    p50_ms: float
    mean_ms: float


def warm_up_end(windows: Sequence[Window]) -> float | None:
    """When the warm-up was over, in seconds from the start; None where there was none to be seen.

    It is a row of slow windows from the first on. A window is slow when its median is 25 % and 1 ms above that of the
    second half, or its mean twice that; and above it by twice (the mean by four times) what any window of the second
    half is. The excess allowed grows where those are few, or neighbours alike, since they then say less about what the
    first may be, and where a window has fewer requests than they. Windows are also looked at in pairs, pairs of pairs
    and so on: what is little but lasts shows in long ones.
    """
    if len(windows) < _LEAST_WINDOWS:
        return None
    slow = max(_slow_windows(windows, figure) for figure in _SLOWER)
    return windows[slow - 1].end if slow else None


def _slow_windows(windows: Sequence[Window], figure: str) -> int:
    """How many windows from the first on are slow by that figure."""
    values = _values(windows, figure)
    starts, ends = _bounds(windows)
    settled = starts >= ends[-1] / 2 - 1e-9
    usual = float(np.median(values[settled])) if settled.any() else 0.0
    clearly = usual + max((_SLOWER[figure] - 1.0) * usual, _SLOWER_MS)
    longer, size, found = values, 1, 0
    requests = np.array([window.requests for window in windows], dtype=np.float64)
    while np.count_nonzero(settled) >= _LEAST_WINDOWS / 2:
        slow = size * _row_of_slow(longer, requests, settled, figure)
        # What began later was no warm-up, though a long window from the start on has some of it.
        if slow and clearly < min(values[: max(slow // 4, 1)].mean(), np.quantile(values[:slow], _NOISE)):
            found = max(found, slow)
        pairs = len(longer) // 2
        if pairs < _LEAST_PAIRS:
            break
        size *= 2
        both = requests[: 2 * pairs].reshape(-1, 2)
        requests = both.sum(axis=1)
        longer = (longer[: 2 * pairs].reshape(-1, 2) * both).sum(axis=1) / requests
        settled = settled[: 2 * pairs : 2]
    while found and values[found - 1] <= clearly:
        found -= 1
    return found


def _row_of_slow(
    values: NDArray[np.float64], requests: NDArray[np.float64], settled: NDArray[np.bool_], figure: str
) -> int:
    later = values[settled]
    usual = float(np.median(later))
    fewer = np.sqrt(np.maximum(np.median(requests[settled]) / requests, 1.0))
    excess = _EXCESS[figure] * (float(later.max()) - usual) * _uncertainty(later) * fewer
    least = max((_SLOWER[figure] - 1.0) * usual, _SLOWER_MS)
    above = values - usual
    if not above[0] > max(least, excess[0]):
        return 0
    slow = above > np.maximum(least, excess * _STAYS_SLOW)
    return len(slow) if slow.all() else int(np.argmin(slow))


def _uncertainty(values: NDArray[np.float64]) -> float:
    """How much further than any of `values` another may be off: the more, the fewer and the more alike neighbours are.

    √((1 + r) ÷ (1 - r)) for the correlation r of neighbours is how much wider the interval of their mean gets.
    """
    centred = values - values.mean()
    spread = float(centred @ centred)
    r = float(centred[1:] @ centred[:-1]) / spread if spread > 0 else 0.0
    r = min(max(r, 0.0), _MOST_CORRELATED)
    return float(np.sqrt((1 + r) / (1 - r))) * (1 + 4 / len(values))


def never_over(windows: Sequence[Window]) -> tuple[float, float] | None:
    """The medians, in ms, of the first quarter and the last of a run that was warming up all the time; else None.

    Either each quarter was a tenth faster than the one before, with most of its windows, or all windows of more than
    half of the run were slow, and all that came then were not.
    """
    if len(windows) < _LEAST_WINDOWS:
        return None
    values = _values(windows, "p50_ms")
    starts, ends = _bounds(windows)
    quarter = np.minimum(((starts + ends) / 2 / ends[-1] * 4).astype(np.int64), 3)
    if np.bincount(quarter, minlength=4).min() == 0:
        return None
    medians = [float(np.median(values[quarter == number])) for number in range(4)]
    if medians[0] <= max(_WARMED * medians[3], medians[3] + _SLOWER_MS):
        return None
    falling = all(
        medians[number] > _FALLS * medians[number + 1]
        and np.quantile(values[quarter == number], 0.25) > np.quantile(values[quarter == number + 1], 0.75)
        for number in range(3)
    )
    lowest, highest = np.minimum.accumulate(values), np.maximum.accumulate(values[::-1])[::-1]
    late = (ends[:-1] > ends[-1] / 2) & (ends[:-1] <= _SETTLED * ends[-1])
    fell = (lowest[:-1] > _SLOWER["p50_ms"] * highest[1:]) & (lowest[:-1] > highest[1:] + _SLOWER_MS)
    return (medians[0], medians[3]) if falling or (late & fell).any() else None


def _bounds(windows: Sequence[Window]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    ends = np.array([window.end for window in windows])
    return np.concatenate([[0.0], ends[:-1]]), ends


def _values(windows: Sequence[Window], figure: str) -> NDArray[np.float64]:
    return np.array([getattr(window, figure) for window in windows])
