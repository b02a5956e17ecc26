"""What a level that several processes share must do.

The rules that keep an invalidation from being lost are here, for every level alike:

- A value may be filled in only under a **lease**: a token the level gave out before the value was looked up further
  below. Whatever changes the key meanwhile (`write`, `delete`, `expire`, a removal of one of its tags, `clear`) voids
  the lease, and the fill is refused (Nishtala et al., Scaling Memcache at Facebook, NSDI 2013, 3.2.1).
- While somebody **holds** a key or a tag, because he is about to change what it is loaded from, nothing is filled in.
  If he dies, his hold ends by itself; what was looked up while it lasted is not filled in afterwards either (of a
  held tag nobody knew when the lease was given that the key would have it).
- Order among several levels: a change goes from the lowest level up, a fill too, a look-up from the highest down.
- Ages are told by the level's own clock, never by the reader's.

Each method is a program; each of its requests is done at once or not at all.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..effects import Program

__all__ = ["WRITE_SECONDS", "Lease", "LeaseState", "Level", "Stored"]

WRITE_SECONDS = 5.0
"""For how long others wait for a value that is being put in, should it not come."""


class Stored(msgspec.Struct, frozen=True):
    """An encoded value and how long it lasts."""

    data: bytes
    fresh: float
    """Seconds from now for which it is up to date; 0 or less when it is not."""
    kept: float
    """Seconds from now until the level forgets it, not less than `fresh`."""
    tags: tuple[str, ...] = ()


class LeaseState(enum.Enum):
    """What became of asking for a lease."""

    GRANTED = "granted"
    """What is loaded may be filled in."""
    FRESH = "fresh"
    """No need: there is a fresh value."""
    BUSY = "busy"
    """Somebody else has it and is loading."""
    HELD = "held"
    """Somebody is about to change what the value is loaded from: whatever is loaded now cannot be kept."""


class Lease(msgspec.Struct, frozen=True):
    """The answer for one key."""

    state: LeaseState
    stored: Stored | None = None
    """What the level has, fresh or not."""


@runtime_checkable
class Level(Protocol):
    """A shared level, below the process' own. Tokens are unique texts without spaces."""

    name: str
    """In messages and telemetry."""

    def read(self, keys: Sequence[str]) -> Program[list[Stored | None]]:
        """What there is, fresh or not, key by key. Nothing whose tag was removed since it was looked up below."""

    def lease(
        self, keys: Sequence[str], token: str, seconds: float, *, even_if_fresh: bool = False
    ) -> Program[list[Lease]]:
        """Ask for the right to fill in each key, for so many seconds; who has it may ask for it again.

        Asking again does not tell whether the lease was void meanwhile: what was looked up before may only be filled in
        under the lease that was asked for before. A look-up that begins anew takes a new token.

        Args:
            even_if_fresh: grant it although there is a fresh value, which is to be replaced before its time.
        """

    def fill(self, entries: Mapping[str, Stored], token: str) -> Program[list[bool]]:
        """Put in, key by key, what was looked up under the lease, and end it; False where it was void or over."""

    def abandon(self, keys: Sequence[str], token: str) -> Program[None]:
        """End the leases without a value, so that somebody else may load."""

    def write(self, entries: Mapping[str, Stored]) -> Program[None]:
        """Put in, whatever was there; void leases. A key that is held gets nothing: its old value is removed.

        Two requests: the first removes and takes a lease for `WRITE_SECONDS`, the second fills in under it. So one that
        is carried out late, when its sender has given it up, brings nothing back that was changed since.
        """

    def delete(self, keys: Sequence[str]) -> Program[None]:
        """Remove; void leases."""

    def expire(self, keys: Sequence[str]) -> Program[None]:
        """Make what there is no longer fresh, but keep it for when nothing better can be had; void leases."""

    def remove_tags(self, tags: Sequence[str]) -> Program[None]:
        """Remove all that has one of the tags, and void the leases of what will turn out to have one."""

    def clear(self) -> Program[None]:
        """Remove all of the namespace; void leases. Its holds stay."""

    def hold(self, keys: Sequence[str], tags: Sequence[str], token: str, seconds: float) -> Program[None]:
        """Delete, remove the tags, and let nothing be filled in until `release`, or for so many seconds."""

    def release(self, keys: Sequence[str], tags: Sequence[str], token: str) -> Program[None]:
        """Delete and remove the tags once more, and end the hold of this token; others' stay."""
