"""What every check has at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...caching import Lease, LeaseState, Level, Stored

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...caching.effects import Effect, Program

__all__ = ["LONG", "SHORT", "Scene", "expect", "value"]

LONG = 60.0
"""Seconds that do not end while a check runs."""
SHORT = 0.1
"""Seconds that are waited for."""
_LONGEST = 200


def value(data: bytes = b"value", *tags: str, fresh: float = LONG, kept: float = 2 * LONG) -> Stored:
    """An entry, fresh for a long time."""
    return Stored(data, fresh, kept, tags)


def expect(rule: str, got: object, wanted: object) -> None:
    """Say what rule is broken unless the two are equal."""
    if got != wanted:
        raise AssertionError(f"{rule}: expected {repr(wanted)[:_LONGEST]}, got {repr(got)[:_LONGEST]}")


class Scene:
    """A level on a namespace of its own, and short words for what checks do with it."""

    def __init__(self, make_level: Callable[[str], Level], passing: Callable[[float], Effect], namespace: str) -> None:
        self._make_level = make_level
        self._passing = passing
        self._namespace = namespace
        self.level = make_level(namespace)

    def other(self, name: str) -> Scene:
        """The same store, another namespace."""
        return Scene(self._make_level, self._passing, self._namespace + name)

    def passes(self, seconds: float) -> Program[None]:
        yield self._passing(seconds)

    def data(self, *keys: str) -> Program[list[bytes | None]]:
        """The values there are."""
        return [None if stored is None else stored.data for stored in (yield from self.level.read(keys))]

    def one(self, key: str) -> Program[Stored]:
        """An entry that must be there."""
        [stored] = yield from self.level.read([key])
        if stored is None:
            raise AssertionError(f"Expected what was put in under {key!r}, got nothing")
        return stored

    def ask(self, key: str, token: str, *, even_if_fresh: bool = False, seconds: float = LONG) -> Program[LeaseState]:
        """What becomes of asking for a lease."""
        [lease] = yield from self.level.lease([key], token, seconds, even_if_fresh=even_if_fresh)
        return lease.state

    def asked(self, key: str, token: str, **options: Any) -> Program[None]:
        """Ask for a lease, which must be granted."""
        expect(f"lease of {key!r}", (yield from self.ask(key, token, **options)), LeaseState.GRANTED)

    def lease(self, key: str, token: str) -> Program[Lease]:
        [lease] = yield from self.level.lease([key], token, LONG)
        return lease

    def fill(self, key: str, token: str, stored: Stored) -> Program[bool]:
        """Whether a value was taken."""
        [taken] = yield from self.level.fill({key: stored}, token)
        return taken
