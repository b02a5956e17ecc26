"""N+1: statements that one request repeats for each of many rows, told from what only looks like it."""

from __future__ import annotations

from .detector import LEAST_REPEATS, Call, Repetition, find_repetitions, is_read
from .loader import ROUND_TRIPS_MS, describe_repetition, loader_of

__all__ = [
    "LEAST_REPEATS",
    "ROUND_TRIPS_MS",
    "Call",
    "Repetition",
    "describe_repetition",
    "find_repetitions",
    "is_read",
    "loader_of",
]
