"""Percentiles, comparison of runs and queueing laws: the arithmetic under every figure perfloop reports."""

from __future__ import annotations

from .comparison import Comparison, compare
from .histogram import Histogram

__all__ = ["Comparison", "Histogram", "compare"]
