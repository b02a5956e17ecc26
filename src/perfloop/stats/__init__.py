"""Percentiles, comparison of runs and queueing laws: the arithmetic under every figure perfloop reports."""

from __future__ import annotations

from .comparison import MINIMUM_RUNS, Comparison, Verdict, compare
from .counts import Counts
from .histogram import HIGHEST_US, Histogram
from .histogram_rows import HistogramRows
from .increment import Increment
from .queueing import Scalability, erlang_c, little, mean_wait, usl_fit, utilisation, wait_percentile

__all__ = [
    "HIGHEST_US",
    "MINIMUM_RUNS",
    "Comparison",
    "Counts",
    "Histogram",
    "HistogramRows",
    "Increment",
    "Scalability",
    "Verdict",
    "compare",
    "erlang_c",
    "little",
    "mean_wait",
    "usl_fit",
    "utilisation",
    "wait_percentile",
]
