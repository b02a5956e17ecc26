"""A few connections to one database, for the threads of a process: not more than so many, none shared across a fork."""

from __future__ import annotations

import collections
import contextlib
import os
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from ...exceptions import LevelFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["ConnectionPool", "leave_to_parent"]

C = TypeVar("C")

_INHERITED: list[object] = []


def leave_to_parent(connections: object) -> None:
    """Never use nor close, in a child, what it has of its parent's: closing would be told to the server."""
    _INHERITED.append(connections)


class _Connections(Generic[C]):
    """Those of one process."""

    def __init__(self, size: int) -> None:
        self.process = os.getpid()
        self.idle: collections.deque[C] = collections.deque()  # the last one used is the next
        self.places = threading.Semaphore(size)


class ConnectionPool(Generic[C]):
    """Connections that one thread at a time uses.

    Args:
        connect: opens one, or raises LevelFailed.
        close: ends one, and raises nothing.
        size: how many there may be.
        wait: seconds for one to become free.
        name: of the level, for the message.
    """

    def __init__(
        self, connect: Callable[[], C], close: Callable[[C], None], *, size: int, wait: float, name: str
    ) -> None:
        self._connect = connect
        self._close = close
        self._size = size
        self._wait = wait
        self._name = name
        self._current: _Connections[C] = _Connections(size)

    @contextlib.contextmanager
    def take(self, *, fresh: bool = False) -> Iterator[C]:
        """A connection for the block; it is closed where the block fails.

        Args:
            fresh: a new one.

        Raises:
            LevelFailed: none could be opened, or none became free in time.
        """
        mine = self._mine()
        if not mine.places.acquire(timeout=self._wait):
            raise LevelFailed(
                f"All {self._size} connections were in use for {self._wait:g} s",
                where=self._name,
                hint="allow more of them with `connections`, or have fewer threads ask at a time",
            )
        try:
            connection = None if fresh else _pop(mine.idle)
            if connection is None:
                connection = self._connect()
            try:
                yield connection
            except BaseException:
                self._close(connection)
                raise
            mine.idle.append(connection)
        finally:
            mine.places.release()

    def clear(self) -> None:
        """Close those that nobody uses now."""
        mine = self._mine()
        while (connection := _pop(mine.idle)) is not None:
            self._close(connection)

    def _mine(self) -> _Connections[C]:
        if self._current.process != os.getpid():
            leave_to_parent(self._current)
            self._current = _Connections(self._size)
        return self._current


def _pop(idle: collections.deque[C]) -> C | None:
    try:
        return idle.pop()
    except IndexError:
        return None
