from __future__ import annotations

import msgspec

from perfloop.loadtest.capacity.curve import curve, scalability
from perfloop.records import UslFit

from .simulated import probe


def closed(throughputs: dict[int, float]):
    return [
        probe(rate=None, connections=n, throughput=throughput, verdict="measured")
        for n, throughput in throughputs.items()
    ]


def test_rates_within_a_percent_are_one_point() -> None:
    probes = [
        probe(rate=200.0, throughput=190, p50_ms=30, verdict="missed"),
        probe(rate=100.5, throughput=100.5, p50_ms=12),
        probe(rate=100.0, throughput=100, p50_ms=10),
        probe(rate=150.0, verdict="untrustworthy"),
        *closed({1: 100}),
    ]
    low, high = curve(probes)
    assert (low.rate, low.throughput, low.p50_ms, low.probes, low.met, low.missed) == (100.25, 100.25, 12, 2, 2, 0)
    assert (high.rate, high.throughput, high.probes, high.met, high.missed) == (200, 190, 1, 0, 1)
    assert curve([]) == []


def test_a_scalability_law_is_found_again() -> None:
    def usl(n: int) -> float:
        return 100 * n / (1 + 0.05 * (n - 1) + 0.001 * n * (n - 1))

    fit = scalability(closed({n: usl(n) for n in (1, 2, 4, 8, 16, 32, 64)}))
    assert isinstance(fit, UslFit)
    assert abs(fit.contention - 0.05) < 1e-6
    assert abs(fit.peak_in_flight - (0.95 / 0.001) ** 0.5) < 0.1
    low, peak, high = fit.peak_rate
    assert low <= peak <= high
    assert abs(peak - usl(31)) < 1


def test_what_does_not_support_a_law_says_why() -> None:
    assert "too few" in scalability(closed({1: 100, 2: 200, 4: 300}))
    assert "no knee" in scalability(closed({n: 100.0 * n for n in (1, 2, 4, 8)}))
    steps = closed({1: 100, 2: 100, 4: 400, 8: 50, 16: 400})
    assert "variance" in scalability(steps)
    doubted = [msgspec.structs.replace(one, verdict="untrustworthy") for one in steps]
    assert "too few" in scalability(doubted)


def test_points_that_set_no_upper_end_of_the_peak_leave_it_out() -> None:
    fit = scalability(closed({1: 48.68, 2: 95.28, 4: 174.64, 8: 386.34, 16: 730.83, 32: 1174.1}))
    assert isinstance(fit, UslFit)
    low, peak, high = fit.peak_rate
    assert low <= peak < 1500
    assert high is None
    assert msgspec.json.decode(msgspec.json.encode(fit), type=UslFit) == fit
