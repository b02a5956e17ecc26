from __future__ import annotations

import math

import numpy as np
import pytest

from perfloop.exceptions import InvalidValue
from perfloop.stats import erlang_c, little, mean_wait, usl_fit, utilisation, wait_percentile


def test_little_from_any_two() -> None:
    assert little(rate=200, seconds=0.05) == 10
    assert little(rate=200, in_flight=10) == 0.05
    assert little(seconds=0.05, in_flight=10) == 200


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"rate": 1},
        {"rate": 1, "seconds": 1, "in_flight": 1},
        {"rate": 0, "in_flight": 3},
        {"seconds": 0, "in_flight": 3},
        {"rate": -1, "seconds": 1},
        {"rate": math.nan, "seconds": 1},
    ],
)
def test_little_refuses(known: dict[str, float]) -> None:
    with pytest.raises(InvalidValue):
        little(**known)


def test_utilisation() -> None:
    assert utilisation(80, 0.1, 10) == pytest.approx(0.8)
    assert utilisation(0, 0.1) == 0


def by_factorials(servers: int, offered: float) -> float:
    """The textbook formula, which overflows for large c."""
    top = offered**servers / math.factorial(servers) * servers / (servers - offered)
    return top / (sum(offered**k / math.factorial(k) for k in range(servers)) + top)


@pytest.mark.parametrize(("servers", "offered"), [(1, 0.5), (2, 1.0), (4, 3.9), (10, 8.0), (50, 45.0), (100, 20.0)])
def test_erlang_c_is_the_textbook_formula(servers: int, offered: float) -> None:
    assert erlang_c(servers, offered) == pytest.approx(by_factorials(servers, offered), rel=1e-9)


def test_erlang_c_with_one_server_is_the_utilisation() -> None:
    assert erlang_c(1, 0.73) == pytest.approx(0.73)


def test_erlang_c_is_stable_for_many_servers() -> None:
    assert 0 < erlang_c(100_000, 99_900) < 1
    assert erlang_c(100_000, 1) == 0


@pytest.mark.parametrize("offered", [3.0, 4.0])
def test_saturated_everybody_waits(offered: float) -> None:
    assert erlang_c(3, offered) == 1
    assert mean_wait(offered * 10, 0.1, 3) == math.inf
    assert wait_percentile(50, offered * 10, 0.1, 3) == math.inf


def test_one_server_waits_as_in_m_m_1() -> None:
    # W_q = ρ S / (1 - ρ), and P(W > t) = ρ exp(-(1 - ρ) t / S).
    assert mean_wait(8, 0.1) == pytest.approx(0.4)
    t = wait_percentile(99, 8, 0.1)
    assert 0.8 * math.exp(-0.2 * t / 0.1) == pytest.approx(0.01)


def test_percentiles_of_those_who_do_not_wait_are_zero() -> None:
    assert wait_percentile(50, 1, 0.1) == 0
    assert wait_percentile(95, 1, 0.1) > 0


def test_waits_against_a_simulation() -> None:
    generator = np.random.default_rng(5)
    rate, service, servers = 70.0, 0.1, 10
    arrivals = np.cumsum(generator.exponential(1 / rate, 200_000)).tolist()
    free = [0.0] * servers
    waits = []
    for arrival, work in zip(arrivals, generator.exponential(service, len(arrivals)).tolist(), strict=True):
        first = min(range(servers), key=free.__getitem__)
        start = max(arrival, free[first])
        waits.append(start - arrival)
        free[first] = start + work
    assert np.mean(waits) == pytest.approx(mean_wait(rate, service, servers), rel=0.15)
    assert np.mean(np.array(waits) > 0) == pytest.approx(erlang_c(servers, rate * service), rel=0.1)
    assert np.percentile(waits, 95) == pytest.approx(wait_percentile(95, rate, service, servers), rel=0.15)


@pytest.mark.parametrize(
    "call",
    [
        lambda: erlang_c(0, 1),
        lambda: erlang_c(2, -1),
        lambda: utilisation(-1, 1),
        lambda: utilisation(1, math.inf),
        lambda: mean_wait(1, 1, 0),
        lambda: wait_percentile(100, 1, 0.1),
        lambda: wait_percentile(-1, 1, 0.1),
    ],
)
def test_out_of_range(call: object) -> None:
    with pytest.raises(InvalidValue):
        call()  # type: ignore[operator]


N = np.array([1, 2, 4, 8, 16, 32, 64], dtype=float)


def usl(n: np.ndarray, rate: float, contention: float, coherency: float) -> np.ndarray:
    return rate * n / (1 + contention * (n - 1) + coherency * n * (n - 1))


def test_usl_finds_what_was_planted() -> None:
    fit = usl_fit(N, usl(N, 100, 0.03, 0.0005))
    assert fit is not None
    assert (fit.rate_of_one, fit.contention, fit.coherency) == pytest.approx((100, 0.03, 0.0005))
    assert fit.peak == pytest.approx(math.sqrt(0.97 / 0.0005))
    assert fit.peak_rate == pytest.approx(fit.rate(fit.peak))
    assert fit.r_squared == pytest.approx(1)
    low, high = fit.peak_interval
    assert low <= fit.peak <= high


def test_usl_with_noise_holds_the_peak_in_its_interval() -> None:
    noise = 1 + 0.03 * np.random.default_rng(0).standard_normal(3 * N.size)
    n = np.tile(N, 3)
    fit = usl_fit(n, usl(n, 250, 0.05, 0.001) * noise)
    assert fit is not None
    low, high = fit.peak_interval
    assert low <= math.sqrt(0.95 / 0.001) <= high
    assert low < high
    assert fit.r_squared > 0.95


def test_usl_without_coherency_has_no_peak_but_a_limit() -> None:
    fit = usl_fit(N, usl(N, 100, 0.1, 0))
    assert fit is not None
    assert fit.peak == math.inf
    assert fit.peak_rate == pytest.approx(1000)


def test_usl_never_gives_negative_parameters() -> None:
    superlinear_then_down = [100.0, 210, 430, 800, 900, 700, 400]
    fit = usl_fit(N, superlinear_then_down)
    assert fit is not None
    assert min(fit.rate_of_one, fit.contention, fit.coherency) >= 0


@pytest.mark.parametrize(
    ("n", "x"),
    [
        (N, 100 * N),
        (N, usl(N, 100, 0.001, 0)),
        (N[:3], usl(N[:3], 100, 0.3, 0.01)),
        (np.array([1, 1, 1, 1, 2.0]), np.array([10, 11, 10, 9, 15.0])),
    ],
)
def test_usl_refuses_data_that_cannot_tell(n: np.ndarray, x: np.ndarray) -> None:
    assert usl_fit(n, x) is None


@pytest.mark.parametrize(
    ("n", "x"),
    [
        ([1, 2, 3], [1, 2]),
        ([0, 1, 2, 3], [1, 2, 3, 4]),
        ([1, 2, 3, 4], [1, 2, 0, 4]),
        ([1, 2, 3, 4], [1, 2, math.nan, 4]),
    ],
)
def test_usl_refuses_what_is_no_measurement(n: list[float], x: list[float]) -> None:
    with pytest.raises(InvalidValue):
        usl_fit(n, x)


def test_usl_is_deterministic() -> None:
    x = usl(N, 100, 0.03, 0.0005) * np.array([1, 1.02, 0.97, 1.01, 0.99, 1.03, 0.98])
    assert usl_fit(N, x) == usl_fit(N, x)
