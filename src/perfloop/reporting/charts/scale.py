"""Scales from figures to pixels, and ticks at round figures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Scale", "linear_scale", "log_scale", "log_ticks", "nice_ticks", "time_ticks"]

_TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400)
# What is smaller than any figure of a record: dividing by it would overflow.
_NOTHING = 1e-12


class Scale(Struct, frozen=True):
    """Maps low … high onto the pixels start … end, in a straight or logarithmic way."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of a value; what lies outside is moved to the edge."""
        value = min(max(value, self.low), self.high)
        if self.log:
            part = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)


def linear_scale(values: Iterable[float], start: float, end: float, *, ticks: int = 5) -> tuple[Scale, list[float]]:
    """A scale from zero to a round figure above all values, and its ticks."""
    top = max((value for value in values if math.isfinite(value)), default=0.0)
    marks = nice_ticks(top if top > _NOTHING else 1.0, ticks)
    return Scale(0.0, marks[-1], start, end), marks


def log_scale(values: Iterable[float], start: float, end: float, *, ticks: int = 6) -> tuple[Scale, list[float]]:
    """A logarithmic scale round all positive values, and its ticks."""
    positive = [value for value in values if value > _NOTHING and math.isfinite(value)]
    low, high = min(positive, default=1.0), max(positive, default=10.0)
    low, high = _round_down(low), _round_up(high)
    if high <= low:
        high = low * 10
    return Scale(low, high, start, end, log=True), log_ticks(low, high, ticks)


def nice_ticks(top: float, most: int) -> list[float]:
    """Zero and multiples of 1, 2 or 5 × 10ⁿ, at most `most` + 1 of them, the last one not below `top`."""
    rough = top / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power * most >= top * (1 - 1e-9))
    steps = min(math.ceil(top / step - 1e-9), most)
    return [step * index for index in range(steps + 1)]


def time_ticks(seconds: float, most: int) -> list[float]:
    """Ticks from zero within `seconds`, at steps clocks have, at most `most` + 1 of them."""
    step = next((step for step in _TIME_STEPS if step * most >= seconds), 86_400 * math.ceil(seconds / 86_400 / most))
    return [float(tick) for tick in range(0, math.floor(seconds) + 1, step)]


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Ticks between low and high at 1, 2, 5 × 10ⁿ, or at 10ⁿ, or at every k-th power: as many as fit into `most`."""
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)

    def within(factors: tuple[int, ...], every: int) -> list[float]:
        candidates = (factor * 10.0**power for power in range(first, last + 1, every) for factor in factors)
        return [value for value in candidates if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]

    for factors in ((1, 2, 5), (1, 3), (1,)):
        found = within(factors, 1)
        if 2 <= len(found) <= most:
            return found
    every = 2
    while len(found := within((1,), every)) > most:
        every += 1
    return found or [low, high]


def _round_down(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    return max(factor * power for factor in (1, 2, 5) if factor * power <= value * (1 + 1e-9))


def _round_up(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    return min(factor * power for factor in (1, 2, 5, 10) if factor * power >= value * (1 - 1e-9))
