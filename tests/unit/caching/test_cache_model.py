"""Two processes over any levels against a dictionary: what is found, loaded and stale is exactly what it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from perfloop.caching import EntryOptions, MemoryLevel, MultiLevelCache

from .staged import Party, Time

if TYPE_CHECKING:
    from collections.abc import Iterable

KEYS, TAGS = ("a1", "a2", "b1"), ("a", "b")
OPTIONS = EntryOptions(
    ttl=10, jitter=0, stale_on_error=20, retry_after=0, tags=lambda value: [] if value is None else [value[0]]
)
process, key = st.integers(0, 1), st.sampled_from(KEYS)
keys = st.lists(key, min_size=1, max_size=3)


class SourceDown(Exception):
    pass


@dataclass
class Kept:
    value: str | None
    fresh_until: float
    kept_until: float


class AgainstDictionary(RuleBasedStateMachine):
    @initialize(levels=st.integers(0, 2), copies=st.booleans(), policy=st.sampled_from(["tinylfu", "lru", "lfu"]))
    def begin(self, levels: int, copies: bool, policy: str) -> None:
        self.time = Time()
        shared = [MemoryLevel(str(number), clock=self.time) for number in range(levels)]
        lines: list[Party] = []
        kind: Any = str if not copies else str | list[int]  # of the latter each reader gets a copy
        self.caches: list[MultiLevelCache[str, Any]] = [
            MultiLevelCache(
                kind, levels=shared, backplane=Party(lines), clock=self.time, options=OPTIONS, policy=policy
            )
            for _ in range(2)
        ]
        for cache in self.caches:
            assert cache.get("a1") is None  # from now on it hears the other
        # Without a level in common each process has its own.
        mine: dict[str, Kept] = {}
        self.kept = [mine, mine if levels else {}]
        self.rows: dict[str, str | None] = {key: f"{key[0]} at first" for key in KEYS}
        self.changes = 0

    def loaded(self, process: int, key: str) -> None:
        now = self.time.now()
        self.kept[process][key] = Kept(self.rows[key], now + 10, now + 30)

    def fresh(self, process: int, keys: Iterable[str]) -> dict[str, str | None]:
        found = {key: self.kept[process].get(key) for key in keys}
        return {key: each.value for key, each in found.items() if each and each.fresh_until > self.time.now()}

    def forget(self, keys: Iterable[str]) -> None:
        for kept in self.kept:
            for key in keys:
                kept.pop(key, None)

    @rule(process=process, keys=keys)
    def get(self, process: int, keys: list[str]) -> None:
        expected = self.fresh(process, keys)
        assert self.caches[process].get_many(keys) == expected
        assert self.caches[process].get(keys[0], "nothing") == expected.get(keys[0], "nothing")

    @rule(process=process, keys=keys)
    def get_or_load(self, process: int, keys: list[str]) -> None:
        fresh, asked = self.fresh(process, keys), list[str]()

        def load(missing: list[str]) -> dict[str, str | None]:
            asked.extend(missing)
            return {key: self.rows[key] for key in missing}

        found = self.caches[process].get_or_load_many(keys, load)
        missing = [key for key in dict.fromkeys(keys) if key not in fresh]
        assert asked == missing
        for key in missing:
            self.loaded(process, key)
        assert found == self.fresh(process, keys)

    @rule(process=process, key=key)
    def get_while_the_source_is_down(self, process: int, key: str) -> None:
        def fail() -> str:
            raise SourceDown

        kept = self.kept[process].get(key)
        if kept is not None and min(kept.kept_until, kept.fresh_until + 20) > self.time.now():
            assert self.caches[process].get_or_load(key, fail) == kept.value
        else:
            with pytest.raises(SourceDown):
                self.caches[process].get_or_load(key, fail)

    @rule(process=process, key=key)
    def set(self, process: int, key: str) -> None:
        self.change(key)
        self.caches[process].set(key, self.rows[key])
        self.forget([key])
        self.loaded(process, key)

    @rule(process=process, keys=keys)
    def delete(self, process: int, keys: list[str]) -> None:
        self.change(*keys)
        self.caches[process].delete(*keys)
        self.forget(keys)

    @rule(process=process, tag=st.sampled_from(TAGS))
    def remove_tags(self, process: int, tag: str) -> None:
        having = [key for key in KEYS if key[0] == tag]
        for kept in self.kept:
            for key in having:
                if key in kept and kept[key].value is not None:
                    del kept[key]
        self.caches[process].remove_tags(tag)

    @rule(process=process)
    def clear(self, process: int) -> None:
        self.change(*KEYS)
        self.caches[process].clear()
        self.forget(KEYS)

    @rule(process=process, key=key)
    def expire(self, process: int, key: str) -> None:
        self.change(key)
        self.caches[process].expire(key)
        for kept in self.kept:
            if key in kept:
                kept[key].fresh_until = min(kept[key].fresh_until, self.time.now())

    @rule(process=process, key=key, other=process)
    def write(self, process: int, key: str, other: int) -> None:
        with self.caches[process].writing(key):
            assert self.caches[other].get_or_load(key, lambda: self.rows[key]) == self.rows[key]
            self.change(key)
            assert self.caches[other].get_or_load(key, lambda: self.rows[key]) == self.rows[key]
        self.forget([key])

    def change(self, *keys: str) -> None:
        """The source."""
        for key in keys:
            self.changes += 1
            self.rows[key] = None if self.changes % 4 == 0 else f"{key[0]} {self.changes}"

    @rule(seconds=st.sampled_from([1.0, 9.0, 25.0]))
    def wait(self, seconds: float) -> None:
        self.time.seconds += seconds

    @invariant()
    def nothing_is_under_way(self) -> None:
        for cache in getattr(self, "caches", []):
            assert not cache._local._fences
            assert not len(cache._core.flights)
            assert cache._core.limit.running == 0


TestAgainstDictionary = AgainstDictionary.TestCase
TestAgainstDictionary.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
