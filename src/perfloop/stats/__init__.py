"""Percentiles, comparison of runs, trends and queueing laws: the arithmetic under every figure perfloop reports.

Names are loaded when they are first used: services that only ask for a trend do not pay for numpy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .comparison import MINIMUM_RUNS, Comparison, Verdict, compare
    from .counts import Counts
    from .histogram import HIGHEST_US, Histogram
    from .histogram_rows import HistogramRows
    from .increment import Increment
    from .queueing import Scalability, erlang_c, little, mean_wait, usl_fit, utilisation, wait_percentile
    from .trend import MINIMUM_POINTS, Trend, fit_trend, theil_sen

_HOMES = {
    "HIGHEST_US": "histogram",
    "MINIMUM_POINTS": "trend",
    "MINIMUM_RUNS": "comparison",
    "Comparison": "comparison",
    "Counts": "counts",
    "Histogram": "histogram",
    "HistogramRows": "histogram_rows",
    "Increment": "increment",
    "Scalability": "queueing",
    "Trend": "trend",
    "Verdict": "comparison",
    "compare": "comparison",
    "erlang_c": "queueing",
    "fit_trend": "trend",
    "little": "queueing",
    "mean_wait": "queueing",
    "theil_sen": "trend",
    "usl_fit": "queueing",
    "utilisation": "queueing",
    "wait_percentile": "queueing",
}

__all__ = [
    "HIGHEST_US",
    "MINIMUM_POINTS",
    "MINIMUM_RUNS",
    "Comparison",
    "Counts",
    "Histogram",
    "HistogramRows",
    "Increment",
    "Scalability",
    "Trend",
    "Verdict",
    "compare",
    "erlang_c",
    "fit_trend",
    "little",
    "mean_wait",
    "theil_sen",
    "usl_fit",
    "utilisation",
    "wait_percentile",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value
