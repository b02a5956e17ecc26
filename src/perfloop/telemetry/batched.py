"""Numbers that are noted one by one and counted in batches.

What costs half a microsecond in a loop costs two amid the code of a service, which leaves the processor's caches to
nothing else. So recording only appends to a list; what counts the list runs once a batch, and before every reading.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from threading import RLock

from .forks import renew_lock_in_forks

__all__ = ["Batched"]


class _Turn:
    """The lock of whoever counts. One for all: it is held for some microseconds, and only readers wait for it."""

    def __init__(self) -> None:
        # Reentrant: a finaliser or a signal handler may record or read while its thread is inside.
        self._lock = RLock()
        renew_lock_in_forks(self)


_TURN = _Turn()


def turn() -> RLock:
    """The lock under which batches are counted."""
    return _TURN._lock


class Batched(ABC):
    """Has a list of numbers that wait to be counted."""

    __slots__ = ("_counted_under", "pending")

    def __init__(self) -> None:
        self.pending: list[float] = []
        """Any thread appends here, in one step of the interpreter, and has them counted once it is long."""
        self._counted_under: object = None

    @abstractmethod
    def _count(self, values: list[float]) -> None:
        """Count what was pending, in the order of its coming; nobody else does meanwhile."""

    def settle(self, *, wait: bool = True) -> None:
        """Count what is pending.

        Args:
            wait: for another thread that counts just now; otherwise leave it to whoever comes next.
        """
        lock = turn()
        if not lock.acquire(wait):
            return
        try:
            # The lock is a new one in a forked child, where nobody ends what another thread of the parent began.
            if self._counted_under is not lock:
                self._counted_under = lock
                try:
                    values = self.pending[:]
                    # What other threads append meanwhile stays.
                    del self.pending[: len(values)]
                    if values:
                        self._count(values)
                finally:
                    self._counted_under = None
        finally:
            lock.release()
