"""A bucket that fills at the rate of the limit; each call takes a token out.

In any time of `w` seconds it admits at most `burst + limit × w ÷ per` calls: after a pause a burst at once, and then as
many as are refilled.
"""

from __future__ import annotations

from .algorithm import Algorithm, ceil_divide

__all__ = ["TokenBucket"]


class TokenBucket(Algorithm[tuple[int, int]]):
    """`limit` tokens in `per` seconds, and room for `burst`: as many as `limit` unless given.

    The state is what the bucket holds, `cost` for a token, and when it did.
    """

    name = "token_bucket"

    @staticmethod
    def default_burst(limit: int) -> int:
        return limit

    def take(self, state: tuple[int, int] | None, now: int) -> tuple[tuple[int, int], int]:
        cost, gain, room = self.cost, self.gain, self.room
        held, at = state or (room, now)
        here, passed = now, now - at
        if passed < 0:  # it asked earlier than another, or the clock was set back
            if passed < -self.set_back:
                at = now
            here, passed = at, 0
        holds = held + passed * gain
        if holds > room:
            holds = room
        if holds >= cost:
            return (holds - cost, here), 0
        return (held, at), ceil_divide(cost - holds, gain) + here - now

    def idle_at(self, state: tuple[int, int]) -> int:
        held, at = state
        return at + ceil_divide(self.burst * self.cost - held, self.gain)

    def copy(self, state: tuple[int, int]) -> tuple[int, int]:
        return state
