"""The hit path: what is fresh in this process is given at once, without a lock and without a further call."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from .keys import not_hashable

if TYPE_CHECKING:
    from collections.abc import Callable

    from .local import Entry

__all__ = ["HasHits", "hit_or", "hit_or_await"]

M = TypeVar("M", bound="Callable[..., Any]")


class HasHits(Protocol):
    """What a hit needs of whoever is asked."""

    _find: Callable[[Any], Entry | None]
    """The entry of a key."""
    _given: Callable[[Entry], Any]
    """A reader's own copy of an entry's value."""
    _shareable: bool
    """Whether all readers get the value itself instead."""
    _now: Callable[[], float]


def hit_or(miss: M) -> M:
    """A method of a key, which is called only if there is no fresh entry in this process."""

    @functools.wraps(miss)
    def method(self: HasHits, key: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            entry = self._find(key)
        except TypeError as error:
            raise not_hashable(key) from error
        if entry is not None and entry.deadline > self._now():
            entry.hits += 1
            return entry.value if self._shareable else self._given(entry)
        return miss(self, key, *args, **kwargs)

    return method  # type: ignore[return-value]


def hit_or_await(miss: M) -> M:
    """As `hit_or`, of a coroutine function."""

    @functools.wraps(miss)
    async def method(self: HasHits, key: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            entry = self._find(key)
        except TypeError as error:
            raise not_hashable(key) from error
        if entry is not None and entry.deadline > self._now():
            entry.hits += 1
            return entry.value if self._shareable else self._given(entry)
        return await miss(self, key, *args, **kwargs)

    return method  # type: ignore[return-value]
