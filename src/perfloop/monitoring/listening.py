"""Which sockets the processes of a service listen on."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Listener", "listeners", "marked_processes", "process_tree"]


class Listener(Struct, frozen=True, order=True):
    """A listening socket: host and port, or the path of a unix socket."""

    port: int
    host: str
    path: str | None = None


def process_tree(pid: int) -> list[int]:
    """The process and all its descendants, and what is left of its session; those that still run."""
    found: dict[int, None] = {}
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        if root.status() != psutil.STATUS_ZOMBIE:
            found[pid] = None
        for child in root.children(recursive=True):
            found[child.pid] = None
    for other in psutil.pids():
        with contextlib.suppress(OSError):
            if other not in found and os.getsid(other) == pid:
                with contextlib.suppress(psutil.Error):
                    if psutil.Process(other).status() != psutil.STATUS_ZOMBIE:
                        found[other] = None
    return list(found)


def marked_processes(marker: str) -> list[int]:
    """The processes of this user that run with `marker`, a `NAME=value`, in their environment (Linux).

    A daemon leaves its parent and its session; the environment it was started with goes along.
    """
    wanted = marker.encode()
    found: list[int] = []
    for pid in psutil.pids():
        with contextlib.suppress(OSError):
            if wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.append(pid)
    return found


def listeners(pids: Iterable[int], *, exclude: str | None = None) -> list[Listener]:
    """Listening TCP sockets by port, then unix sockets with a path; `exclude` is a path that does not count."""
    tcp: set[Listener] = set()
    unix: set[Listener] = set()
    paths = _unix_listeners()
    for pid in pids:
        with contextlib.suppress(psutil.Error, OSError):
            for connection in psutil.Process(pid).net_connections(kind="tcp"):
                if connection.status == psutil.CONN_LISTEN and connection.laddr:
                    tcp.add(Listener(connection.laddr.port, _reachable(connection.laddr.ip)))
            if paths:
                unix.update(
                    Listener(0, "", paths[inode])
                    for inode in _socket_inodes(pid)
                    if paths.get(inode, exclude) != exclude
                )
    return sorted(tcp) + sorted(unix)


def _reachable(address: str) -> str:
    unspecified = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
    return unspecified.get(address, address)


def _unix_listeners() -> dict[str, str]:
    """Inode → path of the listening unix sockets of this machine (Linux)."""
    try:
        lines = Path("/proc/net/unix").read_text().splitlines()[1:]
    except OSError:
        return {}
    found: dict[str, str] = {}
    for line in lines:
        fields = line.split(maxsplit=7)
        # The flag says that the socket accepts connections.
        if len(fields) == 8 and int(fields[3], 16) & 0x10000 and fields[7].startswith("/"):
            found[fields[6]] = fields[7]
    return found


def _socket_inodes(pid: int) -> list[str]:
    found: list[str] = []
    directory = Path(f"/proc/{pid}/fd")
    for entry in directory.iterdir():
        with contextlib.suppress(OSError):
            target = str(entry.readlink())
            if target.startswith("socket:["):
                found.append(target[8:-1])
    return found
