"""What happened to each finished request, written to a small buffer and folded into figures a little at a time.

The engine packs one fixed-size entry a request into a preallocated buffer: one C call, no object kept. Every FOLD_AT
bytes, and now and then in quiet times, they are folded into histograms and the per-second series. Between other work,
with cold caches, that takes half a millisecond: where requests are due at times of their own it is done gradually, into
the other of two buffers meanwhile. Memory does not grow with the number of requests, unless samples are kept.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import Struct

from ..records import Figures, SeriesPoint
from ..stats import Histogram
from .endpoints import EndpointTally
from .failures import NEVER_SENT, FailureTally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from .checkpoints import Checkpoints, Countable
    from .slowest import Slowest

__all__ = [
    "DISTRIBUTIONS",
    "ENTRY",
    "FOLD_AT",
    "NEVER_SENT_STATUS",
    "SAMPLE_DTYPES",
    "TIMEOUT_STATUS",
    "Recorder",
    "Samples",
    "figures",
]

ENTRY = struct.Struct("=5d2q2i")
"""due, free, written, first byte, done; number, received bytes; request index, status."""

_DTYPE = np.dtype(
    [
        ("due", "<f8"),
        ("free", "<f8"),
        ("written", "<f8"),
        ("first_byte", "<f8"),
        ("done", "<f8"),
        ("number", "<i8"),
        ("received_bytes", "<i8"),
        ("request_index", "<i4"),
        ("status", "<i4"),
    ]
)
SAMPLE_DTYPES: dict[str, np.dtype[Any]] = {name: _DTYPE[name] for name in _DTYPE.names or ()}
"""Of each column of `Samples`."""

_NAN = float("nan")
_DONE = object()
_FOLD_ENTRIES = 2048
FOLD_AT = _FOLD_ENTRIES * ENTRY.size
"""The offset in the buffer at which the engine must fold."""

DISTRIBUTIONS = ("service_time", "queue", "send_lag", "first_byte", "body")
"""The recorder's histograms beside the latency, which is recorded second by second."""

TIMEOUT_STATUS = -1
NEVER_SENT_STATUS = -2
# Entries of status 0 are the other transport failures: they ended before an answer, so they have no latency.


class Samples(Struct, frozen=True):
    """Every finished request, one entry each in the order they finished.

    Times are float64 seconds on the clock of `time.monotonic`, NaN for what did not happen. `free` is the moment from
    which nothing but the generator itself delayed the request: it was due and a connection was free. `status` is 0
    for a transport failure.
    """

    number: NDArray[np.int64]
    request_index: NDArray[np.int32]
    due: NDArray[np.float64]
    free: NDArray[np.float64]
    written: NDArray[np.float64]
    first_byte: NDArray[np.float64]
    done: NDArray[np.float64]
    status: NDArray[np.int32]
    received_bytes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.number)


def figures(histogram: Histogram) -> Figures:
    """The histogram's summary in milliseconds. Below 1,000 values p999 is the maximum, below 100 p99 is too."""
    p50, p95, p99, p999 = histogram.percentiles((50.0, 95.0, 99.0, 99.9))
    return Figures(
        mean=histogram.mean / 1000,
        p50=p50 / 1000,
        p95=p95 / 1000,
        p99=p99 / 1000,
        p999=p999 / 1000,
        max=histogram.max / 1000,
    )


class Recorder:
    """Collects entries and folds them. `buffer` and `offset` are the engine's to write: see ENTRY and FOLD_AT."""

    def __init__(
        self,
        labels: Sequence[str],
        expect_status: frozenset[int] | None,
        *,
        keep_samples: bool = False,
    ) -> None:
        self.checkpoints: Checkpoints | None = None
        """Where a warm-up may end; set before the first entry."""
        self.further: tuple[Countable, ...] = ()
        """What else counts, and is to leave out a warm-up."""
        self.slowest: Slowest | None = None
        """The slowest requests, where they can be looked up; set before the first entry."""
        self.buffer = bytearray(FOLD_AT + ENTRY.size)
        self.offset = 0
        self._other = bytearray(FOLD_AT + ENTRY.size)
        self.gradual = False
        """Somebody calls `fold_on` every now and then: a full buffer is left to it."""
        self.folding: Iterator[None] | None = None
        """What remains of a fold."""
        self._then: Callable[[], None] | None = None
        self.start = 0.0
        self.requests = 0
        self.errors = 0
        self.bytes_received = 0
        self.last_done = 0.0
        self.latency = Histogram()
        self.service_time = Histogram()
        self.queue = Histogram()
        self.send_lag = Histogram()
        self.first_byte = Histogram()
        """Of the answered: from written to the first byte of the response."""
        self.body = Histogram()
        """Of the answered: from the first byte to the last."""
        self.statuses: dict[int, int] = {}
        self.failures = FailureTally()
        self.series: list[SeriesPoint] = []
        self._labels = labels
        self.endpoints = EndpointTally(labels)
        # Whoever was given 101 had asked for it.
        self._expected = None if expect_status is None else np.array(sorted({*expect_status, 101}), dtype=np.int32)
        self._kept: list[NDArray[np.void]] | None = [] if keep_samples else None
        self._second = 0
        self._second_latency = Histogram()
        self._second_requests = 0
        self._second_errors = 0
        self._second_bytes = 0
        self._in_flight = 0
        self._did_not_queue = self._in_one_piece = 0
        self.on_second_end: Callable[[], None] | None = None
        """Called before the second under way is closed."""

    def put(
        self,
        due: float,
        free: float,
        written: float,
        first_byte: float,
        done: float,
        number: int,
        received: int,
        index: int,
        status: int,
    ) -> None:
        """Write one entry, as the hot path does in place; a first byte of 0 means that there was none."""
        ENTRY.pack_into(
            self.buffer, self.offset, due, free, written, first_byte or _NAN, done, number, received, index, status
        )
        self.offset += ENTRY.size
        if self.offset >= FOLD_AT:
            self.full()

    def add_error(self, kind: str, example: str, *, counted: bool, label: str | None = None) -> None:
        """Count what a scenario says is wrong: with a request that counts as an error already (`counted`), or not.

        Args:
            label: of the request whose response it is about, if there was one.
        """
        self.failures.add(kind, example)
        if not counted:
            self.errors += 1
            self._second_errors += 1
            if label is not None:
                self.endpoints.add_error(label)

    def add_bytes(self, count: int) -> None:
        """Count bytes that came and belong to no request."""
        self.bytes_received += count
        self._second_bytes += count

    def full(self) -> None:
        """The buffer is full."""
        self.begin_fold()
        if not self.gradual:
            self.finish_fold()

    def fold(self, in_flight: int = -1, elapsed: float = 0.0) -> None:
        """Take the buffered entries into the figures at once: `begin_fold`, and all of `fold_on`."""
        self.begin_fold(in_flight, elapsed)
        self.finish_fold()

    def begin_fold(self, in_flight: int = -1, elapsed: float = 0.0, then: Callable[[], None] | None = None) -> None:
        """Have the buffered entries taken into the figures by calls of `fold_on`. What remains of a fold is done first.

        Args:
            in_flight: how many requests are in flight now, for the series; negative: as last time.
            elapsed: seconds since the start: whole seconds before it are closed, also when nothing finished in them.
            then: called at the end, when the figures are those of whole entries.
        """
        self.finish_fold()
        if in_flight >= 0:
            self._in_flight = in_flight
        entries = np.frombuffer(self.buffer, dtype=_DTYPE, count=self.offset // ENTRY.size)
        self.buffer, self._other = self._other, self.buffer
        self.offset = 0
        self.folding = self._fold(entries, int(elapsed))
        self._then = then

    def fold_on(self) -> None:
        """Do a part of the fold that was begun: a tenth of a millisecond or less."""
        if self.folding is not None and next(self.folding, _DONE) is _DONE:
            self.folding = None
            if self._then is not None:
                self._then()

    def finish_fold(self) -> None:
        """Do all that remains of the fold that was begun."""
        while self.folding is not None:
            self.fold_on()

    def _fold(self, entries: NDArray[np.void], second: int) -> Iterator[None]:
        checkpoints = self.checkpoints
        while len(entries):
            before = len(entries)
            reached = checkpoints is not None and entries["done"][-1] - self.start >= checkpoints.next
            if checkpoints is not None and reached:
                before = int(np.searchsorted(entries["done"], self.start + checkpoints.next))
                yield
            if before:
                yield from self._add(entries[:before])
                entries = entries[before:]
            if checkpoints is not None and reached:
                checkpoints.reached(self)
                yield
        self._roll(second)

    def add(self, entries: NDArray[np.void]) -> None:
        """Take finished requests into the figures; `entries` may be overwritten afterwards."""
        for _ in self._add(entries):
            pass

    def _add(self, entries: NDArray[np.void]) -> Iterator[None]:
        if self._kept is not None:
            self._kept.append(entries.copy())
        status = entries["status"]
        done = entries["done"]
        self.requests += len(entries)
        self.last_done = float(done[-1])
        received = entries["received_bytes"]
        self.bytes_received += int(received.sum())
        yield
        failed = self._count_statuses(entries, status)
        self.errors += int(np.count_nonzero(failed))
        yield

        due = entries["due"]
        free = entries["free"]
        written = entries["written"]
        lowest = int(status.min())
        if lowest > 0:  # all were answered: nothing to leave out
            latency = _microseconds(done, due)
            service_time = _microseconds(done, written)
            yield
            self.service_time.record_many(service_time)
            yield
            self._record_phases(entries, service_time)
            yield
            self._record_queue(_microseconds(free, due))
            yield
            self.send_lag.record_many(_microseconds(written, free))
        else:
            latency = np.where(status != 0, _microseconds(done, due, absent=-1), -1)
            timed = (status > 0) | (status == TIMEOUT_STATUS)
            self.service_time.record_many(_microseconds(done[timed], written[timed]))
            yield
            answered = entries[status > 0]
            self._record_phases(answered, _microseconds(answered["done"], answered["written"]))
            yield
            got_connection = ~np.isnan(free)
            self._record_queue(_microseconds(free[got_connection], due[got_connection]))
            yield
            sent = ~np.isnan(written)
            self.send_lag.record_many(_microseconds(written[sent], free[sent]))
        yield
        if self.slowest is not None:
            self.slowest.add(entries, latency)
        if len(self._labels) > 1:
            self.endpoints.add(entries["request_index"], latency, failed)
            yield
        self._add_to_series(done, latency, failed, received)
        yield

    def _record_phases(self, answered: NDArray[np.void], service_time: NDArray[np.int64]) -> None:
        first_byte, done = answered["first_byte"], answered["done"]
        if (first_byte == done).all():  # as small responses come: counted here, recorded later
            self.first_byte.record_many(service_time)
            self._in_one_piece += len(answered)
        else:
            answered = answered[~np.isnan(first_byte)]
            self.first_byte.record_many(_microseconds(answered["first_byte"], answered["written"]))
            self.body.record_many(_microseconds(answered["done"], answered["first_byte"]))

    def _record_queue(self, waits: NDArray[np.int64]) -> None:
        if waits.any():
            self.queue.record_many(waits)
        else:  # always so in the closed model: counted here, recorded later
            self._did_not_queue += len(waits)

    def _count_statuses(self, entries: NDArray[np.void], status: NDArray[np.int32]) -> NDArray[np.bool_]:
        lowest, highest = int(status.min()), int(status.max())
        if lowest == highest:
            values, counts = [lowest], [len(status)]
        else:
            found, found_counts = np.unique(status, return_counts=True)
            values, counts = found.tolist(), found_counts.tolist()
        failed = status >= 400 if self._expected is None else ~np.isin(status, self._expected)
        for value, count in zip(values, counts, strict=True):
            if value <= 0:
                continue
            self.statuses[value] = self.statuses.get(value, 0) + count
            if value < 400 and self._expected is None:
                continue
            first = int(np.argmax(status == value))
            if failed[first]:
                label = self._labels[int(entries["request_index"][first])]
                self.failures.add(f"status {value}", f"{label} was answered with {value}", count)
        return failed | (status <= 0)

    def _add_to_series(
        self,
        done: NDArray[np.float64],
        latency: NDArray[np.int64],
        failed: NDArray[np.bool_],
        received: NDArray[np.int64],
    ) -> None:
        seconds = np.maximum(done - self.start, 0).astype(np.int64)
        first, last = int(seconds.min()), int(seconds.max())
        for second in range(first, last + 1) if first != last else (first,):
            self._roll(second)
            if first == last:
                of_second, bad, size = latency, failed, received
            else:
                mask = seconds == second
                if not mask.any():
                    continue
                of_second, bad, size = latency[mask], failed[mask], received[mask]
            self._second_requests += len(of_second)
            self._second_errors += int(np.count_nonzero(bad))
            self._second_bytes += int(size.sum())
            self._second_latency.record_many(of_second if int(of_second.min()) >= 0 else of_second[of_second >= 0])

    def _roll(self, second: int) -> None:
        """Close the seconds of the series before `second`."""
        while self._second < second:
            if self.on_second_end is not None:
                self.on_second_end()
            self.series.append(self._point())
            self.latency.merge(self._second_latency)
            self._second_latency.reset()
            self._second_requests = self._second_errors = self._second_bytes = 0
            self._second += 1

    def under_way(self) -> tuple[SeriesPoint, Histogram]:
        """The second under way, and its latencies."""
        return self._point(), self._second_latency

    def _point(self) -> SeriesPoint:
        histogram = self._second_latency
        p50 = p99 = highest = None
        if histogram.count:
            low, high = histogram.percentiles((50.0, 99.0))
            p50, p99, highest = low / 1000, high / 1000, histogram.max / 1000
        return SeriesPoint(
            second=self._second,
            requests=self._second_requests,
            errors=self._second_errors,
            bytes_received=self._second_bytes,
            in_flight=self._in_flight,
            p50_ms=p50,
            p99_ms=p99,
            max_ms=highest,
        )

    def current(self) -> SeriesPoint:
        """The second under way, or the last whole one when this one has too little to say."""
        point = self._point()
        return self.series[-1] if self.series and point.requests < self.series[-1].requests / 2 else point

    def latencies(self) -> tuple[Histogram, ...]:
        """The latencies of the whole seconds so far, and of the one under way."""
        return self.latency, self._second_latency

    def countables(self) -> list[Countable]:
        """What counts requests besides the latencies."""
        found: list[Countable] = [getattr(self, name) for name in DISTRIBUTIONS]
        return [*found, self.endpoints, *((self.slowest,) if self.slowest is not None else ()), *self.further]

    def settle(self) -> None:
        """Record what was only counted until now."""
        self.queue.record_repeated(0, self._did_not_queue)
        self.body.record_repeated(0, self._in_one_piece)
        self._did_not_queue = self._in_one_piece = 0

    def finish(self) -> None:
        """Fold what is buffered and close the last second."""
        self.fold()
        self.settle()
        if self._second_requests:
            self._roll(self._second + 1)

    def samples(self) -> Samples | None:
        """Every finished request, when they were kept."""
        if self._kept is None:
            return None
        entries = np.concatenate(self._kept) if self._kept else np.empty(0, dtype=_DTYPE)
        columns = {name: np.ascontiguousarray(entries[name]) for name in entries.dtype.names or ()}
        columns["status"] = np.maximum(columns["status"], 0)
        return Samples(**columns)

    def add_never_sent(
        self, first: int, dues: NDArray[np.float64], request_index: NDArray[np.int32], now: float, why: str
    ) -> None:
        """Count requests that were due and never got a connection; their latency is at least what they waited.

        Args:
            first: the number of the first of them; the others follow.
            why: for the example of this kind of error.
        """
        self.failures.add(NEVER_SENT, f"due {now - dues[0]:.3g} s before the run ended, {why}", len(dues))
        self.fold()
        for start in range(0, len(dues), 4096):
            part = dues[start : start + 4096]
            entries = np.zeros(len(part), dtype=_DTYPE)
            entries["due"] = part
            entries["free"] = entries["written"] = entries["first_byte"] = np.nan
            entries["done"] = now
            entries["number"] = np.arange(first + start, first + start + len(part))
            entries["request_index"] = request_index[start : start + len(part)]
            entries["status"] = NEVER_SENT_STATUS
            self.add(entries)


def _microseconds(end: NDArray[np.float64], begin: NDArray[np.float64], absent: int | None = None) -> NDArray[np.int64]:
    difference = (end - begin) * 1e6
    if absent is not None:
        difference = np.where(np.isnan(difference), absent, difference)
    return np.rint(difference).astype(np.int64)
