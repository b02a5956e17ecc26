"""Which policies that repeat calls were entered from within which: found as it happens, in the context of the call."""

from __future__ import annotations

import weakref
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .part import Part

__all__ = ["Nesting", "leave"]

_inside: ContextVar[Nesting | None] = ContextVar("perfloop_resilience_inside", default=None)


class Nesting:
    """The place of one policy among those entered from each other."""

    __slots__ = ("__weakref__", "_owner", "inner")

    def __init__(self, owner: Part) -> None:
        self._owner = weakref.ref(owner)
        self.inner: weakref.WeakSet[Part] = weakref.WeakSet()
        """The policies that were entered from within this one."""

    def enter(self) -> Token[Nesting | None]:
        """An attempt begins here."""
        outer = _inside.get()
        if outer is not None:
            owner = self._owner()
            if owner is not None and owner not in outer.inner:
                outer.inner.add(owner)
        return _inside.set(self)


def leave(token: Token[Nesting | None]) -> None:
    """The attempt has ended."""
    try:
        _inside.reset(token)
    except ValueError:
        pass  # a coroutine that was never finished is closed in the context of whoever drops it
