"""Slow requests: a warning with what is known of where the time went, and the last of them for whoever watches."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LOGGER_NAME", "SlowRequest", "warn"]

LOGGER_NAME = "perfloop.slow"

_LOGGER = logging.getLogger(LOGGER_NAME)
_NAMES = {
    "cpu": "on CPU",
    "interpreter_wait": "waiting for the interpreter or a processor",
    "event_loop_wait": "event-loop wait",
    "database": "database",
    "pool_wait": "waiting for a connection",
    "upstream": "upstream HTTP",
    "blocking": "blocking calls",
    "sleep": "sleep",
    "worker_wait": "waiting for a thread",
    "gc": "garbage collection",
    "unaccounted": "elsewhere",
}
# A part that is a smaller share of the whole is left out of the message.
_LEAST_SHARE = 0.01


class SlowRequest(Struct, frozen=True, kw_only=True):
    """One request that took longer than allowed. Durations are seconds."""

    at: float
    """When it ended, seconds since the epoch."""
    method: str
    route: str
    """The route's template; `(unmatched)` where none matched."""
    status: int
    """0 without one: it was cancelled, or its client left."""
    error: str
    """As the label `error.type`: empty for a request that went well."""
    duration: float
    """Until the last byte, or the end where none was sent."""
    first_byte: float | None
    """Until the head of the response; None where none was sent."""
    after_response: float
    """The work after the last byte."""
    sent: int
    """Bytes of the response's body."""
    breakdown: dict[str, float]
    """Seconds by part (`perfloop.monitoring.PARTS`), which sum to the duration; empty where it is not known."""
    statements: int
    """SQL statements that were seen."""
    span_id: str | None = None
    """16 hexadecimal digits of the `traceparent` header it came with."""
    pid: int = 0
    """The process that answered it."""

    def describe(self) -> str:
        """In one line, with the largest part of the time first."""
        head = f"{self.method} {self.route} {self.status or '-'} took {_ms(self.duration)}"
        if self.error:
            head += f", {self.error}"
        return f"{head}: {', '.join(self._parts())}"

    def _parts(self) -> Iterator[str]:
        least = self.duration * _LEAST_SHARE
        for part, seconds in sorted(self.breakdown.items(), key=lambda item: -item[1]):
            if seconds >= least:
                counted = f" ({self.statements} statements)" if part == "database" and self.statements > 1 else ""
                yield f"{_NAMES.get(part, part)} {_ms(seconds)}{counted}"
        if self.first_byte is None:
            yield "no response"
        else:
            yield f"first byte after {_ms(self.first_byte)}"
            body = self.duration - self.first_byte
            if body >= least:
                yield f"body {_ms(body)}"
        if self.after_response >= least:
            yield f"work after the response {_ms(self.after_response)}"


def warn(slow: SlowRequest) -> None:
    """Log it as a warning of `perfloop.slow`; the record has it as `slow_request`."""
    if _LOGGER.isEnabledFor(logging.WARNING):
        _LOGGER.warning("slow request: %s", slow.describe(), extra={"slow_request": slow})


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:,.0f} ms" if seconds >= 0.01 else f"{seconds * 1e3:.1f} ms"
