from __future__ import annotations

from perfloop.diagnosis.rules import cache_policy, cache_too_small

from ..caches import cached_run, sample


def test_names_the_policy_that_finds_nearly_as_much_as_more_room() -> None:
    ghosts = {("lru", "1"): 0.0, ("lru", "2"): 0.95, ("lru", "4"): 0.95, ("tinylfu", "1"): 0.8, ("lfu", "1"): 0.1}
    run = cached_run(sample(2000, misses=2000, ghosts=ghosts), loading=1.0)
    (finding,) = cache_policy.RULE.find(run.evidence())
    assert finding.fix == 'policy="tinylfu"'
    assert finding.predicted.p50_ms[1] < 5
    assert cache_too_small.RULE.find(run.evidence()) == []


def test_another_policy_that_finds_hardly_more_is_no_finding() -> None:
    ghosts = {("lru", "1"): 0.8, ("lru", "2"): 0.81, ("tinylfu", "1"): 0.815}
    assert cache_policy.RULE.find(cached_run(sample(2000, misses=2000, ghosts=ghosts), loading=0.2).evidence()) == []
