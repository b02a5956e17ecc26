"""A count that only rises."""

from __future__ import annotations

import math
from _thread import get_ident
from collections import defaultdict
from typing import TYPE_CHECKING

from ..exceptions import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Counter"]


class Counter:
    """A number that only rises: requests, bytes, errors. Exact under any number of threads, without a lock.

    Each thread adds to a cell of its own, keyed by its identity, so no cell has two writers; reading sums them. That
    holds with and without the global interpreter lock. A thread that ended leaves its cell to the next one that gets
    its identity, so there are no more cells than threads alive at one time.
    """

    __slots__ = ("_cells", "_sources")

    def __init__(self) -> None:
        self._cells: defaultdict[int, float] = defaultdict(int)
        self._sources: tuple[Callable[[], None], ...] = ()

    def inc(self, amount: float = 1) -> None:
        """Add `amount`, 0 or more.

        Raises:
            InvalidValue: a negative amount or NaN.
        """
        if not amount >= 0:
            raise InvalidValue("Expected an amount of 0 or more: a counter only rises", got=amount)
        self._cells[get_ident()] += amount

    def feed(self, source: Callable[[], None]) -> None:
        """Call `source` before each reading, to add what it has not told yet."""
        self._sources = (*self._sources, source)

    def _ask(self) -> None:
        for source in self._sources:
            source()

    @property
    def value(self) -> float:
        """The sum so far: whole if every amount was."""
        self._ask()
        cells = list(self._cells.values())
        total = sum(cells)
        return total if isinstance(total, int) else math.fsum(cells)
