"""The last so many calls."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from ...exceptions import InvalidValue
from ..settings import count
from .rates import RateLimits
from .windows import Breach, Rates

__all__ = ["CountWindow"]


@dataclass(frozen=True, slots=True)
class CountWindow(RateLimits):
    """Judges the last `size` calls. Other arguments as in `RateLimits`.

    Args:
        size: how many; remembered are those of them that failed or were slow.

    Raises:
        InvalidValue: a size below `minimum_calls`, which it would never reach.
    """

    size: int = 100

    def __post_init__(self) -> None:
        RateLimits.__post_init__(self)
        count(self.size, "size")
        if self.size < self.minimum_calls:
            raise InvalidValue(
                f"Expected a size of minimum_calls ({self.minimum_calls}) or more", got=self.size, where="size"
            )

    def start(self, calls: int, now: float) -> _Calls:
        """No call yet."""
        return _Calls(self, calls)


class _Calls:
    """Numbers of the calls that failed and of those that were slow, oldest first."""

    __slots__ = ("_failed", "_options", "_slow", "_start", "tick")

    def __init__(self, options: CountWindow, calls: int) -> None:
        self._options = options
        self._start = calls
        # Made when they are needed: an empty one takes 700 bytes, and most circuits of many keys need none.
        self._failed: deque[int] | None = None
        self._slow: deque[int] | None = None
        self.tick = math.inf

    def turn(self, calls: int, now: float) -> None:
        """Time makes no difference."""

    def record(self, calls: int, *, failed: bool, slow: bool) -> Breach | None:
        """Note its number."""
        if failed:
            self._failed = self._failed or deque()
            self._failed.append(calls)
        if slow:
            self._slow = self._slow or deque()
            self._slow.append(calls)
        return self._options.judge(self.rates(calls))

    def rates(self, calls: int) -> Rates:
        """Forgets those that are too long ago."""
        failed, slow = (self._within(numbers, calls) for numbers in (self._failed, self._slow))
        return Rates(min(calls - self._start, self._options.size), failed, slow)

    def _within(self, numbers: deque[int] | None, calls: int) -> int:
        if numbers is None:
            return 0
        while numbers and numbers[0] <= calls - self._options.size:
            numbers.popleft()
        return len(numbers)
