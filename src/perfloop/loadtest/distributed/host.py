"""What runs inside a Dask worker: it keeps one of our workers, a process of its own, and passes messages on.

The load is not made in the Dask worker itself, whose event loop and threads would hold it up. Dask calls these
functions; what they take and give is bytes and numbers.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from typing import NamedTuple

from ..._version import __version__
from .local import COMMAND
from .messages import frame, read_frame

__all__ = ["About", "Exchange", "about", "clock", "close", "exchange", "start"]


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


class _Hosted:
    def __init__(self, plan: bytes) -> None:
        self._process = subprocess.Popen([*COMMAND, "lease"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._kept: list[bytes] = []
        self._first = 0
        self._status: int | None = None
        self._lock = threading.Lock()
        threading.Thread(target=self._read, name="perfloop-worker", daemon=True).start()
        # Large plans take their time, and Dask's event loop is not to wait for them.
        self._to_write = [plan]
        self._writable = threading.Condition()
        threading.Thread(target=self._write, name="perfloop-worker-plan", daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        while (payload := read_frame(self._process.stdout.fileno())) is not None:
            with self._lock:
                self._kept.append(payload)
        status = self._process.wait()
        with self._lock:
            self._status = status

    def _write(self) -> None:
        assert self._process.stdin is not None
        with self._process.stdin as pipe:
            while True:
                with self._writable:
                    while not self._to_write:
                        self._writable.wait()
                    payload = self._to_write.pop(0)
                if not payload:
                    return
                try:
                    pipe.write(frame(payload))
                    pipe.flush()
                except OSError:  # it has ended: its status tells
                    return

    def tell(self, payloads: list[bytes]) -> None:
        with self._writable:
            self._to_write += payloads
            self._writable.notify()

    def said(self, acknowledged: int) -> Exchange:
        with self._lock:
            del self._kept[: max(0, acknowledged - self._first)]
            self._first = max(self._first, acknowledged)
            return Exchange(self._first, list(self._kept), self._status)

    def close(self) -> None:
        self.tell([b""])
        if self._process.poll() is None:
            self._process.kill()


_hosted: dict[str, _Hosted] = {}


def about() -> About:
    """What this Dask worker is."""
    return About(__version__, socket.gethostname(), os.getpid())


def clock() -> float:
    """This machine's monotonic clock."""
    return time.monotonic()


def start(token: str, plan: bytes) -> None:
    """Start a worker with its plan; `token` names it from then on."""
    _hosted[token] = _Hosted(plan)


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
