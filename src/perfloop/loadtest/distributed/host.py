"""What runs inside a Dask worker: it keeps one of our workers, a process of its own, and passes messages on.

The load is not made in the Dask worker itself, whose event loop and threads would hold it up. Dask calls these
functions; what they take and give is bytes and numbers.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import time
from typing import NamedTuple

from ..._version import __version__
from .local import COMMAND, LAST_WORDS
from .messages import frame, read_frame

__all__ = ["About", "Exchange", "Plan", "about", "clock", "close", "exchange", "start"]

_GRACE = 5.0
"""Seconds that a worker has to end by itself."""
_KEPT = 60.0
"""Seconds for which what an ended worker said is kept."""


class About(NamedTuple):
    """A Dask worker."""

    perfloop: str
    host: str
    process: int


class Exchange(NamedTuple):
    """What a worker said."""

    first: int
    """The number of the first of its messages here; they are kept until they are acknowledged."""
    payloads: list[bytes]
    status: int | None
    """Its exit status, once it has ended and said all."""


class Plan:
    """What a worker is told first: Dask logs the arguments of calls that fail, and there are secrets in it."""

    def __init__(self, message: bytes) -> None:
        self.message = message

    def __repr__(self) -> str:
        return f"<a plan of {len(self.message)} bytes>"


class _Hosted:
    def __init__(self, plan: bytes) -> None:
        self._process = subprocess.Popen([*COMMAND, "lease"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._kept: list[bytes] = []
        self._first = 0
        self._status: int | None = None
        self._over_since: float | None = None
        self._lock = threading.Lock()
        self._to_write = [plan]
        self._writable = threading.Condition()
        self._reader = threading.Thread(target=self._read, name="perfloop-worker", daemon=True)
        self._reader.start()
        # Large plans take their time, and Dask's event loop is not to wait for them.
        threading.Thread(target=self._write, name="perfloop-worker-plan", daemon=True).start()
        threading.Thread(target=self._wait, name="perfloop-worker-end", daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        while (payload := read_frame(self._process.stdout.fileno())) is not None:
            with self._lock:
                self._kept.append(payload)

    def _wait(self) -> None:
        status = self._process.wait()
        self._reader.join(LAST_WORDS)  # a process that the scenario forked may keep the output open
        with self._lock:
            self._status, self._over_since = status, time.monotonic()
        self.tell([b""])

    def _write(self) -> None:
        assert self._process.stdin is not None
        # An error: it has ended, and its status tells; also closing the pipe sends what is left.
        with contextlib.suppress(OSError), self._process.stdin as pipe:
            while payload := self._next_to_write():
                pipe.write(frame(payload))
                pipe.flush()

    def _next_to_write(self) -> bytes:
        with self._writable:
            while not self._to_write:
                self._writable.wait()
            return self._to_write.pop(0)

    def tell(self, payloads: list[bytes]) -> None:
        with self._writable:
            self._to_write += payloads
            self._writable.notify()

    def said(self, acknowledged: int) -> Exchange:
        with self._lock:
            del self._kept[: max(0, acknowledged - self._first)]
            self._first = max(self._first, acknowledged)
            return Exchange(self._first, list(self._kept), self._status)

    @property
    def forgotten(self) -> bool:
        """It ended, and nobody has asked for it for long: its coordinator is gone."""
        return self._over_since is not None and time.monotonic() - self._over_since > _KEPT

    def close(self) -> None:
        """Let it end, which it does when its input does."""
        self.tell([b""])
        grace = threading.Timer(_GRACE, self._process.kill)
        grace.daemon = True
        grace.start()


_hosted: dict[str, _Hosted] = {}


def about() -> About:
    """What this Dask worker is."""
    return About(__version__, socket.gethostname(), os.getpid())


def clock() -> float:
    """This machine's monotonic clock."""
    return time.monotonic()


def start(token: str, plan: Plan) -> None:
    """Start a worker with its plan; `token` names it from then on."""
    for name in [name for name, hosted in _hosted.items() if hosted.forgotten]:
        del _hosted[name]
    _hosted[token] = _Hosted(plan.message)


def exchange(token: str, payloads: list[bytes], acknowledged: int) -> Exchange:
    """Tell a worker something, and get what it said from the message of that number on."""
    hosted = _hosted[token]
    hosted.tell(payloads)
    return hosted.said(acknowledged)


def close(token: str) -> None:
    """End a worker and forget it."""
    hosted = _hosted.pop(token, None)
    if hosted is not None:
        hosted.close()
