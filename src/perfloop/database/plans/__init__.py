"""Plans: read from EXPLAIN, judged, and compared."""

from __future__ import annotations

from .comparison import compare_plans
from .explain import ExplainOptions, explain
from .judgement import find_problems, worst_node
from .postgresql import read_postgresql_plan
from .sqlite import read_sqlite_plan
from .values import without_values

__all__ = [
    "ExplainOptions",
    "compare_plans",
    "explain",
    "find_problems",
    "read_postgresql_plan",
    "read_sqlite_plan",
    "without_values",
    "worst_node",
]
