"""What the page and the terminal say of caches."""

from __future__ import annotations

import pytest

from perfloop.monitoring.live import CacheState
from perfloop.reporting.caches import cache_rows, size_words, trouble_words
from perfloop.telemetry.caches import CacheAbout, CacheFigures, Counts, figures_of

ABOUT = CacheAbout(name="users", policy="lru", levels=["process", "redis"], keys=["user:{user_id}"])
COUNTS: Counts = {
    "entries": {("users",): 90},
    "entries.limit": {("users",): 100},
    "size": {("users",): 2e6},
    "hits": {("users", "process"): 6000, ("users", "redis"): 1000},
    "misses": {("users", "process"): 4000, ("users", "redis"): 3000},
    "lookup.seconds": {("users", "redis"): 20.0},
    "loads": {("users",): 3000},
    "load.seconds": {("users",): 30.0},
}


def cache(counts: Counts | None = None, about: CacheAbout = ABOUT) -> CacheFigures:
    (figures,) = figures_of({**COUNTS, **(counts or {})}, [about])
    return figures


def ghosts(lookups: float = 1000, **found: float) -> Counts:
    """Found by `lru_1`, `lru_2`, … of so many look-ups."""
    series = {("users", *name.replace("half", "0.5").split("_")): ratio for name, ratio in found.items()}
    return {
        "ghost.hits": {labels: ratio * lookups for labels, ratio in series.items()},
        "ghost.lookups": dict.fromkeys(series, lookups),
    }


def test_a_cache_and_its_levels_as_rows() -> None:
    state = CacheState(seconds=60, late=cache(), whole=cache())
    whole, process, redis = cache_rows(state)
    assert (whole["found"], whole["found_note"], whole["lookups"]) == ("70 %", "", "167/s")
    assert (whole["loads"], whole["loads_note"]) == ("50/s", "10 ms each")
    assert (whole["kept"], whole["kept_note"]) == ("90", "of 100, 2 MB")
    assert (whole["saved"], whole["saved_note"]) == ("1.17 s/s", "30 s per MB in all")
    assert (whole["verdict"], whole["tone"], whole["keys"]) == ("loses", "bad", "user:{user_id}")
    assert (process["verdict"], process["level"]) == ("pays", True)
    assert (redis["verdict"], redis["lookups_note"]) == ("loses", "5 ms each")
    assert redis["notes"] == ["20 s to look up, 10 s saved in all"]


def test_a_cache_of_one_level_is_one_row() -> None:
    alone = cache(about=CacheAbout(name="users", levels=["process"]))
    alone.levels[1:] = []
    assert len(cache_rows(CacheState(seconds=60, late=alone, whole=alone))) == 1


def test_a_cache_that_never_found_anything_says_why_it_loses() -> None:
    nothing = dict.fromkeys(COUNTS["hits"], 0.0)
    never = cache({"hits": nothing, "unread": {("users",): 2900}})
    row = cache_rows(CacheState(seconds=60, late=never, whole=never))[0]
    assert row["verdict"] == "loses"
    assert row["notes"] == ["nothing was ever found: is a part of the key different in every call?"]
    sometimes = cache({"unread": {("users",): 2900}})
    assert "nothing" not in str(cache_rows(CacheState(seconds=60, late=sometimes, whole=sometimes))[0]["notes"])


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({}, ""),
        (ghosts(500, lru_1=0.5, lru_2=0.9), "other sizes: too early to say"),
        (ghosts(lru_half=0.5, lru_1=0.71, lru_2=0.84, lru_4=0.86), "twice the size: 71 % → 84 %"),
        (ghosts(lru_half=0.5, lru_1=0.3, lru_2=0.4, lru_4=0.9), "four times the size: 30 % → 90 %"),
        (ghosts(lru_half=0.5, lru_1=0.71, lru_2=0.84, lfu_1=0.82), "policy lfu: 71 % → 82 %"),
        (ghosts(lru_half=0.709, lru_1=0.71, lru_2=0.72), "half the size would do: 71 % → 71 %"),
        (ghosts(lru_half=0.6, lru_1=0.71, lru_2=0.72, lfu_1=0.7), "its size is right"),
    ],
)
def test_what_other_sizes_and_policies_would_find(counts: Counts, words: str) -> None:
    assert size_words(cache(counts)) == words


def test_a_level_that_fails_says_so() -> None:
    failing = cache(
        {
            "level.failing": {("users", "redis"): 1},
            "level.missed_changes": {("users", "redis"): 3},
            "failures": {("users", "redis"): 7},
        }
    )
    redis = cache_rows(CacheState(seconds=60, late=failing, whole=failing))[2]
    assert (redis["verdict"], redis["tone"]) == ("fails", "bad")
    assert redis["notes"][:3] == ["left alone for a while", "3 changes it has missed, to be told first", "7 failures"]
    assert trouble_words(failing) == [
        "redis: left alone for a while",
        "redis: 3 changes it has missed, to be told first",
    ]


def test_a_level_that_has_never_answered() -> None:
    never = cache({"hits": {}, "misses": {("users", "process"): 1}, "failures": {("users", "redis"): 1}})
    redis = cache_rows(CacheState(seconds=60, late=never, whole=never))[2]
    assert (redis["found"], redis["lookups"], redis["lookups_note"]) == ("–", "0/s", "")


def test_keys_that_are_to_be_told_are_shown_and_harmless() -> None:
    about = CacheAbout(name="users", levels=["process"], keys=["str"], sampled=20, dearest_share=0.62)
    assert cache_rows(CacheState(seconds=1, late=cache(about=about), whole=cache(about=about)))[0]["keys"] == (
        "str · the ten dearest took 62 % of loading"
    )
    told = CacheAbout(name="users", levels=["process"], keys=["str"], dearest=[("a\x1b[31mb", 2.0)])
    assert cache_rows(CacheState(seconds=1, late=cache(about=told), whole=cache(about=told)))[0]["keys"] == (
        "str · a\ufffd[31mb 2 s"
    )
