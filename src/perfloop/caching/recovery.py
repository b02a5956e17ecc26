"""Tells levels and other processes what they have missed, though nobody asks them any more."""

from __future__ import annotations

import atexit
import logging
import multiprocessing.util
import random
import threading
from threading import RLock
from typing import TYPE_CHECKING, Protocol

from ..telemetry.forks import renew_lock_in_forks
from .effects import Program, run

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Recovery"]

_LOG = logging.getLogger("perfloop.caching")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
_LAST_TRY_SECONDS = 2.0


class _Recover(Protocol):
    def __call__(self, *, anyway: bool) -> Program[None]:
        """Tell whom can be told; `anyway`: though a breaker says no."""


class Recovery:
    """A daemon thread that is there while somebody has missed something, and tries again and again until they are told.

    It works for services of threads and of event loops alike, whose own threads and loops may be idle. In a forked
    child none runs: the parent tells what it did not tell before, and the child's own first missed change begins one.

    Args:
        name: of the cache.
        recover: the program of one try. Whether a level may be tried is its breaker's to say.
        is_behind: whether anybody still has missed something.
    """

    def __init__(self, name: str, recover: _Recover, is_behind: Callable[[], bool]) -> None:
        self._name = name
        self._recover = recover
        self._is_behind = is_behind
        self._worker: _Worker | None = None
        self._finalizer: multiprocessing.util.Finalize | None = None
        # Reentrant: a finaliser may note a missed change while this thread is inside.
        self._lock = RLock()
        renew_lock_in_forks(self)

    def wake(self) -> None:
        """Somebody has missed something."""
        with self._lock:
            if self._worker is not None:
                return
            worker = _Worker(target=self._work, name=f"perfloop cache recovery {self._name}", daemon=True)
            try:
                worker.start()
            except RuntimeError as error:  # no thread is to be had, or the interpreter ends
                _LOG.warning("cache %s: what was missed is told with the next question only: %s", self._name, error)
                return
            self._worker = worker
            atexit.register(self.stop)
            if multiprocessing.parent_process() is not None:  # one of its processes ends without atexit
                self._finalizer = multiprocessing.util.Finalize(None, self.stop, exitpriority=0)

    def stop(self, within: float = _LAST_TRY_SECONDS) -> None:
        """Try a last time, whatever the breakers say, and end.

        Args:
            within: seconds to wait for that.
        """
        with self._lock:
            worker = self._worker
        if worker is not None:
            worker.ending.set()
            if worker is not threading.current_thread():
                worker.join(within)

    def begin_in_fork(self) -> None:
        """The thread is not in this process."""
        self._worker = None
        self._finalizer = None

    def _work(self) -> None:
        worker = threading.current_thread()
        assert isinstance(worker, _Worker)
        pause, said = _FIRST_PAUSE, False
        try:
            while True:
                is_last = worker.ending.is_set()
                try:
                    run(self._recover(anyway=is_last))
                except Exception:
                    level, said = logging.DEBUG if said else logging.ERROR, True
                    _LOG.log(
                        level,
                        "cache %s: what was missed could not be told, and is tried again",
                        self._name,
                        exc_info=True,
                    )
                with self._lock:
                    if is_last or not self._is_behind():
                        self._forget(worker)
                        return
                worker.ending.wait(pause * random.uniform(0.5, 1.0))
                pause = min(2 * pause, _LONGEST_PAUSE)
        finally:
            self._forget(worker)

    def _forget(self, worker: _Worker) -> None:
        with self._lock:
            if self._worker is worker:
                self._worker = None
                atexit.unregister(self.stop)
                if self._finalizer is not None:
                    self._finalizer.cancel()
                    self._finalizer = None


class _Worker(threading.Thread):
    def __init__(self, **how: object) -> None:
        super().__init__(**how)  # type: ignore[arg-type]
        self.ending = threading.Event()
