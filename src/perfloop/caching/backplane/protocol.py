"""What a backplane must do: tell the other processes what has changed, or that it cannot.

- What is published reaches every listener of the same channel, or each of them is told of a **gap** some time later.
  A gap says: of what was published until now, something may have been missed; whatever may be stale must go.
- A listener that does not hear is **deaf**: its process' own level may be stale without its knowing. It begins deaf,
  and each time it has been, a gap says that it hears again.
- Messages may come twice and in another order. An invalidation is therefore the same however often it is applied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..effects import Program

__all__ = ["Backplane", "Invalidation"]


class Invalidation(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is no longer to be served out of a process' own level."""

    keys: tuple[str, ...] = ()
    """Encoded keys, without the namespace."""
    tags: tuple[str, ...] = ()
    all: bool = False
    """The whole namespace."""
    expired: tuple[str, ...] = ()
    """Keys whose values are only no longer fresh, and may be kept for when nothing better can be had."""
    holder: str = ""
    """The token of who is about to change what the keys and tags are loaded from, or has done so."""
    held_for: float = 0.0
    """Seconds for which nothing is kept for them, unless he says before that he has done so; 0: he says it."""
    missed: tuple[str, ...] = ()
    """The names of the levels that could not be told: whoever hears this tells them as well, should he die first."""


@runtime_checkable
class Backplane(Protocol):
    """The way between the processes that have a namespace in common. Nothing runs until it is first used."""

    name: str
    """In messages and telemetry."""

    def listen(
        self, on_message: Callable[[Invalidation], None], on_gap: Callable[[], None], on_deaf: Callable[[], None]
    ) -> None:
        """Hear the others from now on; once for each backplane, and again after a fork in the child.

        The functions are called by the backplane's own thread, one at a time; they return soon and do not raise.

        Args:
            on_message: somebody else has published this. What this process publishes does not come back to it.
            on_gap: something may have been missed until now; from now on it hears. Ends being deaf.
            on_deaf: it does not hear. Called before `listen` returns, and whenever it turns deaf afterwards.
        """

    def publish(self, invalidation: Invalidation) -> Program[None]:
        """Tell the others.

        Raises:
            LevelFailed: it could not be sent. The others will find a gap once they hear of this process again.
        """

    def close(self) -> None:
        """Say goodbye and stop listening; further calls do nothing. What is published after it starts it anew."""
