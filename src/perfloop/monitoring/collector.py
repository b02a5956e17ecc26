"""Receives what the agents of one service send: raw frames now, observations when they are asked for.

A diagnosis asks for `observations` of one phase or another, so all frames are kept; a monitor `take`s what is new, and
nothing is kept but names.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from typing import TYPE_CHECKING

from ..agent.protocol import ACKNOWLEDGE, FLUSH, FrameReader, ProtocolError
from .decoding import ServiceDecoder, merge_processes

if TYPE_CHECKING:
    from pathlib import Path

    from .observations import Observations

__all__ = ["Collector"]

_CHUNK = 1 << 18
_ACCEPT_SECONDS = 0.01
"""An agent connects during its first request: give our thread the moment to accept it."""
_LIMIT = 512 * 1024 * 1024
_FRAME_COST = 64
_MOST_NOTES = 100


class _Connection:
    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.reader = FrameReader()
        self.frames: list[tuple[int, bytes]] = []
        self.acknowledged = 0
        self.open = True


class Collector:
    """Listens on a private unix socket with one thread of its own.

    Args:
        path: where to create the socket; its directory is private to this user.
        limit: bytes of records to keep; beyond it they are counted as dropped.
    """

    def __init__(self, path: Path, *, limit: int = _LIMIT) -> None:
        self.path = path
        self.notes: list[str] = []
        """What went wrong on a connection, in words."""
        self._limit = limit
        self._held = 0
        self._dropped = 0
        self._connections: list[_Connection] = []
        self._accepted = 0
        self._decoder = ServiceDecoder()
        self._changed = threading.Condition()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._listener.bind(str(path))
        except OSError:
            self._listener.close()
            raise
        self._listener.listen(128)
        self._listener.setblocking(False)
        self._wake, self._woken = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="perfloop collector", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening; the agents notice and go quiet. What was received stays."""
        if self._thread.is_alive():
            with contextlib.suppress(OSError):
                self._wake.send(b"x")
            self._thread.join()
        for connection in self._connections:
            connection.socket.close()
        for each in (self._listener, self._wake, self._woken):
            each.close()
        self.path.unlink(missing_ok=True)

    def wait_agent(self, timeout: float) -> bool:
        """Wait until an agent has connected; False when none did within `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._accepted > 0, timeout)

    def flush(self, timeout: float = 2.0) -> bool:
        """Ask every agent for what it has gathered, and wait until it is here.

        False when an agent did not answer within `timeout` seconds: stuck, or stopped by its service's own load.
        """
        time.sleep(_ACCEPT_SECONDS)
        with self._changed:
            asked = [(each, each.acknowledged) for each in self._connections if each.open]
        waiting: list[tuple[_Connection, int]] = []
        for connection, before in asked:
            with contextlib.suppress(OSError):
                connection.socket.send(FLUSH)
                waiting.append((connection, before))
        deadline = time.monotonic() + timeout
        with self._changed:
            while any(each.open and each.acknowledged == before for each, before in waiting):
                rest = deadline - time.monotonic()
                if rest <= 0:
                    return False
                self._changed.wait(rest)
        return True

    def observations(self, since: float = 0.0) -> Observations:
        """Decode everything received that ended at or after `since` (seconds, monotonic clock)."""
        with self._changed:
            processes = [list(each.frames) for each in self._connections]
            dropped = self._dropped
        observations, notes = merge_processes(processes, int(since * 1e9))
        self._note(*notes)
        observations.dropped += dropped
        return observations

    def take(self) -> Observations:
        """What has been received since the last call; its frames are let go of, and `observations` has them no more.

        Statements and sites are all that are known so far: what a request's numbers mean is to be looked up at once.
        """
        with self._changed:
            batches: list[tuple[_Connection, list[tuple[int, bytes]]]] = []
            for connection in self._connections:
                batches.append((connection, connection.frames))
                connection.frames = []
            self._held = 0
            self._connections = [each for each in self._connections if each.open]
            ended = [each for each, _ in batches if not each.open]
            dropped, self._dropped = self._dropped, 0
        observations, notes = self._decoder.decode(batches)
        for connection in ended:
            self._decoder.forget(connection)
        self._note(*notes)
        observations.dropped += dropped
        return observations

    def _note(self, *notes: str) -> None:
        self.notes += [note for note in notes if note not in self.notes][: max(_MOST_NOTES - len(self.notes), 0)]

    @property
    def agents(self) -> int:
        """Connections accepted so far."""
        return self._accepted

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._woken:
                    self._selector.close()
                    return
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    self._receive(key.data)

    def _accept(self) -> None:
        try:
            accepted, _ = self._listener.accept()
        except OSError:
            return
        accepted.setblocking(False)
        connection = _Connection(accepted)
        with self._changed:
            self._connections.append(connection)
            self._accepted += 1
            self._changed.notify_all()
        self._selector.register(accepted, selectors.EVENT_READ, connection)

    def _receive(self, connection: _Connection) -> None:
        try:
            data = connection.socket.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        frames: list[tuple[int, bytes]] = []
        if data:
            try:
                frames = connection.reader.feed(data)
            except ProtocolError as error:
                self._note(f"an agent's stream is damaged and was closed: {error}")
                data = b""
        with self._changed:
            for kind, payload in frames:
                if kind == ACKNOWLEDGE:
                    connection.acknowledged += 1
                elif self._held + len(payload) > self._limit:
                    self._dropped += 1
                else:
                    self._held += len(payload) + _FRAME_COST
                    connection.frames.append((kind, payload))
            if not data:
                connection.open = False
                self._selector.unregister(connection.socket)
                connection.socket.close()
            if frames or not data:
                self._changed.notify_all()
