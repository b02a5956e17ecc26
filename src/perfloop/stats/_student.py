"""Student's t distribution for whole degrees of freedom, so that no scipy is needed for it."""

from __future__ import annotations

import math

__all__ = ["student_t_quantile"]


def student_t_cdf(t: float, df: int) -> float:
    """P(T ≤ t) with `df` degrees of freedom, from the finite series of Abramowitz and Stegun, 26.7.3 and 26.7.4."""
    theta = math.atan(t / math.sqrt(df))
    cosine, sine = math.cos(theta), math.sin(theta)
    if df % 2:
        term = total = cosine if df > 1 else 0.0
        for k in range(3, df - 1, 2):
            term *= cosine * cosine * (k - 1) / k
            total += term
        within = 2 / math.pi * (theta + sine * total)
    else:
        term = total = 1.0
        for k in range(2, df, 2):
            term *= cosine * cosine * (k - 1) / k
            total += term
        within = sine * total
    return 0.5 + within / 2


def student_t_quantile(p: float, df: int) -> float:
    """The t that P(T ≤ t) = p, for 0.5 ≤ p < 1 and `df` ≥ 1; to nine digits."""
    low, high = 0.0, 1.0
    while student_t_cdf(high, df) < p:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        if student_t_cdf(middle, df) < p:
            low = middle
        else:
            high = middle
    return (low + high) / 2
