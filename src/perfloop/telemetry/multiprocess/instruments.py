"""Instruments whose cells lie in the file of their process. They behave as those of one process alone."""

from __future__ import annotations

import math
from _thread import get_ident
from bisect import bisect_left
from collections import defaultdict
from math import ceil, log2
from threading import RLock
from typing import TYPE_CHECKING

from ...exceptions import InvalidValue
from ..counter import Counter
from ..event import Event
from ..gauge import Gauge, ObservableGauge
from ..histogram import CELLS_PER_DOUBLING, Histogram, check_number
from ..snapshots import Distribution
from .cells import FORGOTTEN, NOWHERE, SUM
from .merging import whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ...clock import Clock
    from .cells import Definition
    from .store import Store

__all__ = ["SharedCounter", "SharedEvent", "SharedGauge", "SharedHistogram", "SharedObservableGauge", "StoredSeries"]


_BASE = -1
"""In the place of a thread: what a gauge was set to."""


class StoredSeries:
    """A series in the file of this process: its number there, 0 before it has one."""

    __slots__ = ("definition", "number")

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.number = 0

    def start_over(self) -> None:
        """Have no number, in another file; what is forgotten stays so."""
        if self.number != FORGOTTEN:
            self.number = 0


class _Places(dict[int, int]):
    """Where the values of a series' cells are: place by key, made when it is first asked for."""

    __slots__ = ("_index", "_series", "_store")

    def __init__(self, store: Store, series: StoredSeries, index: int | None = None) -> None:
        self._store = store
        self._series = series
        self._index = index

    def __missing__(self, key: int) -> int:
        # setdefault: a finaliser that runs meanwhile may have made it.
        return self.setdefault(key, self._store.place(self._series, key if self._index is None else self._index))

    def found(self) -> dict[int, int]:
        """Those that have a cell. Where there was no room, all series share one, and what is in it is nobody's."""
        return {key: place for key, place in self.copy().items() if place != NOWHERE}


class _Shards(dict[int, _Places]):
    """The places of a histogram's cells, by thread."""

    __slots__ = ("_series", "_store")

    def __init__(self, store: Store, series: StoredSeries) -> None:
        self._store = store
        self._series = series

    def __missing__(self, thread: int) -> _Places:
        return self.setdefault(thread, _Places(self._store, self._series))


class SharedCounter(Counter):
    """A counter with a cell in the file for each thread."""

    __slots__ = ("__weakref__", "_places", "_series", "_store")

    def __init__(self, store: Store, definition: Definition) -> None:
        super().__init__()
        self._store = store
        self._series = StoredSeries(definition)
        self.start_over()
        store.add(self)

    def start_over(self) -> None:
        """Begin at nothing, in the file of another process."""
        self._series.start_over()
        self._places = _Places(self._store, self._series, 0)

    def leave(self) -> list[int]:
        """Have no cells that count from now on; gives those that did."""
        self._series.number = FORGOTTEN
        return list(self._places.found().values())

    def inc(self, amount: float = 1) -> None:
        """Add `amount`, as `Counter` does."""
        if not amount >= 0:
            raise InvalidValue("Expected an amount of 0 or more: a counter only rises", got=amount)
        place = self._places[get_ident()]
        self._store.values[place] += amount

    @property
    def value(self) -> float:
        """The sum of this process."""
        self._ask()
        return whole(math.fsum([self._store.values[place] for place in self._places.found().values()]))


class SharedGauge(Gauge):
    """A gauge with a cell in the file for each thread that moves it, and one that `set` makes up the rest with."""

    __slots__ = ("__weakref__", "_lock", "_places", "_series", "_store")

    def __init__(self, store: Store, definition: Definition) -> None:
        self._store = store
        self._series = StoredSeries(definition)
        self.start_over()
        store.add(self)

    def start_over(self) -> None:
        """Begin at nothing, in the file of another process."""
        self._series.start_over()
        # Reentrant: a finaliser or a signal handler may set it while this thread is inside.
        self._lock = RLock()
        self._places = _Places(self._store, self._series, 0)

    def leave(self) -> list[int]:
        """Have no cells that count from now on; gives those that did."""
        self._series.number = FORGOTTEN
        return list(self._places.found().values())

    def set(self, value: float) -> None:
        """Make `value` the gauge's value. A move that races with it is overwritten or counts, as in `Gauge`."""
        with self._lock:
            place = self._places[_BASE]
            values = self._store.values
            moved = math.fsum([values[each] for thread, each in self._places.found().items() if thread != _BASE])
            values[place] = value - moved

    def inc(self, amount: float = 1) -> None:
        """Add `amount`, as `Gauge` does."""
        if not -math.inf < amount < math.inf:
            raise InvalidValue("Expected a finite amount", got=amount)
        place = self._places[get_ident()]
        self._store.values[place] += amount

    def dec(self, amount: float = 1) -> None:
        """Take `amount` away, as `Gauge` does."""
        if not -math.inf < amount < math.inf:
            raise InvalidValue("Expected a finite amount", got=amount)
        place = self._places[get_ident()]
        self._store.values[place] -= amount

    @property
    def value(self) -> float:
        """The value in this process."""
        values = [self._store.values[place] for place in self._places.found().values()]
        total = sum(values)
        return whole(math.fsum(values)) if math.isfinite(total) else total


class SharedObservableGauge(ObservableGauge):
    """A gauge that is asked for, and whose last answer others find in the file."""

    __slots__ = ("__weakref__", "_gauge", "_store")

    def __init__(self, store: Store, definition: Definition) -> None:
        super().__init__()
        self._store = store
        self._gauge = SharedGauge(store, definition)
        store.publish(self)

    def observe(self, callback: Callable[[], float] | None) -> None:
        """Ask `callback` from now on, as `ObservableGauge` does, and every few seconds for the other processes."""
        super().observe(callback)
        self._store.start_publishing()

    def leave(self) -> list[int]:
        """Have no cells that count from now on; gives those that did."""
        return self._gauge.leave()

    def publish(self) -> None:
        """Ask now, for the other processes. Without an answer they see NaN, which counts for nothing."""
        try:
            value = self.value
            self._gauge.set(math.nan if value is None else float(value))
        except Exception:  # the user's code; whoever reads this process counts it
            self._gauge.set(math.nan)


class SharedHistogram(Histogram):
    """A histogram with cells in the file for each thread, those that are used.

    A value is counted at once: others may read the file at any time, and this process may be killed.
    """

    __slots__ = ("__weakref__", "_places", "_series", "_store")

    shared = True

    def __init__(self, store: Store, definition: Definition) -> None:
        super().__init__(definition.buckets)
        self._store = store
        self._series = StoredSeries(definition)
        self.start_over()
        store.add(self)

    def start_over(self) -> None:
        """Begin at nothing, in the file of another process."""
        self._series.start_over()
        self._places = _Shards(self._store, self._series)

    def leave(self) -> list[int]:
        """Have no cells that count from now on; gives those that did."""
        self._series.number = FORGOTTEN
        return [place for _, place in self._cells()]

    def observe(self, value: float) -> None:
        """Count `value`, as `Histogram` does."""
        try:
            index = self._table[ceil(log2(value) * CELLS_PER_DOUBLING)]
        except (KeyError, ValueError, OverflowError):
            # At a bucket's bound, beyond the cells, 0 and below.
            check_number(value)
            index = bisect_left(self._bounds, value)
        places = self._places[get_ident()]
        place, sum_place = places[index], places[SUM]
        values = self._store.values
        values[place] += 1
        values[sum_place] += value

    def observe_all(self, values: Sequence[float]) -> None:
        """Count each of `values`, as `Histogram` does."""
        for value in values:
            self.observe(value)

    def _cells(self) -> Iterator[tuple[int, int]]:
        for shard in list(self._places.values()):
            yield from shard.found().items()

    def snapshot(self) -> Distribution:
        """What this process observed so far."""
        self._ask()
        counts: defaultdict[int, int] = defaultdict(int)
        sums: list[float] = []
        for index, place in self._cells():
            if index == SUM:
                sums.append(self._store.values[place])
            else:
                counts[index] += int(self._store.values[place])
        total = sum(sums)
        return Distribution(
            buckets=self.buckets,
            bounds=self._bounds,
            cells={index: count for index, count in sorted(counts.items()) if count},
            count=sum(counts.values()),
            sum=math.fsum(sums) if math.isfinite(total) else total,
        )


class SharedEvent(Event):
    """An event whose count lies in the file; what is kept of it stays in its process."""

    __slots__ = ("_counter",)

    def __init__(self, store: Store, definition: Definition, *, capacity: int, clock: Clock) -> None:
        super().__init__(capacity=capacity, clock=clock)
        self._counter = SharedCounter(store, definition)
        store.add(self)

    def start_over(self) -> None:
        """Begin at nothing; the counter does so itself."""
        super().__init__(capacity=self.capacity, clock=self.clock)

    def leave(self) -> list[int]:
        """Have no cells that count from now on; gives those that did."""
        return self._counter.leave()

    def record(self, **attributes: str | float | bool) -> None:
        """Note that it happened, with whatever details help."""
        super().record(**attributes)
        self._counter.inc()
