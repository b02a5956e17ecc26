"""When requests are due in the open model: pure functions of the request's number and of the elapsed time.

A schedule answers three questions about a run that began at 0: when is request `number` due (counted from 0), when are
those from `first` to `stop` due, and how many were due before `elapsed`. Nothing here sleeps or reads a clock.

Requests stand on the scale of the integrated rate: at 0, 1, 2, … in a planned schedule, at exponential gaps of mean 1
in a Poisson one. Each is due when the integral of the rate passes its place. (For Poisson arrivals of a varying rate
that is time rescaling: Çinlar, Introduction to Stochastic Processes, 1975, 4.7.) Places and due times are computed a
block at a time, and only the blocks in use are held: a long run costs no memory.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .curve import Curve, Floats

__all__ = ["Arrival", "ChainedArrival", "PlannedArrival", "PoissonArrival", "Schedule", "UniformArrival"]

# One block takes some tens of microseconds, less than the period of the wake-ups that send requests.
_BLOCK = 512
_FAR = 2**52


class Arrival(Protocol):
    """When requests are due, in seconds from the start of the run; infinite for those that never are."""

    @property
    def peak(self) -> float:
        """The most requests a second."""

    def plan(self, duration: float, limit: float) -> tuple[float, float]:
        """How many requests there are, and until when they become due: within `duration` seconds, at most `limit`."""

    def planned(self, elapsed: float) -> tuple[str, float] | None:
        """The phase the run is in at that moment, and its rate; None where none is planned."""

    def due(self, number: int) -> float:
        """When request `number` is due. Numbers are asked for in rising order."""

    def dues(self, first: int, stop: int) -> Floats:
        """When the requests from `first` up to, without, `stop` are due."""

    def count(self, elapsed: float) -> int:
        """How many requests are due before `elapsed`. Asked for in rising order."""


class Schedule:
    """An `Arrival` that follows a rate over time, whatever happens to its requests."""

    def __init__(self, curve: Curve) -> None:
        self.curve = curve

    @property
    def peak(self) -> float:
        return self.curve.peak

    def due(self, number: int) -> float:
        raise NotImplementedError

    def dues(self, first: int, stop: int) -> Floats:
        raise NotImplementedError

    def count(self, elapsed: float) -> int:
        raise NotImplementedError

    def plan(self, duration: float, limit: float) -> tuple[float, float]:
        total = min(limit, self.count(duration)) if duration < math.inf else limit
        # From the last due time on the backlog drains.
        return total, min(duration, float(self.dues(max(0, int(total) - 1), int(total)).max(initial=0.0)))

    def planned(self, elapsed: float) -> tuple[str, float]:
        if elapsed >= self.curve.lasts:
            return "over", 0.0
        return self.curve.phase(elapsed), self.curve.rate_at(elapsed)


class UniformArrival(Schedule):
    """One request every 1 ÷ rate seconds: the planned schedule of a constant rate, in closed form.

    Args:
        curve: of a constant rate above 0.
    """

    def __init__(self, curve: Curve) -> None:
        super().__init__(curve)
        self._rate = curve.peak
        self._lasts = curve.lasts

    def due(self, number: int) -> float:
        due = number / self._rate
        return due if due < self._lasts else math.inf

    def dues(self, first: int, stop: int) -> Floats:
        dues = np.arange(first, stop) / self._rate
        dues[dues >= self._lasts] = math.inf
        return dues

    def count(self, elapsed: float) -> int:
        count = max(0, math.ceil(min(elapsed, self._lasts) * self._rate))
        # The product rounds: hold to due() as the one definition.
        while count > 0 and self.due(count - 1) >= elapsed:
            count -= 1
        while self.due(count) < elapsed:
            count += 1
        return count


class _Whole:
    """Places at 0, 1, 2, …"""

    def block(self, number: int) -> Floats:
        return np.arange(number * _BLOCK, (number + 1) * _BLOCK, dtype=np.float64)

    def block_of(self, place: float) -> int:
        return int(min(place, _FAR)) // _BLOCK


class _Random:
    """Places at exponential gaps of mean 1, each block's drawn from a generator of the seed and its number alone.

    Forwards; going back starts again from the first block.
    """

    def __init__(self, seed: Sequence[int]) -> None:
        self._seed = seed
        self._number = -1
        self._places = np.zeros(1)

    def block(self, number: int) -> Floats:
        if number < self._number:
            self._number, self._places = -1, np.zeros(1)
        while self._number < number:
            self._number += 1
            gaps = np.random.default_rng((*self._seed, self._number)).standard_exponential(_BLOCK)
            self._places = self._places[-1] + np.cumsum(gaps)
        return self._places

    def block_of(self, place: float) -> int:
        if self._number < 0 or self._places[0] > place:
            self.block(0)
        while self._places[-1] < place:
            self.block(self._number + 1)
        return self._number


class _Window:
    """The due times of one block."""

    __slots__ = ("_curve", "dues", "list", "number", "places")

    def __init__(self, curve: Curve, places: _Whole | _Random) -> None:
        self._curve = curve
        self.places = places
        self.move(0)

    def move(self, number: int) -> None:
        places = self.places.block(number)
        within = int(np.searchsorted(places, self._curve.total, side="left"))
        dues = np.full(_BLOCK, math.inf)
        # Rounding must neither turn the order round nor lead beyond the end.
        moments = np.minimum(self._curve.moments(places[:within]), self._curve.lasts)
        dues[:within] = np.maximum.accumulate(moments)
        self.number = number
        self.dues = dues
        self.list: list[float] = dues.tolist()


class _CurveArrival(Schedule):
    def __init__(self, curve: Curve, places: Callable[[], _Whole | _Random]) -> None:
        super().__init__(curve)
        # One to send by and one to look ahead by: they stand at different requests.
        self._sending = _Window(curve, places())
        self._looking = _Window(curve, places())

    def due(self, number: int) -> float:
        block, offset = divmod(number, _BLOCK)
        if block != self._sending.number:
            self._sending.move(block)
        return self._sending.list[offset]

    def dues(self, first: int, stop: int) -> Floats:
        if stop <= first:
            return np.empty(0)
        window, parts = self._looking, []
        for block in range(first // _BLOCK, (stop - 1) // _BLOCK + 1):
            window.move(block)
            parts.append(window.dues)
        start = first // _BLOCK * _BLOCK
        return np.concatenate(parts)[first - start : stop - start]

    def count(self, elapsed: float) -> int:
        if elapsed <= 0:
            return 0
        window = self._looking
        window.move(window.places.block_of(self.curve.expected(min(elapsed, self.curve.lasts))))
        # The integral rounds: hold to the due times as the one definition.
        while window.number and window.list[0] >= elapsed:
            window.move(window.number - 1)
        while window.list[-1] < elapsed:
            window.move(window.number + 1)
        return window.number * _BLOCK + int(np.searchsorted(window.dues, elapsed, side="left"))


class PlannedArrival(_CurveArrival):
    """Request n is due when the integral of the rate passes n: in every interval as many as planned, give or take one.

    Args:
        curve: the rate over time.
    """

    def __init__(self, curve: Curve) -> None:
        super().__init__(curve, _Whole)


class PoissonArrival(_CurveArrival):
    """Independent arrivals: at every moment as likely as the rate says, the same ones for the same seed.

    Args:
        curve: the rate over time.
        seed: of the gaps.
    """

    def __init__(self, curve: Curve, *seed: int) -> None:
        super().__init__(curve, lambda: _Random(seed))


class ChainedArrival(Schedule):
    """Schedules one after the other, each from the end of the one before.

    Args:
        curve: the planned rate over all of them.
        parts: in order; each but the last has an end.
    """

    def __init__(self, curve: Curve, parts: Sequence[Schedule]) -> None:
        super().__init__(curve)
        self._parts = parts
        self._starts = [0.0]
        self._firsts = [0]
        for part in parts[:-1]:
            self._starts.append(self._starts[-1] + part.curve.lasts)
            self._firsts.append(self._firsts[-1] + part.count(part.curve.lasts))
        self._sending = 0

    def due(self, number: int) -> float:
        part = self._sending
        while part and number < self._firsts[part]:
            part -= 1
        while part + 1 < len(self._parts) and number >= self._firsts[part + 1]:
            part += 1
        self._sending = part
        return self._starts[part] + self._parts[part].due(number - self._firsts[part])

    def dues(self, first: int, stop: int) -> Floats:
        pieces = [np.empty(0)]
        for part, start, begin, end in zip(
            self._parts, self._starts, self._firsts, [*self._firsts[1:], max(stop, 0)], strict=True
        ):
            low, high = max(first, begin), min(stop, end)
            if low < high:
                pieces.append(start + part.dues(low - begin, high - begin))
        return np.concatenate(pieces)

    def count(self, elapsed: float) -> int:
        part = max(0, int(np.searchsorted(self._starts, elapsed, side="left")) - 1)
        count = self._firsts[part] + self._parts[part].count(elapsed - self._starts[part])
        # The difference rounds: hold to the due times as the one definition.
        while count > 0 and self.dues(count - 1, count)[0] >= elapsed:
            count -= 1
        while self.dues(count, count + 1)[0] < elapsed:
            count += 1
        return count
