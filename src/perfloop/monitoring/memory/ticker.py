"""A daemon thread that does one thing again and again until it is stopped; it survives a fork."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Ticker"]

_LOG = logging.getLogger("perfloop.monitoring.memory")
_RUNNING: weakref.WeakSet[Ticker] = weakref.WeakSet()


class Ticker:
    """Calls `tick` after each `interval` seconds. What it raises is logged once of each kind, and the thread goes on.

    In a forked child, where no thread but the forking one lives, it begins anew.
    """

    def __init__(self, tick: Callable[[], None], interval: float, *, name: str, forked: Callable[[], None]) -> None:
        """Not running.

        Args:
            tick: what is done.
            interval: seconds from the end of one call to the next.
            name: of the thread.
            forked: called in a forked child, before the thread begins anew there.
        """
        self._tick = tick
        self._interval = interval
        self._name = name
        self._forked = forked
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._complained: set[type[Exception]] = set()

    @property
    def running(self) -> bool:
        """Started, and not stopped."""
        return self._thread is not None

    def start(self) -> None:
        """Begin; nothing when it runs already."""
        with self._lock:
            if self._thread is not None:
                return
            self._stopping = threading.Event()
            self._thread = threading.Thread(target=self._run, args=[self._stopping], name=self._name, daemon=True)
            self._thread.start()
            _RUNNING.add(self)

    def stop(self, timeout: float = 5.0) -> None:
        """End, and wait for it up to `timeout` seconds; nothing when it does not run.

        May be called from `tick` itself, which then is the last one.
        """
        with self._lock:
            thread, self._thread = self._thread, None
            self._stopping.set()
            _RUNNING.discard(self)
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def wait(self, seconds: float) -> bool:
        """Let time pass in `tick`; True at once when it is being stopped."""
        return self._stopping.wait(seconds)

    def begin_anew(self) -> None:
        """In a forked child: forget the parent's thread and start an own one."""
        self._lock = threading.Lock()
        self._thread = None
        self._forked()
        self.start()

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.wait(self._interval):
            try:
                self._tick()
            except Exception as error:
                if type(error) not in self._complained:
                    self._complained.add(type(error))
                    _LOG.exception("%s failed, and goes on", self._name)


def _after_fork() -> None:
    for ticker in list(_RUNNING):
        ticker.begin_anew()


os.register_at_fork(after_in_child=_after_fork)
