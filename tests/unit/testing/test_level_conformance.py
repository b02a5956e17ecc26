"""The suite passes what keeps the rules, and catches whoever breaks one."""

from __future__ import annotations

import ast
import asyncio
import inspect
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from perfloop.caching import Lease, LeaseState, MemoryLevel, Stored
from perfloop.caching.effects import run_async
from perfloop.testing import LevelConformance
from perfloop.testing.level_checks import entries, holds, leases, names, tags

from .clocks import MovingClock, Passing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from perfloop.caching.effects import Program


def suite_of(kind: type[MemoryLevel]) -> LevelConformance:
    clock = MovingClock()
    return LevelConformance(lambda _: kind(clock=clock), passing=lambda seconds: Passing(clock, seconds))


@pytest.mark.parametrize("check", LevelConformance.names)
def test_the_level_in_memory(check: str) -> None:
    suite = suite_of(MemoryLevel)
    suite.check(check)
    asyncio.run(run_async(suite.program(check)))


class NoVoidOnDelete(MemoryLevel):
    def _delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._entries.pop(key, None)


class NoVoidOnExpire(MemoryLevel):
    def expire(self, keys: Sequence[str]) -> Program[None]:
        leases = {key: self._leases[key] for key in keys if key in self._leases}
        yield from super().expire(keys)
        self._leases.update(leases)


class NoVoidOnClear(MemoryLevel):
    def clear(self) -> Program[None]:
        leases = dict(self._leases)
        yield from super().clear()
        self._cleared = 0
        self._leases.update(leases)


class ExpireDeletes(MemoryLevel):
    def expire(self, keys: Sequence[str]) -> Program[None]:
        return self.delete(keys)


class TagsOfEntriesOnly(MemoryLevel):
    """Removes what has the tag now, and forgets about what is being loaded."""

    def _remove_tags(self, tags: Sequence[str]) -> None:
        for key in [key for key, entry in self._entries.items() if {*tags} & {*entry.tags}]:
            self._entries.pop(key)


class FillsWithoutLease(MemoryLevel):
    def _fill(self, key: str, stored: Stored, token: str) -> bool:
        self._put(key, stored, self._changes)
        return True


class AnyTokenFills(MemoryLevel):
    def _fill(self, key: str, stored: Stored, token: str) -> bool:
        return super()._fill(key, stored, self._leases[key].token if key in self._leases else token)


class LeaseNeverEnds(MemoryLevel):
    def lease(self, keys: Sequence[str], token: str, seconds: float, **options: Any) -> Program[list[Lease]]:
        return super().lease(keys, token, 1e9, **options)


class EverybodyLoads(MemoryLevel):
    def _lease(self, key: str, token: str, seconds: float, even_if_fresh: bool) -> Lease:
        lease = super()._lease(key, token, seconds, even_if_fresh)
        return Lease(LeaseState.GRANTED, lease.stored) if lease.state is LeaseState.BUSY else lease


class LeaseRenewsItsView(MemoryLevel):
    """Asking again makes an old look-up pass for a new one."""

    def _lease(self, key: str, token: str, seconds: float, even_if_fresh: bool) -> Lease:
        if key in self._leases and self._leases[key].token == token:
            del self._leases[key]
        return super()._lease(key, token, seconds, even_if_fresh)


class NoHolds(MemoryLevel):
    def _is_held(self, key: str, tags: Sequence[str], since: float | None = None) -> bool:
        return False


class HoldsOfKeysOnly(MemoryLevel):
    def _is_held(self, key: str, tags: Sequence[str], since: float | None = None) -> bool:
        return super()._is_held(key, ())


class OneHoldOnly(MemoryLevel):
    """Whoever releases releases for all."""

    def release(self, keys: Sequence[str], tags: Sequence[str], token: str) -> Program[None]:
        yield from super().release(keys, tags, token)
        for key in keys:
            self._held_keys.pop(key, None)


class ReleaseDeletesNothing(MemoryLevel):
    def release(self, keys: Sequence[str], tags: Sequence[str], token: str) -> Program[None]:
        yield from ()
        for held in (*map(self._held_keys.get, keys), *map(self._held_tags.get, tags)):
            if held:
                held.pop(token, None)


class HoldNeverEnds(MemoryLevel):
    def hold(self, keys: Sequence[str], tags: Sequence[str], token: str, seconds: float) -> Program[None]:
        return super().hold(keys, tags, token, 1e9)


class WritesThroughHolds(MemoryLevel):
    def write(self, entries: Mapping[str, Stored]) -> Program[None]:
        yield from self.delete(list(entries))
        for key, stored in entries.items():
            self._put(key, stored, self._changes)


class WritesInOneRequest(MemoryLevel):
    def write(self, entries: Mapping[str, Stored]) -> Program[None]:
        def request() -> None:
            self._delete(list(entries))
            for key, stored in entries.items():
                if not self._is_held(key, stored.tags):
                    self._put(key, stored, self._changes)

        return self._ask(request)


class FillsAsOfNow(MemoryLevel):
    """Takes an entry for as new as its fill, not as its look-up."""

    def _put(self, key: str, stored: Stored, since: int) -> None:
        super()._put(key, stored, self._changes)

    def _removed_since(self, tags: Sequence[str], since: int) -> bool:
        return self._cleared > since or any(self._removed.get(tag, 0) > since for tag in tags[:1])


class AgesOfTheReader(MemoryLevel):
    """Gives back the seconds it was given, whatever time has passed."""

    def _stored(self, key: str) -> Stored | None:
        stored = super()._stored(key)
        return stored and Stored(stored.data, 60.0, 120.0, stored.tags)


class TextKeys(MemoryLevel):
    """Keys by their first 255 characters."""

    def read(self, keys: Sequence[str]) -> Program[list[Stored | None]]:
        return super().read([key[:255] for key in keys])

    def write(self, entries: Mapping[str, Stored]) -> Program[None]:
        return super().write({key[:255]: stored for key, stored in entries.items()})


MUTANTS = [
    each
    for each in list(globals().values())
    if isinstance(each, type) and issubclass(each, MemoryLevel) and each is not MemoryLevel
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_whoever_breaks_a_rule_is_caught(mutant: type[MemoryLevel]) -> None:
    suite = suite_of(mutant)
    caught = []
    for name in suite.names:
        try:
            suite.check(name)
        except AssertionError as error:
            caught.append(error)
    assert caught
    assert all(": expected " in str(error) or "got nothing" in str(error) for error in caught)


class Colliding(MemoryLevel):
    """One store for all namespaces, keys joined by a colon."""

    def __init__(self, namespace: str, store: MemoryLevel) -> None:
        self.__dict__ = store.__dict__
        self._namespace = namespace

    def read(self, keys: Sequence[str]) -> Program[list[Stored | None]]:
        return super().read([f"{self._namespace}:{key}" for key in keys])

    def write(self, entries: Mapping[str, Stored]) -> Program[None]:
        return super().write({f"{self._namespace}:{key}": stored for key, stored in entries.items()})


def test_namespaces_that_collide_are_caught() -> None:
    store = MemoryLevel(clock=MovingClock())
    with pytest.raises(AssertionError, match="read"):
        LevelConformance(lambda namespace: Colliding(namespace, store)).check("names: namespaces do not collide")


@pytest.mark.parametrize("module", [entries, leases, holds, tags, names])
def test_every_check_is_listed(module: Any) -> None:
    functions = [node.name for node in ast.parse(inspect.getsource(module)).body if isinstance(node, ast.FunctionDef)]
    assert functions == [check.__name__ for check in module.CHECKS]


def test_the_suite_needs_no_pytest() -> None:
    program = "import sys, perfloop.testing; sys.exit('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
