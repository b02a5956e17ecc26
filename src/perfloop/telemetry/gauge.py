"""Values that rise and fall: set and moved by the program, or asked for when somebody reads."""

from __future__ import annotations

import math
from _thread import get_ident
from typing import TYPE_CHECKING

from ..exceptions import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Gauge", "ObservableGauge"]


class Gauge:
    """A number that rises and falls: requests in flight, queue length. Exact under threads, without a lock.

    `inc` and `dec` go to a cell of the calling thread, as in `Counter`. `set` starts over: it replaces base and cells
    in one step, so a move that races with it happened either before (and is overwritten) or after (and counts).
    """

    __slots__ = ("_state",)

    def __init__(self) -> None:
        # What was last set, and what each thread has added since.
        self._state: tuple[float, dict[int, float]] = (0, {})

    def set(self, value: float) -> None:
        """Make `value` the gauge's value."""
        self._state = (value, {})

    def inc(self, amount: float = 1) -> None:
        """Add `amount`.

        Raises:
            InvalidValue: the amount is NaN or infinite, after which no `dec` could bring the gauge back.
        """
        if not -math.inf < amount < math.inf:
            raise InvalidValue("Expected a finite amount", got=amount)
        moves = self._state[1]
        thread = get_ident()
        try:
            moves[thread] += amount
        except KeyError:
            # setdefault: a signal handler may have added between the failure and here.
            moves.setdefault(thread, 0)
            moves[thread] += amount

    def dec(self, amount: float = 1) -> None:
        """Take `amount` away.

        Raises:
            InvalidValue: the amount is NaN or infinite.
        """
        if not -math.inf < amount < math.inf:
            raise InvalidValue("Expected a finite amount", got=amount)
        moves = self._state[1]
        thread = get_ident()
        try:
            moves[thread] -= amount
        except KeyError:
            # setdefault: a signal handler may have added between the failure and here.
            moves.setdefault(thread, 0)
            moves[thread] -= amount

    @property
    def value(self) -> float:
        """The value now."""
        base, moves = self._state
        cells = [base, *list(moves.values())]
        total = sum(cells)
        return total if isinstance(total, int) or not math.isfinite(total) else math.fsum(cells)


class ObservableGauge:
    """A number that is asked for whenever somebody reads it: a pool's size, the memory in use."""

    __slots__ = ("_callback",)

    def __init__(self) -> None:
        self._callback: Callable[[], float] | None = None

    def observe(self, callback: Callable[[], float] | None) -> None:
        """Ask `callback` from now on, from whatever thread reads; None: there is nothing to read any more."""
        self._callback = callback

    @property
    def value(self) -> float | None:
        """What the callback answers now; None without one. What it raises passes through."""
        callback = self._callback
        return None if callback is None else callback()
