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
        room = self.burst * self.cost
        held, at = (room, now) if state is None else state
        if at - now > self.set_back:  # the clock was set back
            at = now
        here = max(at, now)
        holds = min(room, held + (here - at) * self.gain)
        if holds >= self.cost:
            return (holds - self.cost, here), 0
        return (held, at), ceil_divide(self.cost - holds, self.gain) + here - now

    def idle_at(self, state: tuple[int, int]) -> int:
        held, at = state
        return at + ceil_divide(self.burst * self.cost - held, self.gain)

    def copy(self, state: tuple[int, int]) -> tuple[int, int]:
        return state
