"""Pools and limits that parts have to fit: told by whoever has them, since no policy can see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...exceptions import InvalidValue
from ..part import Part, maker
from ..settings import count, positive

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Pool", "SharedLimit", "known_limits", "known_pools", "register_limit", "register_pool"]


@dataclass(frozen=True, slots=True)
class Pool:
    """Connections or threads of this process."""

    name: str
    size: int
    guards: tuple[Part, ...]
    made_at: str


@dataclass(frozen=True, slots=True)
class SharedLimit:
    """What all processes together may have."""

    name: str
    most: float
    """Connections or calls at one time, or calls a second."""
    of: tuple[Part | Pool, ...]
    made_at: str


_pools: dict[str, Pool] = {}
_limits: dict[str, SharedLimit] = {}


def register_pool(name: str, *, size: int, guards: Iterable[Part] = ()) -> Pool:
    """Tell `check` of a pool, such as that of an engine. Parts and policies of the same name are taken for its guards.

    A pool of a name that is known takes that one's place.

    Args:
        name: of the pool.
        size: the most connections or threads it gives out at one time, in one process.
        guards: bulkheads, or policies with one, through which all its users come.

    Raises:
        InvalidValue: a size below 1, or a guard that is no part.
    """
    parts = _parts(guards, "guards")
    pool = _pools[name] = Pool(name, count(size, "size"), parts, maker())
    return pool


def register_limit(name: str, *, most: float, of: Iterable[Part | Pool]) -> SharedLimit:
    """Tell `check` what all processes together may have: connections of a server, calls a second of an interface.

    Args:
        name: of who limits.
        most: calls or connections at one time, or calls a second.
        of: what counts for it: bulkheads and pools, or rate limiters.

    Raises:
        InvalidValue: a limit of 0 or less, or something else than parts and pools.
    """
    counted = tuple(of)
    if not counted or not all(isinstance(each, Part | Pool) for each in counted):
        raise InvalidValue("Expected parts and pools", got=counted, where="of")
    limit = _limits[name] = SharedLimit(name, positive(most, "most"), counted, maker())
    return limit


def known_pools() -> list[Pool]:
    """Those that were told of, by name."""
    return sorted(_pools.values(), key=lambda pool: pool.name)


def known_limits() -> list[SharedLimit]:
    """Those that were told of, by name."""
    return sorted(_limits.values(), key=lambda limit: limit.name)


def _parts(parts: Iterable[Part], where: str) -> tuple[Part, ...]:
    found = tuple(parts)
    if not all(isinstance(each, Part) for each in found):
        raise InvalidValue("Expected parts and policies", got=found, where=where)
    return found
