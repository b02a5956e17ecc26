"""What somebody was not told of, until he is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from .backplane import Invalidation
    from .effects import Program
    from .levels import Level

__all__ = ["Missed"]

_MOST_MISSED = 10_000


class _Hold(msgspec.Struct, frozen=True):
    keys: tuple[str, ...]
    tags: tuple[str, ...]
    until: float


class Missed:
    """Changes a level was not told of, and holds that may last. Too many changes are one: everything is out of date.

    Args:
        most: keys and tags.
    """

    def __init__(self, most: int = _MOST_MISSED) -> None:
        self._most = most
        self.keys: set[str] = set()
        self.tags: set[str] = set()
        self.everything = False
        self.holds: dict[str, _Hold] = {}

    def __bool__(self) -> bool:
        return self.everything or bool(self.keys) or bool(self.tags)

    def add(self, change: Invalidation, now: float) -> None:
        """Note a change; its hold, too."""
        if change.held_for:
            self.holds[change.holder] = _Hold(change.keys, change.tags, now + change.held_for)
        else:
            self.holds.pop(change.holder, None)
        self._note({*change.keys, *change.expired}, set(change.tags), everything=change.all)

    def merge(self, other: Missed) -> None:
        """Note what another one has noted before."""
        self.holds = {**other.holds, **self.holds}
        self._note(other.keys, other.tags, everything=other.everything)

    def _note(self, keys: set[str], tags: set[str], *, everything: bool) -> None:
        self.keys |= keys
        self.tags |= tags
        if everything or len(self.keys) + len(self.tags) > self._most:
            self.everything = True
        if self.everything:
            self.keys, self.tags = set(), set()

    def tell(self, level: Level) -> Program[None]:
        """Tell a level of the changes."""
        if self.everything:
            yield from level.clear()
        if self.keys:
            yield from level.delete(sorted(self.keys))
        if self.tags:
            yield from level.remove_tags(sorted(self.tags))

    def hold(self, level: Level, now: float) -> Program[None]:
        """Have a level hold what is still held: who does may have died since he changed it, and would not tell."""
        for token, each in list(self.holds.items()):
            if each.until > now:
                yield from level.hold(each.keys, each.tags, token, each.until - now)
