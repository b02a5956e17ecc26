"""Counters, gauges, histograms and events: one spine that every part publishes through.

from perfloop.telemetry import DEFAULT_REGISTRY

requests = DEFAULT_REGISTRY.counter("shop.requests", "Requests answered.", labels=["route"])
requests.labels("/orders").inc()
"""

from __future__ import annotations

from .counter import Counter
from .event import Event
from .family import OVERFLOW, Family
from .gauge import Gauge, ObservableGauge
from .histogram import DEFAULT_BUCKETS, Histogram
from .registry import DEFAULT_REGISTRY, MAX_SERIES, Registry
from .snapshots import Distribution, FamilySnapshot, Kind, Merge, Occurrence, Occurrences, Series

__all__ = [
    "DEFAULT_BUCKETS",
    "DEFAULT_REGISTRY",
    "MAX_SERIES",
    "OVERFLOW",
    "Counter",
    "Distribution",
    "Event",
    "Family",
    "FamilySnapshot",
    "Gauge",
    "Histogram",
    "Kind",
    "Merge",
    "ObservableGauge",
    "Occurrence",
    "Occurrences",
    "Registry",
    "Series",
]
