"""The budget of all calls together, in a token bucket of this process: the limiter that most calls pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .algorithm import ceil_divide

if TYPE_CHECKING:
    from .token_bucket import TokenBucket

__all__ = ["UnkeyedBucket"]


class UnkeyedBucket:
    """What `TokenBucket.take` does, to one state that any thread changes.

    It needs no lock where there is a global interpreter lock, and costs half of what it would with one: from reading
    the state to writing it there is no call and no jump back, and nowhere else does Python change threads.
    """

    __slots__ = ("_cost", "_gain", "_room", "_set_back", "state")

    def __init__(self, algorithm: TokenBucket) -> None:
        """A full bucket."""
        self._cost, self._gain, self._room, self._set_back = (
            algorithm.cost,
            algorithm.gain,
            algorithm.room,
            algorithm.set_back,
        )
        self.state: tuple[int, int] | None = None

    def take(self, now: int) -> int:
        """Admit a call `now`, in microseconds.

        Returns:
            the microseconds after which it would be admitted, or 0.
        """
        cost, gain, room = self._cost, self._gain, self._room
        held, at = self.state or (room, now)
        here, passed = now, now - at
        if passed < 0:
            if passed < -self._set_back:
                at = now
            here, passed = at, 0
        holds = held + passed * gain
        if holds > room:
            holds = room
        if holds >= cost:
            self.state = holds - cost, here
            return 0
        self.state = held, at
        return ceil_divide(cost - holds, gain) + here - now
