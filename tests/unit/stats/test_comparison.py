from __future__ import annotations

import math

import numpy as np
import pytest

from perfloop.exceptions import InvalidValue
from perfloop.stats import MINIMUM_RUNS, compare

FAST = [100.0, 101, 99, 100.5, 99.5]
SLOW = [120.0, 121, 119, 120.5, 119.5]


@pytest.mark.parametrize("statistic", ["median", "mean"])
def test_a_clear_change_either_way(statistic: str) -> None:
    worse = compare(FAST, SLOW, statistic=statistic)  # type: ignore[arg-type]
    assert worse.verdict == "slower"
    assert worse.ratio is not None
    low, estimate, high = worse.ratio
    assert low <= estimate <= high
    assert estimate == pytest.approx(1.2)
    assert compare(SLOW, FAST, statistic=statistic).verdict == "faster"  # type: ignore[arg-type]


def test_where_higher_is_better() -> None:
    assert compare(FAST, SLOW, lower_is_better=False).verdict == "faster"
    assert compare(SLOW, FAST, lower_is_better=False).verdict == "slower"


def test_equal_runs_are_no_difference() -> None:
    comparison = compare(FAST, FAST)
    assert comparison.verdict == "no difference"
    assert "within" in comparison.reason


def test_noise_is_not_enough_data() -> None:
    noisy = [60.0, 140, 100, 90, 120]
    comparison = compare(noisy, [130.0, 70, 100, 115, 85])
    assert comparison.verdict == "not enough data"
    assert "more runs" in comparison.reason


@pytest.mark.parametrize(("a", "b", "arm"), [([], FAST, "A"), (FAST, [1.0] * (MINIMUM_RUNS - 1), "B"), ([], [], "A")])
def test_too_few_runs(a: list[float], b: list[float], arm: str) -> None:
    comparison = compare(a, b)
    assert comparison.verdict == "not enough data"
    assert comparison.reason == f"fewer than 5 runs of {arm}"
    assert comparison.ratio is None
    assert comparison.difference is None
    assert (comparison.runs_a, comparison.runs_b) == (len(a), len(b))


def test_a_change_within_the_threshold_does_not_matter() -> None:
    slightly = [value * 1.01 for value in FAST]
    assert compare(FAST, slightly, threshold=0.05).verdict == "no difference"
    assert compare([100.0] * 5, [101.0] * 5, threshold=0.0).verdict == "slower"


@pytest.mark.parametrize(("b", "verdict"), [(102.0, "no difference"), (102.1, "slower"), (98.04, "no difference")])
def test_constants_are_judged_by_the_threshold_alone(b: float, verdict: str) -> None:
    assert compare([100.0] * 6, [b] * 6).verdict == verdict


def test_all_zero_is_no_difference() -> None:
    comparison = compare([0.0] * 5, [0.0] * 5)
    assert comparison.verdict == "no difference"
    assert comparison.ratio == (1.0, 1.0, 1.0)


def test_from_zero_there_is_no_ratio_but_a_verdict() -> None:
    comparison = compare([0.0] * 5, [3.0] * 5)
    assert comparison.ratio is None
    assert comparison.difference == (3.0, 3.0, 3.0)
    assert comparison.verdict == "slower"
    assert compare([3.0] * 5, [0.0] * 5).verdict == "faster"


def test_a_zero_among_the_runs() -> None:
    comparison = compare([0.0, 0, 0, 1, 1], [5.0, 6, 7, 8, 9])
    assert comparison.ratio is None
    assert comparison.verdict == "slower"
    assert all(math.isfinite(value) for value in comparison.difference or ())


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -1.0])
def test_a_broken_run_is_refused(wrong: float) -> None:
    with pytest.raises(InvalidValue, match="finite value of 0 or more") as caught:
        compare(FAST, [*SLOW, wrong])
    assert caught.value.where == "arm B"


@pytest.mark.parametrize(
    "options", [{"confidence": 0.0}, {"confidence": 1.0}, {"threshold": -0.1}, {"threshold": math.nan}]
)
def test_options_out_of_range(options: dict[str, float]) -> None:
    with pytest.raises(InvalidValue):
        compare(FAST, SLOW, **options)  # type: ignore[arg-type]


def test_same_seed_same_answer_and_order_of_runs_does_not_matter() -> None:
    a = np.random.default_rng(0).normal(100, 10, 9)
    b = np.random.default_rng(1).normal(110, 10, 9)
    assert compare(a, b) == compare(a, b) == compare(a[::-1], b)
    assert compare(a, b, seed=1).ratio != compare(a, b, seed=2).ratio


def test_more_confidence_is_a_wider_interval() -> None:
    a = np.random.default_rng(0).normal(100, 10, 15)
    b = np.random.default_rng(1).normal(110, 10, 15)
    widths = []
    for confidence in (0.5, 0.8, 0.95, 0.99):
        ratio = compare(a, b, confidence=confidence).ratio
        assert ratio is not None
        widths.append(ratio[2] - ratio[0])
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]


def test_one_wild_run_does_not_move_the_median() -> None:
    assert compare(FAST * 3, [*(FAST * 3)[:-1], 10_000.0]).verdict == "no difference"


def test_a_ratio_that_no_float_holds_is_none() -> None:
    result = compare([5e-324] * 5, [1e308] * 5)
    assert (result.ratio, result.verdict) == (None, "slower")
