"""A backplane for the processes of one host: a datagram socket each, in a directory of their user's."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import socket
import stat
import tempfile
import weakref
from pathlib import Path

from ...clock import MONOTONIC, Clock
from ...exceptions import InvalidValue, LevelFailed
from ..effects import Call, Program, Sleep
from .listening import ListeningBackplane

__all__ = ["UnixBackplane"]

_LARGEST = 60_000
_LONGEST_PATH = 100
"""Bytes; systems allow 104 to 108."""
_PAUSES = (0.001, 0.002, 0.004, 0.008)
"""Seconds between tries where a receiver's queue is full: Linux holds ten messages by default."""

_RECEIVING: weakref.WeakSet[socket.socket] = weakref.WeakSet()


def _close_inherited() -> None:
    """A parent's socket that a child held open would take messages for ever after the parent has died."""
    for inherited in list(_RECEIVING):
        inherited.close()


os.register_at_fork(after_in_child=_close_inherited)


class UnixBackplane(ListeningBackplane):
    """Tells the other processes of this user on this host; one thread listens. No server is needed.

    Args:
        directory: where the sockets are, which only this user may enter; made where there is none. By default one in
            the directory of temporary files.
        namespace: what the processes have in common.
        name: in messages and telemetry.
        deaf_after: seconds without hearing itself after which a process distrusts what it has.

    Raises:
        InvalidValue: the directory's path is too long for sockets.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | None = None,
        *,
        namespace: str = "",
        name: str = "unix",
        deaf_after: float = 3.0,
        clock: Clock = MONOTONIC,
    ) -> None:
        base = Path(tempfile.gettempdir(), f"perfloop-{os.geteuid()}") if directory is None else Path(directory)
        digest = hashlib.blake2b(namespace.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        self._sockets = _Sockets(base.absolute(), digest, name)
        super().__init__(
            name,
            open_channel=lambda: _Receiver(self._sockets),
            send=self._send_payload,
            largest=_LARGEST,
            deaf_after=deaf_after,
            clock=clock,
        )

    def close(self) -> None:
        """See `Backplane.close`."""
        super().close()
        self._sockets.close()

    def _send_payload(self, payload: bytes) -> Program[None]:
        full: list[str] = yield Call(self._sockets, (payload, None))
        full = [path for path in full if path not in self._sockets.stuck]
        for pause in _PAUSES:
            if not full:
                return
            yield Sleep(pause)
            full = yield Call(self._sockets, (payload, full))
        self._sockets.stuck.update(full)  # they will find a gap; nobody waits for them again until they take something


class _Sockets:
    """All sockets of a namespace."""

    def __init__(self, base: Path, digest: str, name: str) -> None:
        self._base = base
        self.directory = base / digest
        self.where = f"{name}: {self.directory}"
        self.stuck: set[str] = set()
        if len(os.fsencode(self.directory)) + 20 > _LONGEST_PATH:
            raise InvalidValue(
                f"Expected a directory whose path has at most {_LONGEST_PATH - 20 - len(digest) - 1} bytes",
                got=str(base),
                hint="sockets have short paths; give the backplane another `directory`",
            )
        self._mouth: socket.socket | None = None

    def prepare(self) -> None:
        """Make the directories where there are none.

        Raises:
            LevelFailed: they are not this user's alone.
        """
        try:
            for directory in (self._base, self.directory):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._check()
        except OSError as error:
            raise LevelFailed(f"The directory cannot be made: {error.strerror}", where=self.where) from error

    def _check(self) -> None:
        """Whatever is found there is told what changes, and removed if nobody answers.

        Raises:
            LevelFailed: a directory is not this user's alone, or a link: it leads to what is no socket of ours.
            FileNotFoundError: there is none.
        """
        for directory in (self._base, self.directory):
            found = directory.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
                raise LevelFailed(
                    f"Expected a directory that user {os.geteuid()} owns and nobody else may enter",
                    got=f"{stat.filemode(found.st_mode)} of user {found.st_uid}",
                    where=f"{self.where.partition(':')[0]}: {directory}",
                    hint="chmod 700, or give the backplane another `directory`",
                )

    def send(self, request: tuple[bytes, list[str] | None]) -> list[str]:
        """Send a payload to these sockets, or to all; those that can take nothing now."""
        payload, to = request
        return [path for path in (self._all() if to is None else to) if self._is_full(path, payload)]

    async def send_async(self, request: tuple[bytes, list[str] | None]) -> list[str]:
        return self.send(request)  # nothing in it waits

    def close(self) -> None:
        """Leave no socket open; sending opens one again."""
        mouth, self._mouth = self._mouth, None
        if mouth is not None:
            mouth.close()

    def _opened(self) -> socket.socket:
        mouth = self._mouth
        if mouth is None:
            try:
                mouth = self._mouth = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            except OSError as error:
                raise LevelFailed(f"No socket can be made: {error.strerror}", where=self.where) from error
            mouth.setblocking(False)
        return mouth

    def _all(self) -> list[str]:
        try:
            self._check()
            return [entry.path for entry in os.scandir(self.directory) if not entry.name.startswith(".")]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise LevelFailed(f"The directory cannot be read: {error.strerror}", where=self.where) from error

    def _is_full(self, path: str, payload: bytes) -> bool:
        try:
            self._opened().sendto(payload, path)
        except (ConnectionRefusedError, FileNotFoundError):  # it has died, or closed just now
            with contextlib.suppress(OSError):
                if stat.S_ISSOCK(os.lstat(path).st_mode):  # nothing else is ours to remove
                    Path(path).unlink()
            self.stuck.discard(path)
            return False
        except OSError as error:
            if error.errno in {errno.EAGAIN, errno.ENOBUFS}:
                return True
            raise LevelFailed(f"A process cannot be told: {error.strerror}", where=path) from error
        self.stuck.discard(path)
        return False


class _Receiver:
    """This process' socket."""

    def __init__(self, sockets: _Sockets) -> None:
        self._sockets = sockets
        sockets.prepare()
        self._path = sockets.directory / secrets.token_hex(8)
        self._ears = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        _RECEIVING.add(self._ears)
        try:
            self._ears.bind(str(self._path))
        except OSError as error:
            self.close()
            raise LevelFailed(f"No socket can be made: {error.strerror}", where=sockets.where) from error

    def send(self, payload: bytes) -> None:
        self._sockets.send((payload, None))

    def receive(self, timeout: float) -> bytes | None:
        try:
            self._ears.settimeout(max(timeout, 0.001))
            return self._ears.recv(2 * _LARGEST)
        except TimeoutError:
            return None
        except OSError as error:
            raise LevelFailed(f"The socket is gone: {error.strerror}", where=self._sockets.where) from error

    def close(self) -> None:
        self._ears.close()
        with contextlib.suppress(OSError):
            self._path.unlink()
