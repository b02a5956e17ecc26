from __future__ import annotations

import pytest

from perfloop.stats._student import student_t_cdf, student_t_quantile


# From the table of Abramowitz and Stegun, 26.10.
@pytest.mark.parametrize(
    ("p", "df", "t"),
    [
        (0.975, 1, 12.706),
        (0.975, 2, 4.303),
        (0.975, 3, 3.182),
        (0.975, 4, 2.776),
        (0.975, 9, 2.262),
        (0.975, 30, 2.042),
        (0.995, 5, 4.032),
        (0.95, 120, 1.658),
        (0.5, 7, 0.0),
    ],
)
def test_table(p: float, df: int, t: float) -> None:
    assert student_t_quantile(p, df) == pytest.approx(t, abs=5e-4)


@pytest.mark.parametrize("df", range(1, 12))
def test_symmetric(df: int) -> None:
    assert student_t_cdf(1.3, df) + student_t_cdf(-1.3, df) == pytest.approx(1)
