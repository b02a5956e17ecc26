"""What one part of the area gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perfloop.loadtest import LoadOutcome

__all__ = ["Part", "flagged", "ks_distance"]


class Part(NamedTuple):
    """The figures of one part, and whether any of its runs was called untrustworthy."""

    figures: dict[str, Any]
    reasons: list[str]
    """Why runs were flagged."""
    runs: int
    peers: dict[str, Any]


def flagged(outcome: LoadOutcome) -> str:
    """Why a run that nothing ailed was called untrustworthy, for a line of progress; empty when it was not."""
    return "".join(f"  FLAGGED: {reason}" for reason in outcome.summary.reasons)


def ks_distance(sample: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    """Kolmogorov–Smirnov's distance of a sample from a distribution.

    Args:
        sample: sorted.
        expected: the distribution function at each of its values.
    """
    steps = np.arange(len(sample) + 1) / len(sample)
    return float(max(np.max(steps[1:] - expected), np.max(expected - steps[:-1])))
