"""Which policies that repeat calls were entered from within which: found as it happens, in the context of the call.

Setting a context variable costs a tenth of a whole policy, so not every call shows where it is.
"""

from __future__ import annotations

import itertools
import weakref
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .part import Part

__all__ = ["INSIDE", "Nesting"]


_FIRST, _THEN = 1000, 64
"""So many attempts show where they are, and then one of so many."""


class Nesting:
    """The place of one policy among those entered from each other."""

    __slots__ = ("__weakref__", "_owner", "inner", "shows")

    def __init__(self, owner: Part) -> None:
        self._owner = weakref.ref(owner)
        self.inner: weakref.WeakSet[Part] = weakref.WeakSet()
        """The policies that were entered from within this one."""

        self.shows = itertools.chain(itertools.repeat(True, _FIRST), itertools.cycle([True, *[False] * (_THEN - 1)]))
        """Whether the next attempt shows that it is inside this policy."""

    def entered_from(self, outer: Nesting) -> None:
        """An attempt of this policy begins inside one of another."""
        owner = self._owner()
        if owner is not None and owner not in outer.inner:
            outer.inner.add(owner)


INSIDE: ContextVar[Nesting | None] = ContextVar("perfloop_resilience_inside", default=None)
"""The nearest policy that repeats calls, whose attempt this is."""
