"""Is B faster than A? A bootstrap over runs, with a verdict that may also be that nobody can tell."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

import numpy as np
from msgspec import Struct

from ..exceptions import InvalidValue
from ._student import student_t_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["MINIMUM_RUNS", "Comparison", "Verdict", "compare"]

MINIMUM_RUNS = 5
"""Fewer runs in an arm than this decide nothing: a bootstrap needs something to draw from."""

_RESAMPLES = 10_000

Verdict = Literal["faster", "slower", "no difference", "not enough data"]


class Comparison(Struct, frozen=True, kw_only=True):
    """What the runs of A and B say about each other. `a` and `b` are in the unit of the runs."""

    a: float
    """The median (or mean) over A's runs."""
    b: float
    ratio: tuple[float, float, float] | None
    """B ÷ A: low, estimate, high. None where it does not exist: no runs, a zero in the way, or beyond 1e308."""
    difference: tuple[float, float, float] | None
    """B - A: low, estimate, high. None without enough runs."""
    verdict: Verdict
    """Of B against A: `faster` means better, whichever direction is better."""
    reason: str
    """The verdict in words."""
    runs_a: int
    runs_b: int
    confidence: float
    threshold: float


def compare(
    a: Sequence[float],
    b: Sequence[float],
    *,
    confidence: float = 0.95,
    threshold: float = 0.02,
    seed: int = 0,
    lower_is_better: bool = True,
    statistic: Literal["median", "mean"] = "median",
) -> Comparison:
    """Compare one metric of two arms, given one value a run.

    Runs are resampled, never requests: the requests of one run share its luck (they are autocorrelated), so resampling
    them finds a difference between any two runs. The interval is the percentile bootstrap of the ratio of medians
    (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13), which keeps its promise from five runs
    on. Means need the expanded percentile interval (Hesterberg, What Teachers Should Know About the Bootstrap, The
    American Statistician 69(4), 2015, section 3.3), or five runs would cry wolf in 13 % of comparisons of equals.

    The verdict is a test of equivalence: `faster` or `slower` when the whole interval lies beyond the threshold,
    `no difference` when it lies within, else `not enough data`.

    Args:
        a: one value of the metric a run, from the runs of A; in any unit, 0 or more. Their order does not matter.
        b: the same of B. The arms may differ in size.
        confidence: of the interval.
        threshold: changes up to this share are no difference that matters (0.02: 2 %).
        seed: of the resampling; the same seed and runs give the same answer.
        lower_is_better: True for latencies, False for throughput.
        statistic: what stands for an arm.

    Raises:
        InvalidValue: a value that is negative, infinite or NaN, or a confidence or threshold out of range.
    """
    if not 0 < confidence < 1:
        raise InvalidValue("Expected a confidence between 0 and 1", got=confidence)
    if not (threshold >= 0 and np.isfinite(threshold)):
        raise InvalidValue("Expected a threshold of 0 or more", got=threshold)
    runs_a, runs_b = _runs(a, "A"), _runs(b, "B")
    estimate_a, estimate_b = _center(runs_a, statistic), _center(runs_b, statistic)
    ratio: tuple[float, float, float] | None = None
    difference: tuple[float, float, float] | None = None
    if min(runs_a.size, runs_b.size) < MINIMUM_RUNS:
        verdict: Verdict = "not enough data"
        reason = f"fewer than {MINIMUM_RUNS} runs of {'A' if runs_a.size < MINIMUM_RUNS else 'B'}"
    else:
        sample_a, sample_b = _resample(runs_a, runs_b, statistic, seed)
        tail = _tail(confidence, min(runs_a.size, runs_b.size), statistic)
        difference = _interval(sample_b - sample_a, estimate_b - estimate_a, tail)
        if estimate_a == estimate_b == 0 and not sample_a.any() and not sample_b.any():
            ratio = (1.0, 1.0, 1.0)
        elif sample_a.min() > 0 and sample_b.min() > 0:
            logs = _interval(np.log(sample_b) - np.log(sample_a), float(np.log(estimate_b) - np.log(estimate_a)), tail)
            with np.errstate(over="ignore"):
                ends = float(np.exp(logs[0])), estimate_b / estimate_a, float(np.exp(logs[2]))
            ratio = ends if np.isfinite(ends).all() else None  # beyond what a float holds
        verdict, reason = _judge(ratio, difference, max(estimate_a, estimate_b), threshold, lower_is_better)
    return Comparison(
        a=estimate_a,
        b=estimate_b,
        ratio=ratio,
        difference=difference,
        verdict=verdict,
        reason=reason,
        runs_a=int(runs_a.size),
        runs_b=int(runs_b.size),
        confidence=confidence,
        threshold=threshold,
    )


def _runs(values: Sequence[float], arm: str) -> NDArray[np.float64]:
    runs = np.sort(np.asarray(values, dtype=np.float64).ravel())
    wrong = runs[~(np.isfinite(runs) & (runs >= 0))]
    if wrong.size:
        raise InvalidValue(
            "Expected a finite value of 0 or more from each run", got=float(wrong[0]), where=f"arm {arm}"
        )
    return runs


def _center(runs: NDArray[np.float64], statistic: str) -> float:
    if runs.size == 0:
        return 0.0
    return float(np.median(runs) if statistic == "median" else np.mean(runs))


def _resample(
    a: NDArray[np.float64], b: NDArray[np.float64], statistic: str, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    # Each set of random numbers is used for both arms in turn, so that B against A is exactly A against B inverted, and
    # equal arms get an interval that is even around 1.
    generator = np.random.default_rng(seed)
    size = (_RESAMPLES // 2, max(a.size, b.size))
    one, other = generator.random(size), generator.random(size)
    return _statistics(a, (one, other), statistic), _statistics(b, (other, one), statistic)


def _statistics(
    runs: NDArray[np.float64], draws: tuple[NDArray[np.float64], NDArray[np.float64]], statistic: str
) -> NDArray[np.float64]:
    drawn = (np.concatenate(draws)[:, : runs.size] * runs.size).astype(np.intp)
    if statistic == "median":
        drawn.sort(axis=1)  # the runs are in order: what is in the middle of their numbers is their median
        drawn = drawn[:, (runs.size - 1) // 2 : runs.size // 2 + 1]
    result: NDArray[np.float64] = np.mean(runs[drawn], axis=1)
    return result


def _tail(confidence: float, runs: int, statistic: str) -> float:
    tail = (1 - confidence) / 2
    if statistic == "median":
        return tail
    # Hesterberg 2015: the bootstrap of a mean is too narrow by √((n-1)/n) and knows no t distribution.
    return NormalDist().cdf(-float(np.sqrt(runs / (runs - 1))) * student_t_quantile(1 - tail, runs - 1))


def _interval(sample: NDArray[np.float64], estimate: float, tail: float) -> tuple[float, float, float]:
    low, high = np.quantile(sample, (tail, 1 - tail))
    return min(float(low), estimate), estimate, max(float(high), estimate)


def _judge(
    ratio: tuple[float, float, float] | None,
    difference: tuple[float, float, float],
    scale: float,
    threshold: float,
    lower_is_better: bool,
) -> tuple[Verdict, str]:
    if ratio is not None:
        low, _, high = ratio
        # 1.02 and 1 ÷ 1.02: a rise and the fall that undoes it are judged alike.
        floor, ceiling = 1 / (1 + threshold), 1 + threshold
        shown = f"B ÷ A lies in {low:.3f} … {high:.3f}"
    else:
        low, _, high = difference
        floor, ceiling = -threshold * scale, threshold * scale
        shown = f"B - A lies in {low:.4g} … {high:.4g}"
    # Without a threshold an interval that only touches "equal" is not beyond it.
    if low > ceiling or high < floor:
        better = (high < floor) == lower_is_better
        return ("faster" if better else "slower"), f"{shown}, beyond ±{threshold:.3g}"
    if low >= floor and high <= ceiling:
        return "no difference", f"{shown}, within ±{threshold:.3g}"
    return "not enough data", f"{shown}: too wide to tell from ±{threshold:.3g}, more runs would narrow it"
