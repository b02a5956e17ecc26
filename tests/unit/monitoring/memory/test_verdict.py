from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from perfloop.exceptions import InvalidValue
from perfloop.monitoring.memory import LeakRule, judge
from perfloop.monitoring.memory.verdict import at_equal_load

from .series import series

if TYPE_CHECKING:
    from collections.abc import Callable


def line(each: float) -> Callable[[int], float]:
    return lambda at: each * at


def step(height: float, when: int) -> Callable[[int], float]:
    return lambda at: height * (at >= when)


def filling(height: float, over: float) -> Callable[[int], float]:
    return lambda at: height * (1 - math.exp(-at / over))


def until(height: float, end: int) -> Callable[[int], float]:
    return lambda at: height * min(at / end, 1)


SERIES: dict[str, tuple[dict[str, Any], str]] = {
    "steady": ({}, "none"),
    "python leak": ({"rss": line(2e5), "blocks": line(2e3)}, "python leak"),
    "python leak, large objects too": ({"rss": line(2e5), "blocks": line(2e3), "malloc": line(1e5)}, "python leak"),
    "native leak": ({"rss": line(2e5), "malloc": line(2e5)}, "native leak"),
    "fragmentation": ({"rss": line(2e5)}, "fragmentation"),
    "fragmentation that slows down": ({"rss": filling(30e6, 30)}, "fragmentation"),
    "cache that fills": ({"rss": filling(50e6, 20), "blocks": filling(5e5, 20)}, "cache fill"),
    "bursts that left room, and connections": ({"rss": filling(18e6, 20), "blocks": filling(8e3, 20)}, "none"),
    "cache of large values": ({"rss": filling(50e6, 20), "malloc": filling(50e6, 20)}, "cache fill"),
    "cache that is full": ({"rss": until(50e6, 35), "blocks": until(5e5, 35)}, "none"),
    "warm-up": ({"rss": until(50e6, 8), "blocks": until(5e5, 8)}, "none"),
    "one large load": ({"rss": step(50e6, 45), "blocks": step(5e5, 45)}, "none"),
    "one large load at a quarter": ({"rss": step(50e6, 20), "blocks": step(5e5, 20)}, "none"),
    "bursts": ({"rss": step(50e6, 9), "blocks": lambda at: 5e5 * (at % 20 < 4)}, "none"),
    "leak after a large load": (
        {"rss": lambda at: 2e5 * at + 50e6 * (at > 10), "blocks": lambda at: 2e3 * at + 5e5 * (at > 10)},
        "python leak",
    ),
    "leak in free memory": ({"blocks": line(2e3)}, "none"),
    "too slow to matter": ({"rss": line(5e3), "blocks": line(1e1)}, "none"),
    "falling": ({"rss": line(-2e5), "blocks": line(-2e3)}, "none"),
    "native leak, malloc unknown": ({"rss": line(2e5), "malloc": None}, "native leak"),
    "python leak, malloc unknown": ({"rss": line(2e5), "blocks": line(2e3), "malloc": None}, "python leak"),
}


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("seed", range(3))
def test_the_class(name: str, seed: int) -> None:
    given, expected = SERIES[name]
    verdict = judge(series(seed=seed, **given))
    assert verdict.kind == expected, verdict.reason
    assert verdict.leaking == expected.endswith("leak")


def test_a_leak_says_how_much_a_request() -> None:
    verdict = judge(series(rss=line(2e5), blocks=line(2e3)))
    assert verdict.per == "request"
    assert verdict.bytes_each is not None
    low, estimate, high = verdict.bytes_each
    assert low <= 200 <= high
    assert estimate == pytest.approx(200, rel=0.1)
    assert verdict.p_value is not None
    assert verdict.p_value < 0.01
    assert "a request" in verdict.reason


def test_without_a_count_of_requests_growth_is_by_second() -> None:
    verdict = judge(series(rss=line(3e5), blocks=line(2e3), requests=False))
    assert (verdict.kind, verdict.per) == ("python leak", "second")
    assert verdict.bytes_each is not None
    assert verdict.bytes_each[1] == pytest.approx(1e4, rel=0.1)


def test_a_service_without_requests_is_judged_by_time() -> None:
    idle = series(rss=line(3e5), blocks=line(2e3), requests=False)
    assert judge([replace(sample, requests=7.0) for sample in idle]).per == "second"


def test_a_trace_tells_a_few_large_objects_from_native_memory() -> None:
    samples = series(rss=line(2e5), malloc=line(2e5))
    assert judge(samples, traced_each=190).kind == "python leak"
    assert judge(samples, traced_each=20).kind == "native leak"


def test_a_trace_acquits_python_of_blocks_that_grow_by_the_way() -> None:
    samples = series(rss=line(2e5), blocks=line(2e3), malloc=line(2e5))
    assert judge(samples, traced_each=1).kind == "native leak"


def test_no_series_of_noise_is_a_leak() -> None:
    assert not any(judge(series(60, seed=seed, noise=5)).leaking for seed in range(40))


def test_too_few_samples_are_said_to_be_few() -> None:
    verdict = judge(series(31, rss=line(2e5), blocks=line(2e3)))
    assert verdict.kind == "not enough data"
    assert verdict.reason == "31 samples at equal load, 32 are needed"
    assert verdict.bytes_each is None
    assert judge([]).kind == "not enough data"


def test_only_equal_load_is_compared() -> None:
    """The load rises all the time, and the memory of requests in flight with it: no leak."""
    samples = series(in_flight=lambda at: at / 4, rss=lambda at: 1e6 * at / 4, blocks=lambda at: 1e4 * at / 4)
    assert judge([*samples]).kind != "python leak"
    kept = at_equal_load(samples)
    levels = [sample.in_flight for sample in kept if sample.in_flight is not None]
    assert max(levels) - min(levels) <= 5
    assert 0 < len(kept) < len(samples)


def test_what_requests_in_flight_take_is_no_growth() -> None:
    """The load creeps up within the usual range, and each request takes half a megabyte while it lasts."""

    def level(at: int) -> float:
        return 20 + at / 20 + at % 3

    kept = series(in_flight=level, rss=lambda at: 5e5 * level(at), blocks=lambda at: 5e3 * level(at))
    assert len(at_equal_load(kept)) == len(kept)
    assert judge(kept).kind == "none"


def test_a_leak_is_seen_beside_what_requests_take() -> None:
    kept = series(
        in_flight=lambda at: 20 + at % 4,
        rss=lambda at: 5e5 * (at % 4) + 2e5 * at,
        blocks=lambda at: 5e3 * (at % 4) + 2e3 * at,
    )
    assert judge(kept).kind == "python leak"


def test_without_a_number_in_flight_all_are_compared() -> None:
    assert len(at_equal_load(series(30))) == 30


@pytest.mark.parametrize(
    "wrong",
    [
        {"samples": 15},
        {"significance": 0},
        {"significance": 0.5},
        {"growth_bytes": 0},
        {"growth_bytes": math.nan},
        {"confidence": 1},
    ],
)
def test_a_rule_out_of_range_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue):
        LeakRule(**wrong)


def test_the_growth_that_matters_can_be_set() -> None:
    samples = series(rss=line(2e4), blocks=line(2e2), noise=0.05)
    assert judge(samples, LeakRule(growth_bytes=5e6)).kind == "none"
    assert judge(samples, LeakRule(growth_bytes=5e5)).kind == "python leak"


def test_flat_is_flat() -> None:
    verdict = judge(series(noise=0))
    assert verdict.rss is not None
    assert (verdict.rss.shape, verdict.rss.rising_quarters) == ("flat", 0)
    assert verdict.reason == "resident memory did not grow"
