"""Work that is done every few seconds in a thread of its own, from start to stop."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from typing import TYPE_CHECKING

from ..exceptions import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

__all__ = ["Periodic", "PeriodicMonitor"]

_LOG = logging.getLogger("perfloop.monitoring")
_running: weakref.WeakSet[Periodic] = weakref.WeakSet()


def _nothing() -> None:
    pass


class Periodic:
    """Starts and stops as often as one likes, from any thread, also from the work itself.

    What the work raises is logged, once of each kind, and it goes on. A process that is forked meanwhile has no such
    thread any more; there it starts again, or has stopped.

    Args:
        work: done every `interval`.
        interval: seconds from the end of one time to the beginning of the next.
        name: of the thread.
        begin: done first, when it starts.
        end: done last, when it stops.
        forked: done in a forked process before it starts again there; None: there it has stopped.

    Raises:
        InvalidValue: an interval that is not above 0.
    """

    def __init__(
        self,
        work: Callable[[], object],
        interval: float,
        *,
        name: str,
        begin: Callable[[], object] = _nothing,
        end: Callable[[], object] = _nothing,
        forked: Callable[[], object] | None = None,
    ) -> None:
        if not interval > 0:
            raise InvalidValue("Expected an interval above 0 seconds", got=interval)
        self._work = work
        self._interval = interval
        self._name = name
        self._begin = begin
        self._end = end
        self._forked = forked
        self._complained: set[type[Exception]] = set()
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Started, and not stopped."""
        return self._thread is not None

    def start(self) -> None:
        """Begin; nothing if it runs already."""
        with self._lock:
            if self._thread is not None:
                return
            self._begin()
            self._stop = threading.Event()
            self._thread = threading.Thread(target=self._run, args=(self._stop,), name=self._name, daemon=True)
            self._thread.start()
            _running.add(self)

    def stop(self) -> None:
        """End, and wait for work that is being done; nothing if it does not run."""
        with self._lock:
            thread, self._thread = self._thread, None
            _running.discard(self)
            self._stop.set()
        if thread is not None:
            if thread is not threading.current_thread():
                thread.join()
            self._end()

    def wait(self, seconds: float) -> bool:
        """Let time pass in the work; True at once when it is being stopped."""
        return self._stop.wait(seconds)

    def _run(self, stop: threading.Event) -> None:
        while not stop.wait(self._interval):
            try:
                self._work()
            except Exception as error:
                if type(error) not in self._complained:
                    self._complained.add(type(error))
                    _LOG.exception("%s failed, and goes on", self._name)

    def after_fork(self) -> None:
        """In a child process: start again, or have stopped."""
        self._reset()
        if self._forked is None:
            _running.discard(self)
        else:
            self._forked()
            self.start()


class PeriodicMonitor:
    """What works every few seconds from `start` to `stop`, or inside a `with`.

    Args:
        periodic: its work.
    """

    def __init__(self, periodic: Periodic) -> None:
        self._periodic = periodic

    @property
    def running(self) -> bool:
        """Started, and not stopped."""
        return self._periodic.running

    def start(self) -> Self:
        """Begin; nothing if it runs already."""
        self._periodic.start()
        return self

    def stop(self) -> None:
        """End, and wait for work that is being done; nothing if it has ended already."""
        self._periodic.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _after_fork() -> None:
    for periodic in list(_running):
        periodic.after_fork()


os.register_at_fork(after_in_child=_after_fork)
