"""Recorded calls for tests, without a recorder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfloop.resilience.replay import Outcomes

if TYPE_CHECKING:
    from collections.abc import Sequence

LETTERS = {".": 0, "F": 1, "-": 2, "R": 3}


def recorded(
    letters: str,
    *,
    every: float = 1.0,
    took: float | Sequence[float] = 0.1,
    first: float = 1000.0,
    process: Sequence[int] | None = None,
) -> Outcomes:
    """One call a letter: `.` succeeded, `F` failed, `-` was ignored, `R` rejected."""
    number = len(letters)
    return Outcomes(
        name="pay",
        started=first + every * np.arange(number),
        took=np.full(number, took) if isinstance(took, float) else np.array(took, float),
        outcome=np.array([LETTERS[each] for each in letters], np.uint8),
        process=np.array(process if process is not None else [0] * number),
        processes=tuple(map(str, range(max(process) + 1))) if process is not None else ("0",),
    )
