"""What a load test gives back, and what it says while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from ..records import LoadPlan, LoadResults, LoadSummary
    from ..stats import Histogram
    from .recording import Samples

__all__ = ["LoadOutcome", "Progress"]


class Progress(Struct, frozen=True, kw_only=True):
    """How a load test is going, given to `on_progress` about four times a second."""

    elapsed: float
    """Seconds since the clock started."""
    duration: float | None
    """Seconds it will run; None when it runs for a number of requests."""
    requests: int
    """Finished requests."""
    errors: int
    in_flight: int
    backlog: int
    """Requests that are due and wait for a connection; 0 in the closed model."""
    rate: float
    """Requests finished a second, over the last second or so."""
    p50_ms: float | None
    """Median latency of the second under way; None while nothing was answered."""
    p99_ms: float | None
    bytes_received: int
    connections: int
    """Open connections."""


class LoadOutcome(Struct, kw_only=True, eq=False):
    """Everything one load test measured."""

    summary: LoadSummary
    results: LoadResults
    plan: LoadPlan
    partial: bool
    """The test was stopped before its end."""
    latency: Histogram
    """µs from due to the response's end. Requests that were given up (timeout, never sent) count with the time they
    waited, a lower bound; those that failed otherwise had no answer and no latency."""
    service_time: Histogram
    """µs from written to the response's end, or to the timeout."""
    queue: Histogram
    """µs from due to a connection free."""
    send_lag: Histogram
    """µs from due, with a connection free, to written."""
    samples: Samples | None = None
    """Each finished request, when `keep_samples` was set."""
    abandoned: int = 0
    """Requests in flight when the test was stopped; they are in no other figure."""
    events: dict[str, int] = {}
    """What happened to connections and is no failed request: `retried` (a keep-alive connection was closed just as a
    request was written), `reconnected`, `reconnect failed`, `unsolicited data`."""
