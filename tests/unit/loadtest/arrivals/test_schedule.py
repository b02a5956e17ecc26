from __future__ import annotations

import math

import numpy as np
import pytest

from perfloop.loadtest.arrivals import Constant, Poisson, Ramp, Sequence, Sine, Steps, arrival, parse_profile


def test_constant_arrivals_come_at_the_multiples_of_the_interval() -> None:
    schedule = arrival(Constant(4.0))
    assert schedule.dues(0, 5).tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert [schedule.count(elapsed) for elapsed in (0.0, 0.1, 0.25, 0.26, 10.0)] == [0, 1, 1, 2, 40]
    assert arrival(Constant(4.0, 1.0)).dues(3, 6).tolist() == [0.75, math.inf, math.inf]
    assert arrival(Constant(4.0, 1.0)).count(10.0) == 4


@pytest.mark.parametrize("rate", [3.0, 7.0, 333.0, 1e5 / 3])
def test_constant_arrivals_make_rate_times_duration_requests(rate) -> None:
    for seconds in (1.0, 2.0, 10.0, 60.0):
        assert arrival(Constant(rate)).count(seconds) == pytest.approx(rate * seconds, abs=1)


def test_a_ramp_s_requests_come_when_the_integral_passes_their_number() -> None:
    # t² requests after t seconds.
    schedule = arrival(Ramp(0, 20, 10))
    assert schedule.dues(0, 100) == pytest.approx(np.sqrt(np.arange(100)))
    assert schedule.count(10) == 100
    falling = arrival(Ramp(20, 0, 10))
    assert falling.dues(0, 100) == pytest.approx(10 - np.sqrt(100 - np.arange(100)))


def test_nothing_is_sent_while_the_rate_is_zero() -> None:
    schedule = arrival(parse_profile("pause 5s, 10 1s, pause 1h, 10 1s"))
    assert schedule.dues(0, 21) == pytest.approx(
        [5 + n / 10 for n in range(10)] + [3606 + n / 10 for n in range(10)] + [math.inf]
    )
    assert schedule.count(3606) == 10
    silent = arrival(Steps((0, 0), 3))
    assert silent.due(0) == math.inf
    assert silent.count(7) == 0


def test_the_fraction_of_a_request_a_piece_leaves_is_carried_over() -> None:
    # 1,000 pieces of a tenth of a request each are 100 requests, not 1,000.
    schedule = arrival(Sequence((Constant(0.1, 1.0),) * 1000))
    assert schedule.count(1000.0) == 100
    assert schedule.dues(0, 100) == pytest.approx(np.arange(100) * 10.0)


def test_a_sine_begins_at_its_lowest_and_repeats() -> None:
    sine = Sine(100, 100, 10, 30)
    schedule = arrival(sine)
    assert schedule.count(10) == 1000
    assert schedule.count(5) == 500
    dues = schedule.dues(0, 3000)
    assert dues[1000:2000] == pytest.approx(dues[:1000] + 10)
    # Symmetric about the peak.
    assert 10 - dues[1000:0:-1] == pytest.approx(dues[:1000], abs=1e-6)
    assert (sine.rate_at(0), sine.rate_at(5)) == pytest.approx((0, 200))


@pytest.mark.parametrize(
    "profile", ["500", "ramp 0..1000 100s", "sine 0..1000 17s for 100s", "500 30s, steps 900 100 each 35s"]
)
def test_poisson_arrivals_have_exponential_gaps_on_the_scale_of_the_integral(profile) -> None:
    parsed = parse_profile(profile)
    curve = parsed.curve()
    dues = arrival(parsed, "poisson", 1).dues(0, 45_000)
    gaps = np.sort(np.diff([curve.expected(due) for due in dues], prepend=0.0))
    distance = np.abs(1 - np.exp(-gaps) - np.arange(1, len(gaps) + 1) / len(gaps)).max()
    # Kolmogorov–Smirnov's 1 % bound; the seed is fixed.
    assert distance < 1.63 / math.sqrt(len(gaps))


def test_poisson_arrivals_are_independent_and_the_seed_decides_them() -> None:
    dues = arrival(Constant(500.0), "poisson", 1).dues(0, 50_000)
    gaps = np.diff(dues, prepend=0.0)
    assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 0.02
    assert arrival(Constant(500.0), "poisson", 1).dues(0, 100).tolist() == dues[:100].tolist()
    assert arrival(Constant(500.0), "poisson", 2).due(0) != dues[0]


def test_poisson_arrivals_can_be_asked_for_an_earlier_one_again() -> None:
    schedule = arrival(Constant(100.0), "poisson", 5)
    early = schedule.due(10)
    schedule.due(20_000)
    assert schedule.due(10) == early
    many = schedule.count(150.0)
    assert schedule.count(1.0) < many


def test_only_the_pieces_that_are_to_be_random_are() -> None:
    schedule = arrival(Sequence((Constant(10, 1), Poisson(Constant(1000, 1)), Constant(10, 1))))
    random = schedule.count(2) - 10
    assert 850 < random < 1150
    assert schedule.dues(0, 10) == pytest.approx(np.arange(10) / 10)
    assert schedule.dues(10 + random, 20 + random) == pytest.approx(2 + np.arange(10) / 10)
    within = schedule.dues(10, 10 + random)
    assert np.diff(within).std() == pytest.approx(1e-3, rel=0.2)


def test_what_is_planned_now_for_the_live_view() -> None:
    profile = parse_profile("ramp 10..500 30s, steps 100 200 each 10s, spike 5..50 1s")
    planned = arrival(profile).planned
    assert planned(15) == ("1/3 ramp 10..500 30s", 255)
    assert planned(41) == ("2/3 step 2 of 2: 200/s", 200)
    assert planned(51.5) == ("3/3 spike", 50)
    assert planned(53) == ("over", 0)
