"""Keeps a fork from happening while another thread is inside a library that would not survive it in the child."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ForkGate"]

_LONGEST_WAIT = 10.0


class ForkGate:
    """A fork waits until nobody is inside, and nobody enters while it lasts.

    SQLite remembers in the process' memory which of its connections has locked a file. A child that is forked meanwhile
    has that memory, but not the thread that would let go: the file would be locked for it as long as it lives.

    After ten seconds either goes on without the other.
    """

    def __init__(self) -> None:
        self._forget()
        if hasattr(os, "register_at_fork"):  # not on Windows, which has no forks
            os.register_at_fork(before=self._close, after_in_parent=self._open, after_in_child=self._forget)

    def _forget(self) -> None:
        self._changed = threading.Condition()  # reentrant: a finaliser may enter while this thread is inside
        self._inside = self._forks = 0

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """For the block no fork begins."""
        with self._changed:
            self._changed.wait_for(lambda: not self._forks, _LONGEST_WAIT)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def _close(self) -> None:
        with self._changed:
            self._forks += 1
            self._changed.wait_for(lambda: not self._inside, _LONGEST_WAIT)

    def _open(self) -> None:
        with self._changed:
            self._forks -= 1
            self._changed.notify_all()
