"""The way to the parent: a bounded buffer, one thread that empties it into a unix socket, and silence once it is gone.

Nothing here blocks a request. The connection is made at the first record, so that helper processes cost nothing.
Originals of everything that gevent and friends replace are taken when the interpreter starts.
"""

from __future__ import annotations

import _socket
import os
import sys
from collections import deque
from select import poll
from time import monotonic_ns

from . import ENVIRONMENT_KEY
from .originals import allocate_lock, start_new_thread
from .protocol import (
    ACKNOWLEDGE,
    DROPPED,
    FAILED,
    FLUSH,
    GC_PAUSE,
    HELLO,
    LONG_STEP,
    NAMES,
    encode,
    encode_json,
)
from .tables import TABLES

# Not from typing: importing that would cost every helper process of the service.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["CHANNEL", "Channel"]

_CAPACITY = 20_000
_FLUSH_SECONDS = 0.08
_IDLE_SECONDS = 0.25
_EXIT_SECONDS = 1.0
_CONNECT_SECONDS = 0.2


class Channel:
    """Records go in by `put`; the flush thread sends them. `open` is False for ever once the parent is gone."""

    def __init__(self, path: str) -> None:
        """`path`: the parent's socket; empty: closed from the start."""
        self.open = bool(path)
        self.dropped = 0
        self.failed: dict[str, str] = {}
        """Part of the agent → the first error it raised."""
        self.failures: dict[str, int] = {}
        """Part of the agent → how often it has raised."""
        self.at_flush: list[Callable[[int, bool], None]] = []
        """Called by the flush thread before it sends, with the moment and whether the parent asked: they may `put`."""
        self.at_connect: list[Callable[[], None]] = []
        """Called once per process before its first record is sent."""
        self.before_acknowledge: list[Callable[[], None]] = []
        """Called by the flush thread when the parent asks for everything: they may wait a little."""
        self._path = path
        self._queue: deque[bytes] = deque()
        self._socket: Any = None
        self._started = False
        self._told: dict[str, int] = {}
        self._lock = allocate_lock()
        self._sending = allocate_lock()

    def put(self, kind: int, payload: bytes) -> None:
        """Queue one record; drop and count it when the buffer is full."""
        if not self.open:
            return
        if len(self._queue) >= _CAPACITY:
            self.dropped += 1
            return
        self._queue.append(encode(kind, payload))
        if not self._started:
            self.begin()

    def put_json(self, kind: int, value: Any) -> None:
        """Queue one record of JSON."""
        if self.open and len(self._queue) < _CAPACITY:
            self._queue.append(encode_json(kind, value))

    def put_long_step(self, start: int, wall: int, cpu: int, stack: int, route: int) -> None:
        """Queue a LONG_STEP."""
        self.put(LONG_STEP, _integers(start, wall, cpu, stack, route))

    def put_gc_pause(self, start: int, duration: int, generation: int) -> None:
        """Queue a GC_PAUSE, unless nothing has been served yet."""
        if self._started:
            self.put(GC_PAUSE, _integers(start, duration, generation))

    def hook_failed(self, hook: str, error: BaseException) -> None:
        """Count a part that raised; its first error is told."""
        self.failures[hook] = self.failures.get(hook, 0) + 1
        if hook not in self.failed:
            self.failed[hook] = f"{hook}: {type(error).__name__}: {error}"[:500]

    def begin(self) -> None:
        """Connect, so that the parent knows of this process at once, and start its flush thread."""
        with self._lock:
            if self._started or not self.open:
                return
            self._started = True
        try:
            import atexit

            from .sampler import SAMPLER
            from .told import attach

            if not self.at_connect:
                SAMPLER.attach(self)
                attach(self)
                atexit.register(self.close)
            self._connect()
            for callback in self.at_connect:
                callback()
            start_new_thread(self._run, ())
        except BaseException as error:
            self._give_up()
            self.hook_failed("channel", error)

    def close(self) -> None:
        """At exit: send what is queued, as far as the parent takes it at once."""
        if not self._started or not self.open:
            return
        try:
            if self._sending.acquire(timeout=_EXIT_SECONDS):
                try:
                    self._socket.settimeout(_EXIT_SECONDS)
                    self._send()
                finally:
                    self._sending.release()
        except OSError:
            # The parent is gone, or takes nothing more: there is nobody to tell.
            pass
        except Exception as error:
            # Closed meanwhile, it has no socket any more: no error.
            if self.open:
                self._tell_end(error)
        self._give_up()

    def _run(self) -> None:
        try:
            with self._sending:
                self._socket.sendall(encode_json(HELLO, self._hello()))
            poller = poll()
            poller.register(self._socket.fileno(), 1)
            pause = _FLUSH_SECONDS
            while self.open:
                acknowledge = False
                if poller.poll(pause * 1000):
                    control = self._socket.recv(64)
                    if not control:
                        break
                    acknowledge = FLUSH in control
                    if acknowledge:
                        # A client may have its answer while the request is still being closed.
                        for callback in self.before_acknowledge:
                            self._call(callback)
                busy = bool(self._queue)
                with self._sending:
                    self._send(acknowledge)
                pause = _FLUSH_SECONDS if busy else _IDLE_SECONDS
        except OSError:
            # The parent is gone.
            pass
        except Exception as error:
            # Closed meanwhile, it has no socket any more: no error.
            if self.open:
                self._tell_end(error)
        self._give_up()

    def _tell_end(self, error: Exception) -> None:
        """Tell the parent, as far as it takes it, why nothing more will come, and how much that loses."""
        self.hook_failed("channel", error)
        self.dropped += len(self._queue)
        try:
            self._socket.settimeout(_EXIT_SECONDS)
            self._socket.sendall(b"".join(self._losses()))
        except OSError:
            # The parent is gone, too.
            pass

    def _call(self, callback: Callable[..., None], *arguments: Any) -> None:
        try:
            callback(*arguments)
        except Exception as error:
            self.hook_failed(getattr(callback, "__qualname__", "flush"), error)

    def _losses(self) -> list[bytes]:
        """What the parent does not know yet of records dropped and of parts that raised."""
        frames: list[bytes] = []
        if self.dropped or TABLES.overflows:
            lost, self.dropped, TABLES.overflows = self.dropped + TABLES.overflows, 0, 0
            frames.append(encode(DROPPED, _integers(lost)))
        for hook, count in list(self.failures.items()):
            if count != self._told.get(hook):
                self._told[hook] = count
                frames.append(encode_json(FAILED, {"hook": hook, "error": self.failed[hook], "count": count}))
        return frames

    def _connect(self) -> None:
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        # The parent's backlog takes it at once; a request is waiting.
        connection.settimeout(_CONNECT_SECONDS)
        connection.connect(self._path)
        connection.settimeout(None)
        connection.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF, 1 << 20)
        self._socket = connection

    def _hello(self) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "parent": os.getppid(),
            "python": sys.version.split()[0],
            "argv": list(getattr(sys, "orig_argv", sys.argv)),
            "frameworks": _frameworks(),
        }

    def _send(self, acknowledge: bool = False) -> None:
        now = monotonic_ns()
        for callback in self.at_flush:
            self._call(callback, now, acknowledge)
        queue = self._queue
        records: list[bytes] = []
        while queue:
            records.append(queue.popleft())
        # Names are entered before the record that uses them is queued, so taking them after the records is enough.
        names = TABLES.take_pending()
        try:
            head: list[bytes] = [encode_json(NAMES, names[at : at + 500]) for at in range(0, len(names), 500)]
        except Exception:
            self.dropped += len(records)
            raise
        head += self._losses()
        if acknowledge:
            records.append(encode(ACKNOWLEDGE, b""))
        if head or records:
            self._socket.sendall(b"".join(head + records))

    def _give_up(self) -> None:
        self.open = False
        self._queue.clear()
        connection, self._socket = self._socket, None
        if connection is not None:
            try:
                connection.close()
            except OSError:
                # It is closed all the same, and whom it could be told is on its other end.
                pass

    def after_fork(self) -> None:
        """In a forked child: a connection and names of its own."""
        try:
            connection, self._socket = self._socket, None
            if connection is not None:
                os.close(connection.detach())
        except OSError:
            # The service has closed all descriptors of its child already.
            pass
        self._queue = deque()
        self._lock = allocate_lock()
        self._sending = allocate_lock()
        self._started = False
        self.dropped = 0
        self._told = {}
        TABLES.start_over()


def _integers(*numbers: int) -> bytes:
    from array import array

    return array("q", numbers).tobytes()


_KNOWN = {
    "fastapi": "FastAPI",
    "starlette": "Starlette",
    "django": "Django",
    "flask": "Flask",
    "uvicorn": "uvicorn",
    "gunicorn": "gunicorn",
    "sqlalchemy": "SQLAlchemy",
    "aiosqlite": "aiosqlite",
    "asyncpg": "asyncpg",
    "psycopg": "psycopg",
    "sqlite3": "SQLite",
}


def _frameworks() -> list[str]:
    """Names and versions of the known libraries this process has imported."""
    found = []
    for module_name, name in _KNOWN.items():
        module = sys.modules.get(module_name)
        if module is None:
            continue
        version = (
            getattr(module, "sqlite_version", None)
            if module_name == "sqlite3"
            else getattr(module, "__version__", None)
        )
        if module_name == "flask":
            version = _installed_version("flask")
        found.append(f"{name} {version}" if isinstance(version, str) else name)
    return found


def _installed_version(distribution: str) -> str | None:
    try:
        from importlib.metadata import version

        return version(distribution)
    except Exception:
        # Whatever its metadata lacks: it is named without a version.
        return None


CHANNEL = Channel(os.environ.get(ENVIRONMENT_KEY, ""))
os.register_at_fork(after_in_child=CHANNEL.after_fork)
