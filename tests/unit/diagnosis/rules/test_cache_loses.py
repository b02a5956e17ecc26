from __future__ import annotations

from perfloop.diagnosis.rules import cache_loses

from ..caches import PLACE, cached_run, sample
from ..synthetic import MS


def test_names_the_level_that_takes_longer_than_it_saves() -> None:
    last = sample(2000, misses=2000, far=(20, 1980, 16.0), load_seconds=0.1 * MS)
    (finding,) = cache_loses.RULE.find(cached_run(last, loading=1.0, seconds=8 * MS, keys=0).evidence())
    assert finding.place.line == PLACE[1]
    assert finding.fix == "leave the level far out of the cache prices"
    assert "2,000 look-ups of 8 ms took 16 s; it found 1.0%, which saved 2 ms" in finding.evidence
    assert finding.predicted.p50_ms[1] < 3


def test_a_level_that_pays_is_no_finding() -> None:
    last = sample(2000, misses=2000, far=(1500, 500, 16.0))
    assert cache_loses.RULE.find(cached_run(last, loading=1.0, seconds=8 * MS, keys=0).evidence()) == []


def test_what_was_counted_before_the_run_is_not_of_it() -> None:
    """It lost while it was empty, in the warm-up; in the run it pays."""
    before = sample(900, misses=5000, far=(0, 5000, 200.0), load_seconds=0.1 * MS)
    last = sample(2000, misses=7000, far=(1900, 5100, 200.5), load_seconds=20 * MS)
    run = cached_run(last, loading=1.0, seconds=8 * MS, keys=0, before=before)
    assert cache_loses.RULE.find(run.evidence()) == []
