"""Distributions that are recorded from many threads: exponential cells inside, classic buckets derived from them."""

from __future__ import annotations

import math
import sys
from _thread import get_ident
from bisect import bisect_left
from collections import defaultdict
from functools import lru_cache
from itertools import pairwise
from math import ceil, log2
from typing import TYPE_CHECKING

from ..exceptions import InvalidValue
from .snapshots import Distribution

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CELLS_PER_DOUBLING", "DEFAULT_BUCKETS", "Histogram", "cell_bounds"]

DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Seconds: the boundaries OpenTelemetry's semantic conventions advise for `http.server.request.duration`."""

CELLS_PER_DOUBLING = 32
"""OpenTelemetry's and Prometheus' exponential histogram at scale 5: a cell is 2^(1/32) = 2.2 % wide."""
# The cells reach so far below the first and above the last bucket: for DEFAULT_BUCKETS from 50 ns to 1 h.
_BELOW, _ABOVE = 1e-5, 360.0
# However far apart the buckets lie: 2,048 cells at most, and those that are not used cost nothing.
_MOST_DOUBLINGS = 64
_SUM = -1


@lru_cache(maxsize=64)
def cell_bounds(buckets: tuple[float, ...]) -> list[float]:
    """The upper bounds of the cells, rising: 2^(k/32) for a range of k, as in exponential histograms of scale 5.

    The bound of each bucket is one too. So classic buckets and exponential ones are sums of whole cells.
    """
    positive = [bound for bound in buckets if bound > 0]
    cells = set(buckets)
    if positive:
        high = min(positive[-1] * _ABOVE, sys.float_info.max)
        low = max(positive[0] * _BELOW, high * 2.0**-_MOST_DOUBLINGS, sys.float_info.min)
        first = math.floor(math.log2(low) * CELLS_PER_DOUBLING)
        last = min(math.ceil(math.log2(max(high, low)) * CELLS_PER_DOUBLING), 1023 * CELLS_PER_DOUBLING)
        cells.update(2.0 ** (step / CELLS_PER_DOUBLING) for step in range(first, last + 1))
    return sorted(cells)


@lru_cache(maxsize=64)
def cell_table(buckets: tuple[float, ...]) -> dict[int, int]:
    """Index of the cell whose upper bound is 2^(k/32), by k; without those that a bucket's bound is in, or next to.

    A logarithm finds k in a third of the time a search takes, but may be wrong by one where a value is at a bound.
    """
    bounds = cell_bounds(buckets)
    table = {}
    for index, bound in enumerate(bounds):
        if index and bound not in buckets:
            table[round(math.log2(bound) * CELLS_PER_DOUBLING)] = index
    for bucket in buckets:
        if bucket > 0:
            at = math.ceil(math.log2(bucket) * CELLS_PER_DOUBLING)
            for near in (at - 1, at, at + 1):
                table.pop(near, None)
    return table


class _Shards(dict[int, "defaultdict[int, float]"]):
    """The cells of each thread: count by index, and the sum under `_SUM`."""

    def __missing__(self, thread: int) -> defaultdict[int, float]:
        # setdefault: with the identity of an ended thread its cells are taken over, never replaced.
        return self.setdefault(thread, defaultdict(int))


class Histogram:
    """A distribution of values: durations in seconds, sizes in bytes. Exact under threads, without a lock.

    The counts are kept in cells 2.2 % wide (OpenTelemetry's exponential histogram, scale 5), only those that are used
    and for each thread its own, as in `Counter`. The classic buckets of an exposition are sums of whole cells.
    """

    __slots__ = ("_bounds", "_shards", "_table", "buckets")

    buckets: tuple[float, ...]
    """The upper bounds of the classic buckets, rising, without the infinite one."""

    def __init__(self, buckets: Sequence[float] = DEFAULT_BUCKETS) -> None:
        """An empty histogram.

        Args:
            buckets: upper bounds of the buckets it is exposed with, rising; an infinite last one is understood.

        Raises:
            InvalidValue: no bounds, or bounds that do not rise.
        """
        finite = tuple(float(bound) for bound in buckets if bound != math.inf)
        if not finite or any(math.isnan(bound) or bound == -math.inf for bound in finite):
            raise InvalidValue("Expected one or more finite bucket bounds", got=tuple(buckets))
        if any(low >= high for low, high in pairwise(finite)):
            raise InvalidValue("Expected bucket bounds that rise", got=tuple(buckets))
        self.buckets = finite
        self._bounds = cell_bounds(finite)
        self._table = cell_table(finite)
        self._shards = _Shards()

    def observe(self, value: float) -> None:
        """Count `value`, in the unit of the buckets.

        Raises:
            InvalidValue: the value is NaN.
        """
        try:
            index = self._table[ceil(log2(value) * CELLS_PER_DOUBLING)]
        except (KeyError, ValueError, OverflowError):
            index = self._search(value)
        cells = self._shards[get_ident()]
        cells[index] += 1
        cells[_SUM] += value

    def _search(self, value: float) -> int:
        """The index of a cell that the logarithm does not give: at a bucket's bound, beyond the cells, 0 and below."""
        index = bisect_left(self._bounds, value)
        # A NaN is below nothing, so it comes out first.
        if not index and value != value:
            raise InvalidValue("Expected a number", got=value)
        return index

    def snapshot(self) -> Distribution:
        """What was observed so far. An observation that another thread is making may show in the count alone."""
        counts: defaultdict[int, int] = defaultdict(int)
        sums: list[float] = []
        for shard in list(self._shards.values()):
            for index, count in shard.copy().items():
                if index == _SUM:
                    sums.append(count)
                else:
                    counts[index] += int(count)
        total = sum(sums)
        return Distribution(
            buckets=self.buckets,
            bounds=self._bounds,
            cells=dict(sorted(counts.items())),
            count=sum(counts.values()),
            sum=total if isinstance(total, int) or not math.isfinite(total) else math.fsum(sums),
        )
