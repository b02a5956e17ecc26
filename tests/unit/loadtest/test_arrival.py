from __future__ import annotations

import numpy as np
import pytest

from perfloop.exceptions import InvalidValue
from perfloop.loadtest.arrival import ARRIVALS, ConstantArrival, PoissonArrival, arrival


@pytest.mark.parametrize("name", ARRIVALS)
def test_every_profile_is_reached_by_its_name_and_agrees_with_itself(name) -> None:
    profile = arrival(name, 1000.0, 3)
    dues = profile.dues(0, 20_000)
    assert [profile.due(number) for number in range(0, 20_000, 500)] == dues[::500].tolist()
    assert (np.diff(dues) >= 0).all()
    for number in (0, 1, 4095, 4096, 10_000, 19_999):
        assert arrival(name, 1000.0, 3).count(dues[number]) == number
        assert arrival(name, 1000.0, 3).count(np.nextafter(dues[number], np.inf)) == number + 1
    assert profile.dues(5, 5).size == 0
    assert profile.dues(4000, 9000).tolist() == dues[4000:9000].tolist()


def test_constant_arrivals_come_at_the_multiples_of_the_interval() -> None:
    profile = ConstantArrival(4.0)
    assert profile.dues(0, 5).tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert [profile.count(elapsed) for elapsed in (0.0, 0.1, 0.25, 0.26, 10.0)] == [0, 1, 1, 2, 40]


@pytest.mark.parametrize("rate", [3.0, 7.0, 333.0, 1e5 / 3])
def test_constant_arrivals_make_rate_times_duration_requests(rate) -> None:
    for seconds in (1.0, 2.0, 10.0, 60.0):
        assert ConstantArrival(rate).count(seconds) == pytest.approx(rate * seconds, abs=1)


def test_poisson_arrivals_have_exponential_gaps_that_the_seed_decides() -> None:
    dues = PoissonArrival(500.0, 1).dues(0, 50_000)
    gaps = np.diff(dues, prepend=0.0)
    assert gaps.mean() == pytest.approx(1 / 500, rel=0.02)
    assert gaps.std() == pytest.approx(1 / 500, rel=0.02)
    assert (gaps > 1 / 500).mean() == pytest.approx(np.exp(-1), abs=0.01)
    # Independent: a long gap tells nothing about the next.
    assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 0.02
    assert PoissonArrival(500.0, 1).dues(0, 100).tolist() == dues[:100].tolist()
    assert PoissonArrival(500.0, 2).due(0) != dues[0]


def test_poisson_arrivals_can_be_asked_for_an_earlier_one_again() -> None:
    profile = PoissonArrival(100.0, 5)
    early = profile.due(10)
    profile.due(20_000)
    assert profile.due(10) == early
    many = profile.count(150.0)
    assert profile.count(1.0) < many


def test_an_unknown_profile_lists_the_known_ones() -> None:
    with pytest.raises(InvalidValue, match="constant, poisson"):
        arrival("bursty", 1.0)
