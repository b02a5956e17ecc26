"""What the algorithms have in common: whole microseconds and whole numbers, so that no rounding gives a call away."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

from ...exceptions import InvalidValue
from ..settings import count, positive

__all__ = ["MICROSECONDS", "Algorithm", "ceil_divide"]

State = TypeVar("State")
MICROSECONDS = 1_000_000
_MOST = 2**52  # Redis' Lua counts in floats, which are exact to 2**53


class Algorithm(ABC, Generic[State]):
    """A rate limit as a function of what was admitted and of the time, in microseconds of any clock."""

    name: ClassVar[str]

    def __init__(self, limit: int, per: float = 1.0, burst: int | None = None) -> None:
        """`limit` calls in `per` seconds.

        Args:
            limit: how many calls.
            per: in how many seconds.
            burst: how many at once after a pause, the algorithm's own default unless given.

        Raises:
            InvalidValue: a setting out of range, or a combination that cannot be counted exactly.
        """
        self.limit = count(limit, "limit")
        self.per = round(positive(per, "per") * MICROSECONDS)
        self.burst = self.default_burst(limit) if burst is None else count(burst, "burst")
        if not self.per:
            raise InvalidValue("Expected a microsecond or more", got=per, where="per")
        divisor = math.gcd(self.limit, self.per)
        self.gain, self.cost = self.limit // divisor, self.per // divisor
        """What a microsecond brings and what a call costs, in the smallest whole numbers."""
        self.room = self.burst * self.cost
        """What a full bucket holds."""
        self.fill = ceil_divide(self.room, self.gain)
        """The longest time after which what was admitted before no longer matters."""
        self.set_back = self.fill + MICROSECONDS
        """A state further ahead of the time than this was made before the clock was set back.

        A second more than can be otherwise: of those that ask at once one may be served later than its time says.
        """
        if self._largest() > _MOST:
            raise InvalidValue(
                "Expected a limit and a burst that can be counted to the microsecond",
                got=f"{limit} calls in {per:g} s, {self.burst} at once",
                where="limit",
                hint="a smaller burst, or about the same rate in rounder numbers",
            )

    @staticmethod
    @abstractmethod
    def default_burst(limit: int) -> int:
        """How many calls at once unless a burst is given."""

    def _largest(self) -> int:
        """Of all numbers it counts with."""
        return max(self.burst * self.cost, self.per)

    @property
    def signature(self) -> str:
        """Tells states of different settings apart where they are kept."""
        return f"{self.name}:{self.limit}:{self.per}:{self.burst}"

    @abstractmethod
    def take(self, state: State | None, now: int) -> tuple[State, int]:
        """Admit a call now, or tell when.

        Args:
            state: what it gave the last time, for the same key; None: nothing is known. It is not used again.
            now: not before an earlier one, or a little; see `set_back`.

        Returns:
            the new state, and the microseconds after which a call would be admitted: 0, it was.
        """

    @abstractmethod
    def idle_at(self, state: State) -> int:
        """When the state will be worth no more than none."""

    @abstractmethod
    def copy(self, state: State) -> State:
        """The state, for another key."""

    def behind(self, ahead: int) -> int:
        """Microseconds that a call has to wait the longer, at least, for so many others before it."""
        return ahead * self.per // self.limit

    def share(self, share: float) -> Algorithm[Any]:
        """A part of this limit. The rates of all parts add up to no more than the whole; so do the bursts and windows,
        unless there are more parts than calls: each part admits one at once."""
        limit = math.floor(self.limit * share)
        per = self.per if limit else math.ceil(self.per / (self.limit * share))
        return type(self)(max(limit, 1), per / MICROSECONDS, max(math.floor(self.burst * share), 1))


def ceil_divide(dividend: int, divisor: int) -> int:
    """Rounded up."""
    return -(-dividend // divisor)
