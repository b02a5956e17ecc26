"""Latencies in constant memory: the HdrHistogram layout, 1 µs to 1 h with 3 significant digits."""

from __future__ import annotations

import math
import operator
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..exceptions import InvalidValue
from .counts import Counts
from .increment import Increment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

__all__ = ["CELLS", "HIGHEST_US", "Histogram", "cells_of"]

HIGHEST_US = 3_600_000_000
"""The highest value told apart, 1 h in microseconds."""

# Three significant digits need 2 × 10³ values of single-unit resolution, rounded up to a power of two: 2,048 cells in
# the first bucket, and 1,024 more for each doubling of the value above it.
_MAGNITUDE = 11
_HALF = 1 << (_MAGNITUDE - 1)
_BUCKETS = (HIGHEST_US >> _MAGNITUDE).bit_length() + 1
CELLS = (_BUCKETS + 1) * _HALF
"""How many counters a histogram has."""
_NOTHING = HIGHEST_US + 1
_HIGHEST_SHIFT = HIGHEST_US.bit_length() - _MAGNITUDE
_MOST = 1 << 62
"""Fewer values than this are counted: more would not fit into 64 bits."""
# From this many values on, one pass over all cells is cheaper than adding value by value.
_BINCOUNT_FROM = 8_192


@cache
def _highest_values() -> NDArray[np.int64]:
    """The highest value of each cell."""
    index = np.arange(CELLS, dtype=np.int64)
    shift = np.maximum((index >> (_MAGNITUDE - 1)) - 1, 0)
    values: NDArray[np.int64] = ((index - (shift << (_MAGNITUDE - 1)) + 1) << shift) - 1
    values.setflags(write=False)
    return values


@cache
def _middle_values() -> NDArray[np.int64]:
    """The value that stands for each cell in a mean, as HdrHistogram's median equivalent value."""
    index = np.arange(CELLS, dtype=np.int64)
    shift = np.maximum((index >> (_MAGNITUDE - 1)) - 1, 0)
    values: NDArray[np.int64] = ((index - (shift << (_MAGNITUDE - 1))) << shift) + ((1 << shift) >> 1)
    values.setflags(write=False)
    return values


def _cell(us: int) -> int:
    shift = us.bit_length() - _MAGNITUDE
    return (shift << (_MAGNITUDE - 1)) + (us >> shift) if shift > 0 else us


def cells_of(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The counter of each value from 0 to HIGHEST_US."""
    # frexp's exponent is the bit length: every value up to HIGHEST_US is exact in a float64.
    shift = np.frexp(values.astype(np.float64))[1].astype(np.int64)
    shift -= _MAGNITUDE
    np.maximum(shift, 0, out=shift)
    cells: NDArray[np.int64] = values >> shift
    cells += shift << (_MAGNITUDE - 1)
    return cells


class Histogram:
    """A distribution of durations in whole microseconds: 23,552 counters, whatever is recorded.

    The layout is HdrHistogram's (https://hdrhistogram.github.io/HdrHistogram/) for 1 µs to 1 h at 3 significant
    digits: durations closer than 0.1 % share a counter. Nothing is lost: a value above 1 h counts as 1 h and in
    `overflow`; a negative one, which only a broken clock gives, counts as 0 and in `underflow`; a fraction of a
    microsecond counts in the lowest counter, which reads as 0.

    Not synchronised: one thread records, or each has its own and they are merged.
    """

    __slots__ = ("_cells", "_counts", "_max", "_min", "overflow", "underflow")

    overflow: int
    """Recorded values above 1 h."""
    underflow: int
    """Recorded values below 0."""

    def __init__(self, values: Iterable[int] | NDArray[Any] | None = None) -> None:
        """An empty histogram, or one of `values` in microseconds."""
        self._take(np.zeros(CELLS, dtype=np.int64))
        self._min = _NOTHING
        self._max = -1
        self.overflow = 0
        self.underflow = 0
        if values is not None:
            self.record_many(values if isinstance(values, np.ndarray) else np.array(list(values)))

    def _take(self, counts: NDArray[np.int64]) -> None:
        self._counts = counts
        # Half the cost of indexing the array itself.
        self._cells = counts.data

    @classmethod
    def of_counts(cls, counts: NDArray[np.int64], lowest: int, highest: int) -> Histogram:
        """The histogram with these counters, which it keeps, not all 0, and the lowest and highest value in them."""
        histogram = cls.__new__(cls)
        histogram._take(counts)
        histogram._min, histogram._max = lowest, highest
        histogram.overflow = histogram.underflow = 0
        return histogram

    def record(self, us: int) -> None:
        """Count one duration of `us` whole microseconds.

        Raises:
            InvalidValue: no whole number. `record_many` takes fractions.
        """
        try:
            shift = us.bit_length() - 11
        except AttributeError:  # an integer of numpy's, or no integer; asking for the type would cost each time
            self.record(_whole_number(us))
            return
        if us > HIGHEST_US:
            self.overflow += 1
            us = HIGHEST_US
            shift = _HIGHEST_SHIFT
        elif us < 0:
            self.underflow += 1
            us = shift = 0
        if us > self._max:
            self._max = us
        if us < self._min:
            self._min = us
        if shift > 0:
            self._cells[(shift << 10) + (us >> shift)] += 1
        else:
            self._cells[us] += 1

    def record_many(self, us: NDArray[Any]) -> None:
        """Count an array of durations in microseconds, of any shape; fractions are cut off.

        Raises:
            InvalidValue: not numbers, or a NaN among them. Then none is counted.
        """
        values = np.asarray(us).ravel()
        if values.size == 0:
            return
        if values.dtype.kind not in "iu":
            values = _whole(values)
        low, high = int(values.min()), int(values.max())
        if low < 0 or high > HIGHEST_US:
            self.overflow += int(np.count_nonzero(values > HIGHEST_US))
            self.underflow += int(np.count_nonzero(values < 0))
            values = np.clip(values, 0, HIGHEST_US)
            low, high = (min(max(value, 0), HIGHEST_US) for value in (low, high))
        values = values.astype(np.int64, copy=False)
        self._min = min(self._min, low)
        self._max = max(self._max, high)
        cells = values if high < 2 * _HALF else cells_of(values)  # as most are: up to 2 ms each has its own counter
        if values.size < _BINCOUNT_FROM:
            np.add.at(self._counts, cells, 1)
        else:
            self._counts += np.bincount(cells, minlength=CELLS)

    def record_repeated(self, us: int, times: int) -> None:
        """Count the same duration of `us` whole microseconds so many times.

        Raises:
            InvalidValue: more than 2^62 values in all.
        """
        if times <= 0:
            return
        if self.count + times >= _MOST:
            raise InvalidValue("Expected fewer than 2^62 values in all", got=self.count + times)
        self.record(us)
        self._counts[_cell(min(max(us, 0), HIGHEST_US))] += times - 1
        self.overflow += times - 1 if us > HIGHEST_US else 0
        self.underflow += times - 1 if us < 0 else 0

    def since(self, seen: Histogram) -> Increment | None:
        """What was counted since `seen`, an earlier state, which is brought up to date; None for nothing."""
        if self._max < 0:
            return None
        low, high = _cell(self._min), _cell(self._max) + 1
        more = self._counts[low:high] - seen._counts[low:high]
        cells = np.flatnonzero(more)
        if not len(cells):
            return None
        increment = Increment(
            cells=(cells + low).astype("<i4").tobytes(),
            counts=more[cells].astype("<i8").tobytes(),
            lowest=self._min,
            highest=self._max,
            overflow=self.overflow - seen.overflow,
            underflow=self.underflow - seen.underflow,
        )
        seen.add(increment)
        return increment

    def add(self, increment: Increment) -> None:
        """Count what another histogram counted.

        Raises:
            InvalidValue: not the increment of a histogram.
        """
        try:
            cells = np.frombuffer(increment.cells, dtype="<i4")
            counts = np.frombuffer(increment.counts, dtype="<i8")
        except ValueError:
            cells, counts = np.empty(0, dtype="<i4"), np.empty(1, dtype="<i8")
        sound = len(cells) == len(counts) > 0 and bool((cells[1:] > cells[:-1]).all()) and bool((counts > 0).all())
        extremes = 0 <= increment.lowest <= increment.highest <= HIGHEST_US
        if not (sound and extremes and cells[0] >= 0 and cells[-1] < CELLS):
            raise InvalidValue("Expected the increment of a histogram", got=f"{len(increment.cells)} bytes")
        self._counts[cells] += counts
        self._min = min(self._min, increment.lowest)
        self._max = max(self._max, increment.highest)
        self.overflow += increment.overflow
        self.underflow += increment.underflow

    def merge(self, other: Histogram) -> None:
        """Add what `other` counted, as if its values had been recorded here too.

        Raises:
            InvalidValue: more than 2^62 values in all.
        """
        if self.count + other.count >= _MOST:
            raise InvalidValue("Expected fewer than 2^62 values in all", got=self.count + other.count)
        used = other._used()
        self._counts[used] += other._counts[used]
        self._min = min(self._min, other._min)
        self._max = max(self._max, other._max)
        self.overflow += other.overflow
        self.underflow += other.underflow

    @property
    def count(self) -> int:
        """How many values were recorded."""
        return int(self._counts[self._used()].sum())

    def _used(self) -> slice:
        """Where the counters are that are not 0: most durations of a service are in a tenth of them, or less."""
        return slice(_cell(self._min), _cell(self._max) + 1) if self._max >= 0 else slice(0)

    @property
    def min(self) -> int:
        """The smallest value, exactly as recorded (within 0 … 1 h); 0 without values."""
        return self._min if self._max >= 0 else 0

    @property
    def max(self) -> int:
        """The largest value, exactly as recorded (within 0 … 1 h); 0 without values."""
        return max(self._max, 0)

    @property
    def mean(self) -> float:
        """The mean in microseconds, exact to 0.05 %; 0 without values."""
        count = self.count
        return self.sum / count if count else 0.0

    @property
    def sum(self) -> float:
        """The sum in microseconds, exact to 0.05 %."""
        used = _cell(self.max) + 1
        return float(self._counts[:used].astype(np.float64) @ _middle_values()[:used])  # as int64 it would wrap

    def percentile(self, q: float) -> int:
        """The value in microseconds that `q` percent of the values do not exceed: see `percentiles`."""
        return self.percentiles((q,))[0]

    def percentiles(self, qs: Sequence[float]) -> list[int]:
        """For each of `qs` (0 to 100) the value that so many percent of the values do not exceed.

        As in HdrHistogram the answer is the highest value that shares the counter (the lowest for q = 0), but never
        above `max`. All 0 without values.

        Raises:
            InvalidValue: a percentile outside 0 … 100.
        """
        for q in qs:
            if not 0 <= q <= 100:
                raise InvalidValue("Expected a percentile from 0 to 100", got=q)
        if self._max < 0:
            return [0] * len(qs)
        used = self._used()
        running = np.cumsum(self._counts[used])
        count = int(running[-1])
        # HdrHistogram_c's rounding, hdr_value_at_percentile.
        ranks = [min(max(int(q * count / 100 + 0.5), 1), count) for q in qs]
        highest = _highest_values()[used]
        found = np.searchsorted(running, np.array(ranks, dtype=np.int64))
        return [
            min(int(highest[cell]), self._max) if q else self._min for q, cell in zip(qs, found.tolist(), strict=True)
        ]

    def count_above(self, us: float) -> int:
        """How many values exceed `us` microseconds; those within 0.1 % of it count as equal.

        Raises:
            InvalidValue: no number.
        """
        if not us <= math.inf:
            raise InvalidValue("Expected a duration in microseconds", got=us)
        if us < 0:
            return self.count
        return int(self._counts[_cell(int(min(us, HIGHEST_US))) + 1 :].sum())

    def counts_within(self, bounds: Sequence[int]) -> list[int]:
        """How many values do not exceed each of `bounds` (µs, to 0.1 %), and at the end how many there are at all."""
        used = _cell(self.max) + 1
        running = np.cumsum(self._counts[:used])
        cells = [min(_cell(min(us, HIGHEST_US)), used - 1) for us in bounds]
        return [*running[cells].tolist(), int(running[-1])]

    def distribution(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The highest value in microseconds and the count of each counter that is not zero, in rising order."""
        used = np.flatnonzero(self._counts)
        return np.minimum(_highest_values()[used], self.max), self._counts[used]

    def counts(self) -> Counts:
        """What is counted so far, to be subtracted later."""
        # Of booleans five times faster than of the numbers themselves.
        found = np.flatnonzero(self._counts[self._used()] != 0) + _cell(self.min)
        return Counts.of(found, self._counts[found], self.overflow, self.underflow)

    def update_to(self, parts: Sequence[Histogram]) -> Counts:
        """Become the sum of `parts`, which have counted all that is counted here; what they counted beyond it."""
        used = [part for part in parts if part._max >= 0]
        if not used:
            return Counts.of(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
        self._min, self._max = min(part._min for part in used), max(part._max for part in used)
        low, high = _cell(self._min), _cell(self._max) + 1
        total = used[0]._counts[low:high].copy()
        for part in used[1:]:
            total += part._counts[low:high]
        more = total - self._counts[low:high]
        self._counts[low:high] = total
        cells = np.flatnonzero(more != 0)
        overflow, underflow = sum(part.overflow for part in used), sum(part.underflow for part in used)
        beyond = Counts.of(cells + low, more[cells], overflow - self.overflow, underflow - self.underflow)
        self.overflow, self.underflow = overflow, underflow
        return beyond

    def add_counts(self, counts: Counts) -> None:
        """Count what another histogram had counted. `min` and `max` are then exact to 0.1 %."""
        if counts.cells.size:
            np.add.at(self._counts, counts.cells, counts.counts)
            self._min, self._max = 0, HIGHEST_US
            self._narrow()
        self.overflow += counts.overflow
        self.underflow += counts.underflow

    def subtract(self, earlier: Counts) -> None:
        """Forget what had been counted at an earlier moment. `min` and `max` are then exact to 0.1 %."""
        np.subtract.at(self._counts, earlier.cells, earlier.counts)
        self.overflow -= earlier.overflow
        self.underflow -= earlier.underflow
        self._narrow()

    def _narrow(self) -> None:
        """Bring the extremes within the counters that are used."""
        used = np.flatnonzero(self._counts)
        if used.size:
            lowest = int(_highest_values()[used[0] - 1]) + 1 if used[0] else 0
            self._min = max(self._min, lowest)
            self._max = min(self._max, int(_highest_values()[used[-1]]))
        else:
            self.reset()

    def copy(self) -> Histogram:
        """An independent histogram with the same counts."""
        twin = Histogram()
        twin.merge(self)
        return twin

    def reset(self) -> None:
        """Forget every value."""
        self._counts[self._used()] = 0
        self._min = _NOTHING
        self._max = -1
        self.overflow = 0
        self.underflow = 0

    def encode(self) -> str:
        """The counts in HdrHistogram's V2 compressed format, base64: every HdrHistogram port reads it.

        The format has no place for `overflow`, `underflow` and the exact `min` and `max`.
        """
        from . import _interchange  # the codec is loaded only by those who exchange histograms

        return _interchange.encode(self._counts, _cell(self.max) + 1 if self._max >= 0 else 0)

    @classmethod
    def decode(cls, text: str | bytes) -> Histogram:
        """The histogram in HdrHistogram's V2 compressed format, base64, as `encode` or another port wrote it.

        Its unit is taken to be the microsecond. Other ranges and digits than ours are counted anew.

        Raises:
            InvalidValue: not such a text, or a damaged one.
        """
        from . import _interchange

        values, counts = _interchange.decode(text)
        histogram = cls()
        if counts.size and (int(counts.min()) < 0 or float(counts.sum(dtype=np.float64)) >= _MOST):
            raise InvalidValue("Expected a histogram of fewer than 2^62 values, none of them negative")
        if values.size:
            above = values > HIGHEST_US
            histogram.overflow = int(counts[above].sum())
            values = np.minimum(values, HIGHEST_US)
            np.add.at(histogram._counts, cells_of(values), counts)
            used = np.flatnonzero(histogram._counts)
            lowest_cell = int(used[0])
            histogram._min = int(_highest_values()[lowest_cell - 1]) + 1 if lowest_cell else 0
            histogram._max = min(int(_highest_values()[used[-1]]), HIGHEST_US)
        return histogram

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        return (self._min, self._max, self.overflow, self.underflow) == (
            other._min,
            other._max,
            other.overflow,
            other.underflow,
        ) and bool(np.array_equal(self._counts, other._counts))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        p50, p99 = self.percentiles((50, 99))
        return f"Histogram(count={self.count}, p50={p50}, p99={p99}, max={self.max})"

    def __getstate__(self) -> dict[str, Any]:
        used = np.flatnonzero(self._counts)
        return {
            "used": used,
            "counts": self._counts[used],
            "extremes": (self._min, self._max),
            "lost": (self.overflow, self.underflow),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        counts = np.zeros(CELLS, dtype=np.int64)
        counts[state["used"]] = state["counts"]
        self._take(counts)
        self._min, self._max = state["extremes"]
        self.overflow, self.underflow = state["lost"]


def _whole_number(us: object) -> int:
    try:
        return operator.index(us)  # type: ignore[arg-type]
    except TypeError:
        raise InvalidValue("Expected whole microseconds", got=us) from None


def _whole(values: NDArray[Any]) -> NDArray[np.int64]:
    if values.dtype.kind != "f":
        raise InvalidValue("Expected an array of durations in microseconds", got=str(values.dtype))
    if np.isnan(values).any():
        raise InvalidValue("Expected durations in microseconds", got=float("nan"))
    # Infinite and huge values stay above HIGHEST_US without leaving the int64.
    whole: NDArray[np.int64] = np.clip(np.trunc(values), -1, HIGHEST_US + 1).astype(np.int64)
    return whole
