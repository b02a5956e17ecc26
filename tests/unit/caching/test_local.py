"""The process' own level against a plain model: a list of all that was ever changed, looked through each time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from perfloop.caching.local import Entry, Fence, LocalLevel
from perfloop.caching.stores import STORES, make_store

from .staged import Time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

KEYS, TAGS, TOKENS = "ab", "tu", ("one", "two")
keys = st.lists(st.sampled_from(KEYS), max_size=2, unique=True)
tags = st.lists(st.sampled_from(TAGS), max_size=2, unique=True)
seconds = st.sampled_from([1.0, 5.0, 20.0])


@dataclass
class Change:
    """What was removed; all of it if `everything`."""

    keys: Iterable[str] = ()
    tags: Iterable[str] = ()
    everything: bool = False

    def concerns(self, key: str, tags: Iterable[str]) -> bool:
        return self.everything or key in self.keys or bool(set(self.tags) & set(tags))


@dataclass
class Hold:
    keys: list[str]
    tags: list[str]
    token: str
    until: float

    def concerns(self, key: str, tags: Iterable[str]) -> bool:
        return key in self.keys or bool(set(self.tags) & set(tags))


@dataclass
class LookUp:
    key: str
    fence: Fence
    began: int
    """How many changes there had been."""
    holds: list[Hold]
    """That lasted then."""


@dataclass
class Model:
    changes: list[Change] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)

    def change(self, change: Change) -> None:
        self.changes.append(change)
        for key, entry in list(self.entries.items()):
            if change.concerns(key, entry.tags):
                del self.entries[key]

    def may_keep(self, look_up: LookUp, tags: Iterable[str], now: float) -> bool:
        since = self.changes[look_up.began :]
        holds = [*look_up.holds, *(hold for hold in self.holds if hold.until > now)]
        return not any(each.concerns(look_up.key, tags) for each in [*since, *holds])


class AgainstModel(RuleBasedStateMachine):
    @initialize(policy=st.sampled_from(sorted(STORES)), most=st.integers(1, 3), weight=st.none() | st.integers(3, 20))
    def begin_all(self, policy: str, most: int, weight: int | None) -> None:
        self.time, self.model, self.most, self.weight = Time(), Model(), most, weight
        self.local = LocalLevel(make_store(policy, max_entries=most, max_weight=weight), clock=self.time)
        self.look_ups: list[LookUp] = []
        self.given = 0

    @rule(key=st.sampled_from(KEYS))
    def begin(self, key: str) -> None:
        now = self.time.now()
        holds = [hold for hold in self.model.holds if hold.until > now]
        self.look_ups.append(LookUp(key, self.local.begin(key), len(self.model.changes), holds))

    @rule(which=st.integers(0, 2), tags=tags, ttl=seconds, weight=st.integers(1, 25), ends=st.booleans())
    def keep(self, which: int, tags: list[str], ttl: float, weight: int, ends: bool) -> None:
        if not self.look_ups:
            return
        look_up = self.look_ups[which % len(self.look_ups)]
        until = self.time.now() + ttl
        entry = Entry(object(), until, until, until + ttl, tuple(tags), weight)
        expected = self.model.may_keep(look_up, tags, self.time.now())
        kept = self.local.keep(look_up.fence, entry)
        if expected:
            self.model.entries[look_up.key] = entry
            self.forget_evicted(entry)
        too_heavy = self.weight is not None and weight > self.weight
        assert kept == (look_up.key in self.model.entries and self.model.entries[look_up.key] is entry)
        assert not (too_heavy and kept)
        if ends:
            self.end(which)

    def forget_evicted(self, new: Entry) -> None:
        """What had to go is the store's choice; that anything had to is not."""
        had = dict(self.model.entries)
        there = dict(self.local.store.items())
        gone = [key for key in had if key not in there]
        for key in gone:
            del self.model.entries[key]
        if gone:
            room = len(had) <= self.most and (
                self.weight is None or sum(entry.weight for entry in had.values()) <= self.weight
            )
            assert not room

    @rule(which=st.integers(0, 2))
    def end(self, which: int) -> None:
        if self.look_ups:
            look_up = self.look_ups.pop(which % len(self.look_ups))
            self.local.end(look_up.fence)
            until = self.time.now() + 1
            assert not self.local.keep(look_up.fence, Entry("late", until, until, until))

    @rule(key=st.sampled_from(KEYS))
    def read(self, key: str) -> None:
        found = self.local.store.get(key)
        assert found is self.model.entries.get(key)
        if found is not None and found.deadline > self.time.now():
            found.hits += 1
            self.given += 1

    @rule(key=st.sampled_from(KEYS), tags=tags, ttl=seconds, there=st.booleans())
    def replace(self, key: str, tags: list[str], ttl: float, there: bool) -> None:
        until = self.time.now() + ttl
        entry = Entry(object(), until, until, until, tuple(tags)) if there else None
        self.local.replace(key, entry)
        self.model.change(Change([key]))
        now = self.time.now()
        held = any(hold.concerns(key, tags) for hold in self.model.holds if hold.until > now)
        if entry is not None and not held:
            self.model.entries[key] = entry
            self.forget_evicted(entry)

    @rule(keys=keys)
    def delete(self, keys: list[str]) -> None:
        self.local.delete(keys)
        self.model.change(Change(keys))

    @rule(keys=keys)
    def expire(self, keys: list[str]) -> None:
        kept = {key: self.model.entries[key] for key in keys if key in self.model.entries}
        self.local.expire(keys)
        self.model.change(Change(keys))
        self.model.entries |= kept
        assert all(entry.deadline <= self.time.now() for entry in kept.values())
        assert all(entry.fresh_until <= self.time.now() for entry in kept.values())

    @rule(tags=tags)
    def remove_tags(self, tags: list[str]) -> None:
        self.local.remove_tags(tags)
        self.model.change(Change(tags=tags))

    @rule()
    def clear(self) -> None:
        self.local.clear()
        self.model.change(Change(everything=True))

    @rule(key=st.sampled_from(KEYS))
    def be_deaf_for_a_moment(self, key: str) -> None:
        self.local.listen(heard=False)
        fence, until = self.local.begin(key), self.time.now() + 60
        assert not self.local.keep(fence, Entry("unheard", until, until, until))
        self.local.listen(heard=True)
        assert not self.local.keep(fence, Entry("unheard", until, until, until))
        self.local.end(fence)
        self.model.change(Change(everything=True))

    @rule(keys=keys, tags=tags, token=st.sampled_from(TOKENS), seconds=seconds)
    def hold(self, keys: list[str], tags: list[str], token: str, seconds: float) -> None:
        self.local.hold(keys, tags, token, seconds)
        self.let_go(keys, tags, token)
        self.model.holds.append(Hold(keys, tags, token, self.time.now() + seconds))
        self.model.change(Change(keys, tags))

    @rule(keys=keys, tags=tags, token=st.sampled_from(TOKENS))
    def release(self, keys: list[str], tags: list[str], token: str) -> None:
        self.local.release(keys, tags, token)
        self.let_go(keys, tags, token)
        self.model.change(Change(keys, tags))

    def let_go(self, keys: list[str], tags: list[str], token: str) -> None:
        for each in self.model.holds:
            if each.token == token:
                each.keys = [key for key in each.keys if key not in keys]
                each.tags = [tag for tag in each.tags if tag not in tags]

    @rule(seconds=seconds)
    def wait(self, seconds: float) -> None:
        self.time.seconds += seconds

    @rule(key=st.sampled_from(KEYS), tags=tags, by_tag=st.booleans())
    def outlive_a_hold(self, key: str, tags: list[str], by_tag: bool) -> None:
        """Somebody who held it died, and what was looked up until then may be old."""
        self.hold([] if by_tag else [key], tags if by_tag else [], "dead", 1.0)
        self.begin(key)
        self.wait(2.0)

    @invariant()
    def holds_what_the_model_holds_within_its_bounds(self) -> None:
        if not hasattr(self, "local"):
            return
        there = dict(self.local.store.items())
        assert there == self.model.entries
        assert len(there) <= self.most
        assert self.weight is None or sum(entry.weight for entry in there.values()) <= self.weight
        assert self.local.hits() == self.given

    @invariant()
    def leaves_nothing_behind(self) -> None:
        if not hasattr(self, "local"):
            return
        tagged = {tag: {key for key, entry in self.model.entries.items() if tag in entry.tags} for tag in TAGS}
        assert self.local._tagged == {tag: keys for tag, keys in tagged.items() if keys}
        fences: dict[str, set[Fence]] = {}
        for look_up in self.look_ups:
            fences.setdefault(look_up.key, set()).add(look_up.fence)
        assert self.local._fences == fences


TestAgainstModel = AgainstModel.TestCase
TestAgainstModel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def forget(*parts: str) -> Callable[[LocalLevel, Fence, Entry], bool]:
    """`keep` as it would be if fences did not have these parts."""
    keep = LocalLevel.keep

    def forgetful(local: LocalLevel, fence: Fence, entry: Entry) -> bool:
        for part in parts:
            setattr(fence, part, type(getattr(fence, part))())
        return keep(local, fence, entry)

    return forgetful


@pytest.mark.parametrize(
    ("part", "happens"),
    [
        ("void", lambda machine: machine.begin("a") or machine.delete(["a"])),
        ("void", lambda machine: machine.begin("a") or machine.expire(["a"])),
        ("void", lambda machine: machine.begin("a") or machine.clear()),
        ("removed_tags", lambda machine: machine.begin("a") or machine.remove_tags(["t"])),
        ("held", lambda machine: machine.outlive_a_hold("a", [], by_tag=False)),
        ("held_tags", lambda machine: machine.outlive_a_hold("a", ["t"], by_tag=True)),
    ],
)
def test_the_model_misses_each_part_of_a_fence(
    monkeypatch: pytest.MonkeyPatch, part: str, happens: Callable[[AgainstModel], None]
) -> None:
    def play() -> None:
        machine = AgainstModel()
        machine.begin_all(policy="lru", most=3, weight=None)
        happens(machine)
        machine.keep(which=0, tags=["t"], ttl=5.0, weight=1, ends=False)

    play()
    monkeypatch.setattr(LocalLevel, "keep", forget(part))
    with pytest.raises(AssertionError):
        play()
