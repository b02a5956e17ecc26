"""Think time and pacing: when the users of a closed model send their next requests.

Each user sends a request, waits for the answer, and then thinks for a while, or keeps a pace. Pure: the engine says
when an answer came, and is told when the next request is due.
"""

from __future__ import annotations

import heapq
import math
import random
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

from ..exceptions import InvalidValue
from ..units import parse_duration, parse_duration_range
from .arrivals.profile import duration_in_words
from .parts import ONLY_PART

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from .parts import Part

__all__ = ["ThinkTime", "Users", "parse_think_time"]

_HINT = "for example 1s, 0.5s..2s (evenly between the two) or exponential 1s (random, with that mean)"


class ThinkTime(Struct, frozen=True):
    """How long a user thinks between an answer and the next request, in seconds.

    Args:
        shortest: always so long, where nothing else is given.
        longest: with it, any time between the two is as likely.
        exponential: `shortest` is the mean of an exponential distribution.
    """

    shortest: float
    longest: float | None = None
    exponential: bool = False

    @property
    def mean(self) -> float:
        """Seconds a user thinks on average."""
        return self.shortest if self.longest is None else (self.shortest + self.longest) / 2

    def __str__(self) -> str:
        text = _in_words(self.shortest)
        if self.exponential:
            return f"exponential {text}"
        return text if self.longest is None else f"{text}..{_in_words(self.longest)}"

    def validate(self, where: str = "think_time") -> None:
        """Check the range.

        Raises:
            InvalidValue: no time, or one that ends before it begins.
        """
        for seconds in (self.shortest, self.mean):
            if not (math.isfinite(seconds) and seconds >= 0):
                raise InvalidValue("Expected a think time of 0 or more seconds", got=seconds, where=where, hint=_HINT)
        if self.longest is not None and (self.longest < self.shortest or self.exponential):
            raise InvalidValue(
                "Expected a think time from the shortest to the longest", got=str(self), where=where, hint=_HINT
            )
        if self.mean <= 0:
            raise InvalidValue("Expected a think time above zero", got=str(self), where=where, hint=_HINT)

    def drawing(self, seed: int) -> Callable[[], float]:
        """A function that gives one think time after the other, the same ones for the same seed."""
        generator = random.Random(seed)
        shortest, longest, mean = self.shortest, self.longest, self.mean
        if self.exponential:
            return lambda: generator.expovariate(1 / mean)
        if longest is None:
            return lambda: shortest
        return lambda: generator.uniform(shortest, longest)


def parse_think_time(text: str, *, where: str = "think_time") -> ThinkTime:
    """The think time in `1s`, `0.5s..2s` or `exponential 1s`.

    Raises:
        InvalidValue: anything else.
    """
    words = text.strip()
    exponential = words.startswith("exponential ")
    try:
        if ".." in words and not exponential:
            think_time = ThinkTime(*parse_duration_range(words, where=where))
        else:
            think_time = ThinkTime(parse_duration(words.removeprefix("exponential ")), None, exponential)
    except InvalidValue as error:
        if error.hint is not None:
            raise
        raise InvalidValue("Expected a think time", got=text, where=where, hint=_HINT) from None
    think_time.validate(where)
    return think_time


class Users:
    """When the users' next requests are due, in seconds from the start of the run.

    Any user may send over any connection that is idle: only when matters. They begin evenly spread over the first think
    time or pace, not all at once. The engine asks as it asks a schedule (`Arrival`).

    Args:
        count: how many there are.
        think_time: the pause from an answer to the user's next request.
        pacing: without a think time: seconds from the start of a user's request to when the next is due. If the answer
            takes longer, the next request is late by what it took longer, and the pace goes on from when it was sent.
        seed: of the think times.
        part: which of the run's users these are.
    """

    def __init__(
        self, count: int, think_time: ThinkTime | None, pacing: float | None, seed: int, part: Part = ONLY_PART
    ) -> None:
        self._pacing = pacing
        self._think = None if think_time is None else think_time.drawing(seed)
        mean = think_time.mean if think_time is not None else pacing or 0.0
        self.peak = count / mean
        """The most requests a second they can make."""
        self._end = math.inf
        self._sent = 0
        # A heap: the first is the next.
        self._dues = [(part.index / part.count + number) * mean / count for number in range(count)]

    def plan(self, duration: float, limit: float) -> tuple[float, float]:
        """How many requests there will be at most, and until when they become due: the run has `duration` seconds."""
        self._end = duration
        self._dues = [due for due in self._dues if due < duration]
        return limit, duration

    def planned(self, elapsed: float) -> None:
        """No rate is planned."""

    def next_due(self, now: float, started: float) -> float:
        """When the user whose request was sent at `started` and is over `now` wants to send the next."""
        return now + self._think() if self._think is not None else started + (self._pacing or 0.0)

    def wait(self, due: float) -> bool:
        """A user waits until then, unless the run is over before.

        Returns:
            the user is now the first of all who wait.
        """
        if due >= self._end:
            return False
        heapq.heappush(self._dues, due)
        return self._dues[0] == due

    def sent_at_once(self) -> None:
        """A user sent a request without waiting."""
        self._sent += 1

    def due(self, number: int) -> float:
        """When the next request is due, once `number` were sent; infinite when nobody waits."""
        while self._sent < number:
            self._sent += 1
            heapq.heappop(self._dues)
        return self._dues[0] if self._dues else math.inf

    def count(self, elapsed: float) -> int:
        """How many requests were sent, or are due before `elapsed`."""
        if not self._dues or self._dues[0] >= elapsed:
            return self._sent
        return self._sent + sum(due < elapsed for due in self._dues)

    def dues(self, first: int, stop: int) -> NDArray[np.float64]:
        """When those that wait wanted to send: the requests from `first`, the next, up to `stop`."""
        return np.array(sorted(self._dues)[: stop - first])


def _in_words(seconds: float) -> str:
    return duration_in_words(seconds) if seconds else "0s"
