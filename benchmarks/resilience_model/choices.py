"""All schedules of something that asks, wherever it could go on in several ways, which way to go."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["Choices", "all_schedules", "drawn_schedules"]

T = TypeVar("T")


class Choices:
    """The choices of one schedule: first those it is told, then the first way each time, or one drawn at random."""

    def __init__(self, told: Sequence[int] = (), *, seed: int | None = None) -> None:
        self.taken: list[int] = []
        self.widths: list[int] = []
        self._told = told
        self._random = None if seed is None else random.Random(seed)

    def choose(self, options: Sequence[T]) -> T:
        """One of the options; there is at least one."""
        place = len(self.taken)
        if place < len(self._told):
            which = self._told[place]
        else:
            which = 0 if self._random is None else self._random.randrange(len(options))
        self.taken.append(which)
        self.widths.append(len(options))
        return options[which]


def all_schedules(run: Callable[[Choices], T], *, most: int) -> Iterator[tuple[Choices, T]]:
    """Run it in every way there is, depth first; `most` bounds how many."""
    told: list[int] | None = []
    while told is not None and most > 0:
        choices = Choices(told)
        yield choices, run(choices)
        most -= 1
        told = _next(choices)


def drawn_schedules(run: Callable[[Choices], T], seeds: range) -> Iterator[tuple[Choices, T]]:
    """Run it once a seed, in a way drawn from it; ways may come twice."""
    for seed in seeds:
        choices = Choices(seed=seed)
        yield choices, run(choices)


def _next(choices: Choices) -> list[int] | None:
    for place in reversed(range(len(choices.taken))):
        if choices.taken[place] + 1 < choices.widths[place]:
            return [*choices.taken[:place], choices.taken[place] + 1]
    return None
