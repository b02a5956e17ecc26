"""What each gauge of a part means, as metrics of it are described: one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..telemetry import Merge

__all__ = ["GAUGES", "Gauge", "meaning"]


class Gauge(NamedTuple):
    """How a gauge is exported."""

    description: str
    unit: str = ""
    merge: Merge = "sum"
    """What the gauges of several parts of one name, and of several processes, make together."""


GAUGES = {
    "state": Gauge("Circuit breakers in this state."),
    "failure_rate": Gauge("Share of the calls in the window that failed; the worst of several.", "1", "max"),
    "slow_call_rate": Gauge("Share of the calls in the window that were slow; the worst of several.", "1", "max"),
    "buffered_calls": Gauge("Calls in the window.", "{call}"),
    "available_concurrent_calls": Gauge("Permits that are free.", "{call}"),
    "max_allowed_concurrent_calls": Gauge("Permits there are.", "{call}"),
    "queue_depth": Gauge("Calls that wait for a permit.", "{call}"),
    "queue_capacity": Gauge("Calls that may wait for a permit.", "{call}"),
    "abandoned": Gauge("Calls that still run though their caller has given up.", "{call}"),
    "limit": Gauge("Calls that may be in flight.", "{call}"),
    "in_flight": Gauge("Calls in flight.", "{call}"),
    "waiting": Gauge("Calls that wait.", "{call}"),
    "budget": Gauge("Repetitions that the retry budget would pay for.", "{call}"),
    "keys": Gauge("Keys that are kept apart.", "{key}"),
    "open": Gauge("Keys whose circuit is not closed.", "{key}"),
    "calls_in_flight": Gauge("Calls in flight.", "{call}"),
    "waiting_calls": Gauge("Calls that wait for their turn.", "{call}"),
    "store_lost": Gauge("1 while the shared store does not answer, and each process limits alone.", "", "max"),
    "delay_seconds": Gauge(
        "Wait before a second attempt is begun beside the first; the longest of several.", "s", "max"
    ),
    "rejection_probability": Gauge("Share of the calls that are held back; the worst of several.", "1", "max"),
}


def meaning(gauge: str) -> Gauge:
    """That of the table, or the gauge's own words where it has none."""
    return GAUGES.get(gauge) or Gauge(f"{gauge.replace('_', ' ').capitalize()}.")
