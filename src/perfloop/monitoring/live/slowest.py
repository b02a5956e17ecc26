"""The slowest recent requests, so that one can be looked at, or looked up by the number its client gave it. Pure."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from msgspec import Struct

from ...redaction import redact_text

if TYPE_CHECKING:
    from ..observations import Observations, RequestTrace

__all__ = ["SlowRequest", "SlowStatement", "SlowestRequests", "slow_request"]

_MOST_STATEMENTS = 5
_LONGEST_SQL = 300


class SlowStatement(Struct, frozen=True, kw_only=True):
    """The calls of one statement from one place, in one request."""

    sql: str
    """Its fingerprint: values replaced by `?`."""
    place: str | None
    """`orders.py:42 in list_orders`; None when no code of the user's was on the stack."""
    calls: int
    total_ms: float


class SlowRequest(Struct, frozen=True, kw_only=True):
    """One request, whole."""

    method: str
    route: str
    status: int
    """0 when there was no response."""
    error: str | None
    """The type of the exception that the application raised."""
    ended: float
    """Seconds since 1970."""
    duration_ms: float
    first_byte_ms: float
    parts_ms: dict[str, float]
    """By part of the latency breakdown; they sum to the duration."""
    statements: list[SlowStatement]
    """Those that took the longest, at most 5."""
    span_id: str | None
    """16 hexadecimal digits of the `traceparent` header it came with."""
    pid: int


class SlowestRequests:
    """Keeps the slowest of each slice of time for so long, in constant memory.

    Args:
        most: how many of a slice are kept, and shown at a time.
        slices: how many slices are kept.
        slice_seconds: how long a slice is.
    """

    def __init__(self, most: int = 20, *, slices: int = 5, slice_seconds: float = 60.0) -> None:
        self._most = most
        self._slices = slices
        self._seconds = slice_seconds
        self._kept: dict[int, list[tuple[float, int, SlowRequest]]] = {}
        self._number = 0

    def wants(self, at: float, duration: float) -> bool:
        """Whether a request that took `duration` seconds and ended at `at` would be kept."""
        heap = self._kept.get(int(at // self._seconds), [])
        return len(heap) < self._most or duration * 1000 > heap[0][0]

    def add(self, at: float, request: SlowRequest) -> None:
        """Take a request that ended at `at`, seconds of a clock that rises."""
        number = int(at // self._seconds)
        heap = self._kept.setdefault(number, [])
        self._number += 1
        entry = (request.duration_ms, self._number, request)
        if len(heap) < self._most:
            heapq.heappush(heap, entry)
        else:
            heapq.heappushpop(heap, entry)
        self.advance(at)

    def advance(self, now: float) -> None:
        """Let go of what is too old by `now`."""
        first = int(now // self._seconds) - self._slices + 1
        for old in [number for number in self._kept if number < first]:
            del self._kept[old]

    def slowest(self) -> list[SlowRequest]:
        """Those of all slices together, slowest first."""
        entries = [entry for heap in self._kept.values() for entry in heap]
        return [request for _, _, request in heapq.nlargest(self._most, entries)]

    def find(self, span_id: str) -> SlowRequest | None:
        """The latest one kept that came with this number; None when there is none. Any thread may ask."""
        found = [
            (number, request)
            for heap in list(self._kept.values())
            for _, number, request in list(heap)
            if request.span_id == span_id
        ]
        return max(found, key=lambda entry: entry[0])[1] if found else None


def slow_request(trace: RequestTrace, observations: Observations, epoch: float) -> SlowRequest:
    """A request as it is shown.

    Args:
        trace: as the agent saw it.
        observations: it belongs to.
        epoch: seconds since 1970 at zero of the monotonic clock.
    """
    calls: dict[tuple[int, int], list[float]] = {}
    for call in trace.statements:
        calls.setdefault((call.statement, call.site), []).append(call.duration)
    longest = sorted(calls.items(), key=lambda entry: -sum(entry[1]))[:_MOST_STATEMENTS]
    return SlowRequest(
        method=trace.method,
        route=redact_text(trace.route),
        status=trace.status,
        error=trace.error,
        ended=round(epoch + trace.ended, 3),
        duration_ms=_ms(trace.ended - trace.started),
        first_byte_ms=_ms(trace.first_byte - trace.started),
        parts_ms={part: _ms(spent) for part, spent in trace.parts.items()},
        statements=[
            SlowStatement(
                sql=observations.statements[statement][:_LONGEST_SQL],
                place=_place(observations, site),
                calls=len(durations),
                total_ms=_ms(sum(durations)),
            )
            for (statement, site), durations in longest
        ],
        span_id=None if trace.span is None else f"{trace.span:016x}",
        pid=trace.pid,
    )


def _place(observations: Observations, site: int) -> str | None:
    frames = observations.sites[site]
    if not frames:
        return None
    frame = frames[0]
    return f"{frame.file.rpartition('/')[2]}:{frame.line} in {frame.function}"


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
