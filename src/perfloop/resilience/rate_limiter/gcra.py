"""The generic cell rate algorithm: calls as evenly spaced as the rate says, a burst ahead of their time at most.

ITU-T I.371, the virtual scheduling form. In any time of `w` seconds it admits at most `burst + limit × w ÷ per` calls.
One number a key.
"""

from __future__ import annotations

from .algorithm import Algorithm, ceil_divide

__all__ = ["GCRA"]


class GCRA(Algorithm[int]):
    """`limit` calls in `per` seconds, `burst` of them at once after a pause: one unless given.

    The state is when the next call is due, in microseconds × `gain`.
    """

    name = "gcra"

    @staticmethod
    def default_burst(limit: int) -> int:
        return 1

    def take(self, state: int | None, now: int) -> tuple[int, int]:
        here = now * self.gain
        due = here if state is None else max(state, here)
        if due - here > self.set_back * self.gain:  # the clock was set back
            due = here + self.burst * self.cost
        early = due - (self.burst - 1) * self.cost - here
        if early <= 0:
            return due + self.cost, 0
        return due, ceil_divide(early, self.gain)

    def idle_at(self, state: int) -> int:
        return ceil_divide(state, self.gain)

    def copy(self, state: int) -> int:
        return state
