"""Distributions that are recorded from many threads: exponential cells inside, classic buckets derived from them."""

from __future__ import annotations

import collections
import math
import sys
from bisect import bisect_left
from functools import lru_cache
from itertools import pairwise
from math import ceil, log2
from typing import TYPE_CHECKING

from ..exceptions import InvalidValue
from .batched import Batched, turn
from .snapshots import Distribution

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["CELLS_PER_DOUBLING", "DEFAULT_BUCKETS", "Histogram", "cell_bounds"]

DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Seconds: the boundaries OpenTelemetry's semantic conventions advise for `http.server.request.duration`."""

CELLS_PER_DOUBLING = 32
"""OpenTelemetry's and Prometheus' exponential histogram at scale 5: a cell is 2^(1/32) = 2.2 % wide."""
# The cells reach so far below the first and above the last bucket: for DEFAULT_BUCKETS from 50 ns to 1 h.
_BELOW, _ABOVE = 1e-5, 360.0
# However far apart the buckets lie: 2,048 cells at most, and those that are not used cost nothing.
_MOST_DOUBLINGS = 64
_BATCH = 64
_LARGEST = sys.float_info.max


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


def check_number(value: float) -> None:
    """Refuse what no sum can take.

    Raises:
        InvalidValue: NaN, or an integer beyond all floats.
    """
    if not -_LARGEST <= value <= _LARGEST and value not in (math.inf, -math.inf):
        raise InvalidValue("Expected a number", got=value)


class Histogram(Batched):
    """A distribution of values: durations in seconds, sizes in bytes. Exact under threads; recording waits for none.

    The counts are kept in cells 2.2 % wide (OpenTelemetry's exponential histogram, scale 5), only those that are used.
    The classic buckets of an exposition are sums of whole cells. Values are counted in batches: see `batched`.
    """

    __slots__ = ("_bounds", "_counts", "_sources", "_sum", "_table", "buckets")

    shared = False
    """Whether other processes read its counts, at any moment. Then each value counts at once."""

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
        super().__init__()
        self.buckets = finite
        self._bounds = cell_bounds(finite)
        self._table = cell_table(finite)
        self._counts: collections.Counter[int] = collections.Counter()
        self._sum: float = 0
        self._sources: tuple[Callable[[], None], ...] = ()

    def observe(self, value: float) -> None:
        """Count `value`, in the unit of the buckets.

        Raises:
            InvalidValue: the value is NaN.
        """
        if not 0 <= value <= _LARGEST:
            check_number(value)
        pending = self.pending
        pending.append(value)
        if len(pending) >= _BATCH:
            self.settle(wait=False)

    def observe_all(self, values: Sequence[float]) -> None:
        """Count each of `values`, as `observe` does: for whoever has many.

        Raises:
            InvalidValue: one of them is NaN; then none is counted.
        """
        if not 0 <= sum(values) <= _LARGEST:
            for value in values:
                check_number(value)
        self.settle()
        with turn():
            self._count(values)

    def feed(self, source: Callable[[], None]) -> None:
        """Call `source` before each reading, to observe what it has not told yet."""
        self._sources = (*self._sources, source)

    def _ask(self) -> None:
        for source in self._sources:
            source()

    def _count(self, values: Sequence[float]) -> None:
        bounds, table, counts = self._bounds, self._table, self._counts
        try:
            numbers = [ceil(log2(value) * CELLS_PER_DOUBLING) for value in values]
        except (ValueError, OverflowError):  # 0 and below, infinite
            counts.update([bisect_left(bounds, value) for value in values])
        else:
            unknown = set()
            for number, count in collections.Counter(numbers).items():
                if number in table:
                    counts[table[number]] += count
                else:  # the logarithm does not tell cells at a bucket's bound or beyond the last
                    unknown.add(number)
            if unknown:
                pairs = zip(values, numbers, strict=True)
                counts.update([bisect_left(bounds, value) for value, number in pairs if number in unknown])
        try:
            self._sum += sum(values)
        except TypeError:  # a Decimal does not add up with floats
            self._sum += math.fsum(values)

    def snapshot(self) -> Distribution:
        """What was observed so far."""
        self._ask()
        self.settle()
        # The sum first: an observation that another thread is making may show in the count alone.
        total, cells = self._sum, dict(self._counts)
        return Distribution(
            buckets=self.buckets,
            bounds=self._bounds,
            cells=dict(sorted(cells.items())),
            count=sum(cells.values()),
            sum=total,
        )
