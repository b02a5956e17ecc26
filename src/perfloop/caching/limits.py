"""A bound on how many loaders run at one time, so that a cache that has lost a level does not take its source along."""

from __future__ import annotations

from collections import OrderedDict
from threading import RLock
from typing import TYPE_CHECKING

from ..exceptions import InvalidValue
from ..telemetry.forks import renew_lock_in_forks
from .flights import Landing, Wait

if TYPE_CHECKING:
    from .effects import Program

__all__ = ["LoadLimit"]


class LoadLimit:
    """So many at one time; the others wait in the order of their coming."""

    def __init__(self, most: int) -> None:
        """A limit.

        Raises:
            InvalidValue: a limit below 1.
        """
        if most < 1:
            raise InvalidValue("Expected a limit of 1 loader or more at one time", got=most)
        self.most = most
        self.running = 0
        # In order, and whoever is cancelled leaves at once, wherever he stands: of an overload tens of thousands do.
        self._waiting: OrderedDict[Landing, None] = OrderedDict()
        # Reentrant: a finaliser may load while this thread is inside.
        self._lock = RLock()
        renew_lock_in_forks(self)

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._waiting)

    def enter(self) -> Program[None]:
        """Wait for a turn; whoever has it says `leave` in the end."""
        with self._lock:
            if self.running < self.most:
                self.running += 1
                return
            turn = Landing()
            self._waiting[turn] = None
        try:
            yield Wait(turn)
        except BaseException:
            with self._lock:
                if turn in self._waiting:
                    del self._waiting[turn]
                    raise
            self.leave()  # it was our turn already
            raise

    def begin_in_fork(self) -> None:
        """Whoever was loading or waiting is not in this process."""
        with self._lock:
            self.running = 0
            self._waiting.clear()

    def leave(self) -> None:
        """Give the turn to who waits longest."""
        with self._lock:
            if not self._waiting:
                self.running -= 1
                return
            turn, _ = self._waiting.popitem(last=False)
        turn.set_result(None)
