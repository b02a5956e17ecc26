"""Where the capacity lies, given which rates met the targets and which did not; and which rate tells most. Pure.

A probe at rate r meets the targets with probability logistic((log c - log r) / w): a step at the capacity c, blurred by
w, because services, targets near their limit and machines are noisy; besides that, now and then a probe fails for
reasons of its own, or passes by luck. What is known about (c, w) is their joint posterior on a grid, from a flat prior
in log c and log w. The next rate is the one whose outcome is expected to leave the least entropy in c (the Ψ method of
psychophysics: Kontsevich and Tyler, Vision Research 39, 1999), which is bisection where outcomes are certain and
repetition where they are not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Posterior"]

_WIDTHS = np.geomspace(0.003, 0.12, 9)
_FAILS_BELOW = 0.03
"""The share of probes below the capacity that miss the targets nevertheless: something else went wrong."""
_PASSES_ABOVE = 0.01
_MARGIN = 0.7
"""How far beyond the rates that were tried the capacity may lie, as a logarithm: a factor of two."""
_CELLS_IN_PRECISION = 30
_CANDIDATES = np.linspace(0.03, 0.97, 21)


class Posterior:
    """What probes at rates (requests a second) say about the capacity.

    Args:
        outcomes: each rate that was tried, and whether it met the targets; at least one.
        precision: the relative width of the interval that will be asked for, which sets the grid.
    """

    def __init__(self, outcomes: Sequence[tuple[float, bool]], precision: float) -> None:
        rates = np.log([rate for rate, _ in outcomes])
        self._capacity = np.arange(
            rates.min() - _MARGIN, rates.max() + _MARGIN, precision / _CELLS_IN_PRECISION, dtype=np.float64
        )
        likelihood = np.zeros((self._capacity.size, _WIDTHS.size))
        for rate, (_, met) in zip(rates, outcomes, strict=True):
            chance = self._chance(float(rate))
            likelihood += np.log(chance if met else 1 - chance)
        weights = np.exp(likelihood - likelihood.max())
        self._weights: NDArray[np.float64] = weights / weights.sum()

    def interval(self, confidence: float) -> tuple[float, float, float]:
        """Low, median and high of the capacity; it lies between low and high with this probability."""
        tail = (1 - confidence) / 2
        low, middle, high = np.exp(self._quantiles(np.array([tail, 0.5, 1 - tail]))).tolist()
        return low, middle, high

    def most_telling_rate(self) -> float:
        """The rate at which one more probe leaves the least uncertainty about the capacity, on average."""
        best_rate, least = 0.0, np.inf
        for rate in self._quantiles(_CANDIDATES).tolist():
            met = self._weights * self._chance(rate)
            missed = self._weights - met
            expected = _weighted_entropy(met) + _weighted_entropy(missed)
            if expected < least:
                best_rate, least = rate, expected
        return float(np.exp(best_rate))

    def _chance(self, rate: float) -> NDArray[np.float64]:
        """The probability of meeting the targets at a log rate, for each capacity and width."""
        distance = np.clip((self._capacity[:, None] - rate) / _WIDTHS, -40, 40)
        chance: NDArray[np.float64] = _PASSES_ABOVE + (1 - _PASSES_ABOVE - _FAILS_BELOW) / (1 + np.exp(-distance))
        return chance

    def _quantiles(self, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.interp(shares, np.cumsum(self._weights.sum(axis=1)), self._capacity)


def _weighted_entropy(weights: NDArray[np.float64]) -> float:
    """The entropy of the capacity under these weights, times their sum."""
    total = float(weights.sum())
    shares = weights.sum(axis=1) / total
    shares = shares[shares > 0]
    return -total * float((shares * np.log(shares)).sum())
