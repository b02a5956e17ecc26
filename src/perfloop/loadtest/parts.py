"""One run made by several generators: which requests, connections and rows of data each of them takes.

In the open model generator `index` of `count` sends the requests number index, index + count, …: of the whole schedule,
so that together they send just what one would, at the times it would.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from ..exceptions import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .arrivals import Arrival
    from .arrivals.curve import Floats
    from .options import LoadOptions

__all__ = ["ONLY_PART", "Part", "PartArrival", "part_of"]


T = TypeVar("T")


class Part(Struct, frozen=True):
    """One generator's part of a run."""

    index: int
    """From 0."""
    count: int
    """How many generators there are."""

    def share(self, total: int) -> int:
        """How many of so many things, dealt out in turn, fall to it."""
        return max(0, -((self.index - total) // self.count))

    def of(self, things: Iterator[T]) -> Iterator[T]:
        """Those things, dealt out in turn, that fall to it."""
        return things if self.count == 1 else itertools.islice(things, self.index, None, self.count)


ONLY_PART = Part(0, 1)


def part_of(options: LoadOptions, part: Part) -> LoadOptions:
    """The options of one of the generators of a run.

    Raises:
        InvalidValue: there is not a connection or a request for each.
    """
    for name, there in (("connections", options.connections), ("requests", options.request_limit)):
        if there is not None and there < part.count:
            raise InvalidValue(
                f"Expected at least as many {name} as there are workers, {part.count}", got=there, where=name
            )
    limit = options.request_limit
    return replace(
        options,
        connections=part.share(options.connections),
        request_limit=None if limit is None else part.share(limit),
        part=part,
    )


class PartArrival:
    """Every so many-th request of a schedule: an `Arrival`.

    Args:
        whole: when the requests of the whole run are due.
    """

    def __init__(self, whole: Arrival, part: Part) -> None:
        self._whole = whole
        self._part = part

    @property
    def peak(self) -> float:
        return self._whole.peak / self._part.count

    def plan(self, duration: float, limit: float) -> tuple[float, float]:
        whole = math.inf if limit == math.inf else limit * self._part.count
        total, until = self._whole.plan(duration, whole)
        return (total if total == math.inf else min(limit, self._part.share(int(total)))), until

    def planned(self, elapsed: float) -> tuple[str, float] | None:
        planned = self._whole.planned(elapsed)
        return None if planned is None else (planned[0], planned[1] / self._part.count)

    def due(self, number: int) -> float:
        return self._whole.due(self._part.index + number * self._part.count)

    def dues(self, first: int, stop: int) -> Floats:
        index, count = self._part.index, self._part.count
        if stop <= first:
            return np.empty(0)
        return self._whole.dues(index + first * count, index + (stop - 1) * count + 1)[::count]

    def count(self, elapsed: float) -> int:
        return self._part.share(self._whole.count(elapsed))
