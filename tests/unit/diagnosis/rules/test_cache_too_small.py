from __future__ import annotations

import pytest

from perfloop.diagnosis.rules import cache_policy, cache_too_small

from ..caches import PLACE, cached_run, sample

GHOSTS = {("lru", "0.5"): 0.1, ("lru", "1"): 0.25, ("lru", "2"): 0.5, ("lru", "4"): 0.98, ("lfu", "1"): 0.26}


def test_names_the_size_and_what_it_finds() -> None:
    run = cached_run(sample(2000, hits=500, misses=1500, ghosts=GHOSTS), loading=0.75)
    (finding,) = cache_too_small.RULE.find(run.evidence())
    assert (finding.place.line, finding.place.file) == (PLACE[1], "orders.py")
    assert finding.fix == "max_entries=400"
    assert "25% of what it is asked for, and would find 98% with 4 times the room" in finding.evidence
    assert finding.predicted.p50_ms[1] < 5  # 31 ms now
    assert cache_policy.RULE.find(run.evidence()) == []


@pytest.mark.parametrize(
    ("ghosts", "loading"),
    [
        ({}, 0.75),
        ({**GHOSTS, ("lru", "2"): 0.26, ("lru", "4"): 0.26}, 0.75),  # more room finds no more
        ({("lru", "1"): 0.98, ("lru", "2"): 0.99, ("lru", "4"): 0.995}, 0.02),  # it is good as it is
        (GHOSTS, 0.0),  # no request waited for it
    ],
)
def test_no_gain_is_no_finding(ghosts: dict[tuple[str, str], float], loading: float) -> None:
    run = cached_run(sample(2000, hits=500, misses=1500, ghosts=ghosts), loading=loading)
    assert cache_too_small.RULE.find(run.evidence()) == []


def test_loads_that_cost_nothing_are_no_finding() -> None:
    run = cached_run(sample(2000, hits=500, misses=1500, ghosts=GHOSTS), loading=0.75, seconds=0.0002)
    assert cache_too_small.RULE.find(run.evidence()) == []
