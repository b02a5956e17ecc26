from __future__ import annotations

import pytest

from perfloop.loadtest.capacity.posterior import Posterior

SHARP = [(90.0, True), (95.0, True), (98.0, True), (102.0, False), (105.0, False), (110.0, False)]


def test_the_capacity_lies_between_what_met_and_what_missed() -> None:
    low, middle, high = Posterior(SHARP, 0.1).interval(0.95)
    assert 85 < low < 98 < middle < 102 < high < 115


def test_more_confidence_is_a_wider_interval() -> None:
    posterior = Posterior(SHARP, 0.1)
    (narrow_low, _, narrow_high), (low, _, high) = posterior.interval(0.5), posterior.interval(0.95)
    assert low < narrow_low < narrow_high < high


def test_one_stray_miss_far_below_does_not_move_the_answer() -> None:
    _, middle, _ = Posterior(SHARP, 0.1).interval(0.95)
    _, moved, _ = Posterior([*SHARP, (50.0, False)], 0.1).interval(0.95)
    assert moved == pytest.approx(middle, rel=0.03)


def test_contradictions_widen_the_interval() -> None:
    blurred = [*SHARP, (98.0, False), (102.0, True), (95.0, False), (105.0, True)]
    low, _, high = Posterior(SHARP, 0.1).interval(0.95)
    blurred_low, _, blurred_high = Posterior(blurred, 0.1).interval(0.95)
    assert blurred_high - blurred_low > high - low


def test_the_most_telling_rate_is_near_the_middle() -> None:
    assert 92 < Posterior(SHARP, 0.1).most_telling_rate() < 108
    assert 55 < Posterior([(50.0, True), (200.0, False)], 0.1).most_telling_rate() < 180
