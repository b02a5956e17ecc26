"""How long an entry is good for, and what happens when loading it is slow or fails: decided per entry."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from ..exceptions import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["EntryOptions", "Lifetime", "lifetime", "refresh_early"]


class EntryOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The policies of an entry. All times in seconds.

    Raises:
        InvalidValue: a negative time or one that is no number, a TTL that is not positive, a jitter outside 0 to 1,
            tags that are one text.
    """

    ttl: float | Callable[[Any], float] = 60.0
    """For how long it is fresh; a function is given the loaded value."""
    jitter: float = 0.1
    """The share of the TTL that is taken away at most, at random, so that what was loaded together does not end so."""
    stale_while_revalidate: float = 0.0
    """For how long after its TTL it is still given at once, while it is loaded anew in the background."""
    stale_on_error: float = 0.0
    """For how long after its TTL it is given if loading fails or takes longer than the soft timeout."""
    retry_after: float = 1.0
    """After a load that failed: for how long the stale value is given before the loader is called again."""
    soft_timeout: float | None = None
    """How long a caller waits for the loader while there is a stale value to give instead. The loader goes on."""
    hard_timeout: float | None = None
    """How long a caller waits for the loader at most; then `LoadTimedOut`. The loader goes on."""
    refresh_early: float = 0.0
    """β of XFetch: how eagerly it is loaded anew before its TTL ends, in proportion to how long the load took.
    0: not at all; 1: as the paper advises."""
    negative_ttl: float | None = None
    """The TTL of a loaded None; as any other value's unless given."""
    local_ttl: float | None = None
    """For how long the process' own level may answer alone; as long as it is fresh unless given."""
    tags: tuple[str, ...] | Callable[[Any], Iterable[str]] = ()
    """By which it can be removed together with others; a function is given the loaded value."""

    def __post_init__(self) -> None:
        if isinstance(self.tags, str):
            raise InvalidValue("Expected tags in a tuple", got=self.tags, hint=f"write  tags=({self.tags!r},)")
        for name in ("ttl", "jitter", *_TIMES):
            value = getattr(self, name)
            if not (isinstance(value, (int, float)) or (name == "ttl" and callable(value)) or _may_miss(name, value)):
                raise InvalidValue(f"Expected a number for {name}, got a {type(value).__name__}", got=value, hint=_HINT)
        if not callable(self.ttl) and not self.ttl > 0:
            raise InvalidValue("Expected a ttl above 0 seconds", got=self.ttl)
        if not 0 <= self.jitter <= 1:
            raise InvalidValue("Expected a jitter from 0 to 1, a share of the ttl", got=self.jitter)
        for name in _TIMES:
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise InvalidValue(f"Expected a {name} of 0 or more", got=value)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float))


def _may_miss(name: str, value: object) -> bool:
    return value is None and name in ("soft_timeout", "hard_timeout", "negative_ttl", "local_ttl")


_HINT = "times are in seconds; a timedelta's are its total_seconds()"
_TIMES = (
    "stale_while_revalidate",
    "stale_on_error",
    "retry_after",
    "soft_timeout",
    "hard_timeout",
    "refresh_early",
    "negative_ttl",
    "local_ttl",
)


class Lifetime(msgspec.Struct, frozen=True):
    """Seconds from now."""

    fresh: float
    kept: float


def lifetime(options: EntryOptions, value: object, drawn: float) -> Lifetime:
    """How long a value that was loaded just now is fresh and kept.

    Args:
        drawn: a random number from 0 to 1, for the jitter.

    Raises:
        InvalidValue: the function given as ttl returned something that is no number of 0 or more.
    """
    if value is None and options.negative_ttl is not None:
        ttl = options.negative_ttl
    else:
        ttl = options.ttl(value) if callable(options.ttl) else options.ttl
    if not (_is_number(ttl) and ttl >= 0):
        raise InvalidValue("Expected the ttl's function to return 0 seconds or more", got=ttl)
    fresh = ttl * (1 - options.jitter * drawn)
    return Lifetime(fresh, fresh + max(options.stale_while_revalidate, options.stale_on_error))


def refresh_early(options: EntryOptions, load_seconds: float, drawn: float) -> float:
    """How many seconds before its end an entry is loaded anew.

    Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache Stampede Prevention (XFetch), VLDB 2015, drawn once
    when the entry is filled in rather than at each access.

    Args:
        load_seconds: how long the load took.
        drawn: a random number above 0, up to 1.
    """
    return -options.refresh_early * load_seconds * math.log(drawn) if options.refresh_early else 0.0
