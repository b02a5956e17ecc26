"""When requests are due in the open model: pure functions of the request's number and of the elapsed time.

A profile answers three questions about a run that began at 0: when is request `number` due (counted from 0), when are
those from `first` to `stop` due, and how many were due before `elapsed`. Nothing here sleeps or reads a clock.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..exceptions import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["ARRIVALS", "Arrival", "ConstantArrival", "PoissonArrival", "arrival"]

_BLOCK = 4096


class Arrival(Protocol):
    """When requests are due, in seconds from the start of the run."""

    def due(self, number: int) -> float:
        """When request `number` is due. Numbers are asked for in rising order."""

    def dues(self, first: int, stop: int) -> NDArray[np.float64]:
        """When the requests from `first` up to, without, `stop` are due."""

    def count(self, elapsed: float) -> int:
        """How many requests are due before `elapsed`. Asked for in rising order."""


class ConstantArrival:
    """One request every 1 ÷ rate seconds."""

    __slots__ = ("rate",)

    def __init__(self, rate: float, seed: int = 0) -> None:
        self.rate = rate

    def due(self, number: int) -> float:
        return number / self.rate

    def dues(self, first: int, stop: int) -> NDArray[np.float64]:
        return np.arange(first, stop) / self.rate

    def count(self, elapsed: float) -> int:
        count = max(0, math.ceil(elapsed * self.rate))
        # The product rounds: hold to due() as the one definition.
        while count > 0 and self.due(count - 1) >= elapsed:
            count -= 1
        while self.due(count) < elapsed:
            count += 1
        return count


class PoissonArrival:
    """Independent arrivals: exponential gaps of mean 1 ÷ rate, the same ones for the same seed.

    Gaps are drawn a block at a time from a generator that depends on the seed and the block's number alone, and only
    the blocks in use are held: a long run costs no memory.
    """

    def __init__(self, rate: float, seed: int = 0) -> None:
        self.rate = rate
        self._seed = seed
        self._sending = _Blocks(rate, seed)
        self._counting = _Blocks(rate, seed)

    def due(self, number: int) -> float:
        block, offset = divmod(number, _BLOCK)
        if block != self._sending.number:
            self._sending.move(block)
        return self._sending.list[offset]

    def dues(self, first: int, stop: int) -> NDArray[np.float64]:
        if stop <= first:
            return np.empty(0)
        blocks = _Blocks(self.rate, self._seed)
        parts = []
        for block in range(first // _BLOCK, (stop - 1) // _BLOCK + 1):
            blocks.move(block)
            parts.append(blocks.dues)
        start = first // _BLOCK * _BLOCK
        return np.concatenate(parts)[first - start : stop - start]

    def count(self, elapsed: float) -> int:
        blocks = self._counting
        if blocks.start > elapsed:
            blocks.move(0)
        while blocks.list[-1] < elapsed:
            blocks.move(blocks.number + 1)
        return blocks.number * _BLOCK + int(np.searchsorted(blocks.dues, elapsed, side="left"))


class _Blocks:
    """One block of arrivals at a time, forwards; going back starts again from the first."""

    __slots__ = ("_rate", "_seed", "dues", "list", "number", "start")

    def __init__(self, rate: float, seed: int) -> None:
        self._rate = rate
        self._seed = seed
        self._draw(0, 0.0)

    def _draw(self, number: int, start: float) -> None:
        generator = np.random.default_rng((self._seed, number))
        self.number = number
        self.start = start
        self.dues = start + np.cumsum(generator.exponential(1 / self._rate, _BLOCK))
        self.list: list[float] = self.dues.tolist()

    def move(self, number: int) -> None:
        if number < self.number:
            self._draw(0, 0.0)
        while self.number < number:
            self._draw(self.number + 1, self.list[-1])


ARRIVALS: dict[str, Callable[[float, int], Arrival]] = {
    "constant": ConstantArrival,
    "poisson": PoissonArrival,
}
"""Every arrival profile by the name `--arrival` takes."""


def arrival(name: str, rate: float, seed: int = 0) -> Arrival:
    """The arrival profile of that name.

    Args:
        rate: requests a second, above 0.

    Raises:
        InvalidValue: no such profile.
    """
    try:
        profile = ARRIVALS[name]
    except KeyError:
        raise InvalidValue(f"Expected an arrival profile: {', '.join(ARRIVALS)}", got=name) from None
    return profile(rate, seed)
