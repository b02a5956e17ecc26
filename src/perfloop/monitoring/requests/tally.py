"""What the requests of a process add up to, published through telemetry under OpenTelemetry's names."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections import deque
from threading import RLock
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import msgspec

from ...telemetry import DEFAULT_REGISTRY, Registry
from ...telemetry.batched import Batched
from .slow import SlowRequest

if TYPE_CHECKING:
    from .exchange import Exchange

__all__ = [
    "FULL",
    "LABELS",
    "METHODS",
    "NOTEWORTHY_AFTER",
    "OTHER_METHOD",
    "Series",
    "Tally",
    "requests_in_flight",
    "slow_requests",
    "tally_of",
]

LABELS = ("http.request.method", "http.route", "http.response.status_code", "error.type")
"""The labels of every metric of requests. A value that does not apply is empty, which Prometheus takes for absent."""

METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"})
OTHER_METHOD = "_OTHER"
"""The method label of what is none of `METHODS`: clients choose it, so it must not make series."""

NOTEWORTHY_AFTER = 0.001
"""Seconds: what comes after the last byte and takes less is the framework's return, no work worth a figure."""

FULL = 1536
"""Numbers that a series lets wait, three a request: 50 kB. Counting them takes 200 µs, a quarter as many 70 µs."""
_ROOMY = 64
"""So many series do; each further one lets a quarter of it wait, so that a thousand hold 15 MB at the most."""

_SLOW_KEPT = 100
_CLOCK_SECONDS, _LONGEST_SECONDS = 60.0, 1e6
"""What another process says of a slow request is no such thing beyond: it ended in the future, or took for days."""


class Series(Batched):
    """The instruments of one combination of label values, looked up once.

    Three numbers of each request may wait in `pending`: the seconds until its last byte and until its first, both
    finite, and the bytes of the response's body. When they are `full` they are to be settled.
    """

    __slots__ = ("_durations", "_first_bytes", "_sent", "full", "in_batches", "observe_after", "receive", "route")

    def __init__(self, tally: Tally, values: tuple[str, ...]) -> None:
        super().__init__()
        self.full = FULL if len(tally.series) < _ROOMY else FULL // 4
        self.route = values[1]
        self._durations = tally.durations.labels(*values)
        self._first_bytes = tally.first_bytes.labels(*values)
        self._sent = tally.sent.labels(*values)
        self.observe_after = tally.afters.labels(*values).observe
        self.receive = tally.received.labels(*values).inc
        self.in_batches = False
        """Whether `pending` may be used."""

    def begin_batches(self) -> None:
        """Have whoever reads one of the instruments count the batch first; not where other processes read them."""
        if not self._durations.shared:
            for instrument in (self._durations, self._first_bytes, self._sent):
                instrument.feed(self.settle)
            self.in_batches = True

    def add(self, duration: float, first_byte: float | None, sent: int) -> None:
        """Count a request at once.

        Args:
            duration: seconds.
            first_byte: seconds; None where there was no head.
            sent: bytes of the response's body.
        """
        self._durations.observe(duration if duration > 0 else 0.0)
        if first_byte is not None:
            self._first_bytes.observe(first_byte if first_byte > 0 else 0.0)
        if sent:
            self._sent.inc(sent)

    def _count(self, values: list[float]) -> None:
        durations, first_bytes = values[::3], values[1::3]
        if min(durations) < 0 or min(first_bytes) < 0:  # a clock that jumps back
            durations = [max(duration, 0.0) for duration in durations]
            first_bytes = [max(first_byte, 0.0) for first_byte in first_bytes]
        self._durations.observe_all(durations)
        self._first_bytes.observe_all(first_bytes)
        self._sent.inc(sum(values[2::3]))


class Tally:
    """The requests of one registry: all middlewares that publish to it share this one. Safe from many threads."""

    def __init__(self, registry: Registry) -> None:
        """Register the instruments.

        Raises:
            ConfigurationError: one of the names is taken by something else.
        """
        self.durations = registry.histogram(
            "http.server.request.duration", "Time until the last byte of the response.", labels=LABELS
        )
        self.first_bytes = registry.histogram(
            "http.server.request.first_byte.duration", "Time until the head of the response.", labels=LABELS
        )
        self.afters = registry.histogram(
            "http.server.request.after_response.duration",
            "Work after the last byte, of the requests where it took a millisecond or more: background tasks, closing.",
            labels=LABELS,
        )
        self.received = registry.counter(
            "http.server.request.bytes", "Bytes of request bodies.", unit="By", labels=LABELS
        )
        self.sent = registry.counter(
            "http.server.response.bytes", "Bytes of response bodies.", unit="By", labels=LABELS
        )
        self.failures = registry.counter(
            "perfloop.monitoring.failures", "Requests that could not be recorded or logged; they were served."
        )
        self.active: set[Exchange] = set()
        """The requests in flight, those of the work after the response included."""
        registry.observable_gauge(
            "http.server.active_requests",
            "Requests in flight.",
            unit="{request}",
            callback=lambda: len(self.active),
        )
        self.slow: deque[SlowRequest] = deque(maxlen=_SLOW_KEPT)
        self.series: dict[tuple[str, str, int, str], Series] = {}
        """By method, route, status and error type; those of the overflow are not in it."""

    def record(self, exchange: Exchange, method: str, route: str, ended: float) -> tuple[Series, float]:
        """Count a request that is over.

        Args:
            exchange: what happened.
            method: as the client sent it.
            route: the route's template; `(unmatched)` where none matched.
            ended: when the application was done, the work after the response included.

        Returns:
            Where it was counted; seconds until the last byte, or until the end where none was sent.
        """
        started, first, last = exchange.started, exchange.first, exchange.last
        status, error = exchange.outcome()
        series = self.find(method, route, status, error)
        last = last or ended
        duration = last - started
        first_byte = first - started if first else None
        if first_byte is not None and series.in_batches and 0 <= first_byte <= duration < math.inf:
            series.pending += (duration, first_byte, exchange.sent)
            if len(series.pending) >= series.full:
                series.settle(wait=False)
        else:
            series.add(duration, first_byte, exchange.sent)
        if ended - last >= NOTEWORTHY_AFTER:
            series.observe_after(ended - last)
        if exchange.received:
            series.receive(exchange.received)
        return series, duration

    def find(self, method: str, route: str, status: int, error: str) -> Series:
        """The series of these labels: one of its own, or one that records into the overflow."""
        series = self.series.get((method, route, status, error))
        if series is not None:
            return series
        key = (method if method in METHODS else OTHER_METHOD, route, status, error)
        series = self.series.get(key)
        if series is None:
            series = Series(self, (key[0], route, str(status) if status else "", error))
            # Beyond the bound the families give their overflow series, and count how often they were asked for it.
            if len(self.series) < self.durations.max_series:
                series.begin_batches()
                series = self.series.setdefault(key, series)
        return series

    def slow_requests(self) -> list[SlowRequest]:
        """The last 100 requests that took longer than their middleware allows, the newest first; from any thread."""
        return list(self.slow.copy())[::-1]


_TALLIES: WeakKeyDictionary[Registry, Tally] = WeakKeyDictionary()
_LOCK = RLock()


def tally_of(registry: Registry) -> Tally:
    """The tally that publishes to `registry`.

    Raises:
        ConfigurationError: one of its metrics' names is taken by something else.
    """
    with _LOCK:
        tally = _TALLIES.get(registry)
        if tally is None:
            tally = _TALLIES[registry] = Tally(registry)
        return tally


def slow_requests(registry: Registry = DEFAULT_REGISTRY) -> list[SlowRequest]:
    """The last slow requests of the middlewares that publish to `registry`, the newest first; from any thread.

    The last 100 of this process, and the last 32 of each other one that shares the registry's directory.
    """
    slow = tally_of(registry).slow_requests()
    latest = time.time() + _CLOCK_SECONDS
    for note in registry.notes():
        with contextlib.suppress(msgspec.DecodeError):
            told = msgspec.json.decode(note, type=SlowRequest)
            if told.at <= latest and told.duration <= _LONGEST_SECONDS:
                slow.append(told)
    return sorted(slow, key=lambda each: each.at, reverse=True)


def requests_in_flight(registry: Registry = DEFAULT_REGISTRY) -> int:
    """Requests that those middlewares are serving now, those at work after their response included."""
    return len(tally_of(registry).active)


def _forget_active() -> None:
    """In a forked child: what is in flight, and what was slow, is the parent's."""
    global _LOCK
    _LOCK = RLock()
    for tally in list(_TALLIES.values()):
        tally.active.clear()
        tally.slow.clear()


os.register_at_fork(after_in_child=_forget_active)
