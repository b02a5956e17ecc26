"""A count that only rises."""

from __future__ import annotations

import math
from _thread import get_ident
from collections import defaultdict

from ..exceptions import InvalidValue

__all__ = ["Counter"]


class Counter:
    """A number that only rises: requests, bytes, errors. Exact under any number of threads, without a lock.

    Each thread adds to a cell of its own, keyed by its identity, so no cell has two writers; reading sums them. That
    holds with and without the global interpreter lock. A thread that ended leaves its cell to the next one that gets
    its identity, so there are no more cells than threads alive at one time.
    """

    __slots__ = ("_cells",)

    def __init__(self) -> None:
        self._cells: defaultdict[int, float] = defaultdict(int)

    def inc(self, amount: float = 1) -> None:
        """Add `amount`, 0 or more.

        Raises:
            InvalidValue: a negative amount or NaN.
        """
        if not amount >= 0:
            raise InvalidValue("Expected an amount of 0 or more: a counter only rises", got=amount)
        self._cells[get_ident()] += amount

    @property
    def value(self) -> float:
        """The sum so far: whole if every amount was."""
        cells = list(self._cells.values())
        total = sum(cells)
        return total if isinstance(total, int) else math.fsum(cells)
