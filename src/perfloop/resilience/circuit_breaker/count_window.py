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
        self._failed: deque[int] = deque()
        self._slow: deque[int] = deque()
        self.tick = math.inf

    def turn(self, calls: int, now: float) -> None:
        """Time makes no difference."""

    def record(self, calls: int, *, failed: bool, slow: bool) -> Breach | None:
        """Note its number."""
        if failed:
            self._failed.append(calls)
        if slow:
            self._slow.append(calls)
        return self._options.judge(self.rates(calls))

    def rates(self, calls: int) -> Rates:
        """Forgets those that are too long ago."""
        oldest = calls - self._options.size
        for numbers in (self._failed, self._slow):
            while numbers and numbers[0] <= oldest:
                numbers.popleft()
        return Rates(min(calls - self._start, self._options.size), len(self._failed), len(self._slow))
