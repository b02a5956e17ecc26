"""What SQLite refuses, said so that somebody can do something about it."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from ...exceptions import LevelFailed

__all__ = ["failure"]

_WRITE_LOCK_BYTE = "120"
"""Of the shared-memory file: https://www.sqlite.org/walformat.html#wal_locks"""


def failure(error: sqlite3.Error, path: Path, timeout: float, name: str) -> LevelFailed:
    """The error of a level for an error of SQLite.

    Args:
        timeout: seconds that a lock was waited for.
        name: of the level.
    """
    where = f"{name}: {path}"
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return LevelFailed(
            f"The file was locked for longer than {timeout:g} s{_holder(path)}",
            where=where,
            hint="end who holds it, or wait longer with `timeout`",
        )
    message, hint = {
        sqlite3.SQLITE_FULL: ("The disk is full", "make room on it, or bound the file with `max_bytes`"),
        sqlite3.SQLITE_READONLY: (
            "The file cannot be written to",
            f"let user {os.geteuid()} write it and its directory",
        ),
        sqlite3.SQLITE_CANTOPEN: (
            "The file cannot be opened",
            "look whether its directory exists and whether this user may write there",
        ),
        sqlite3.SQLITE_NOTADB: ("Expected a file of SQLite, got another one", "give the level another `path`"),
        sqlite3.SQLITE_CORRUPT: ("The file is damaged", "stop all who use it, and remove it: it is only a cache"),
    }.get(code, (f"SQLite refuses: {error}", None))
    return LevelFailed(message, where=where, hint=hint)


def _holder(path: Path) -> str:
    """Who writes, where the system tells it, for a message."""
    try:
        memory = Path(f"{path}-shm").stat().st_ino
        file = path.stat().st_ino
        for line in Path("/proc/locks").read_text().splitlines():
            _, kind, _, access, process, place, start, *_ = line.replace("-> ", "").split()
            inode = int(place.rpartition(":")[2])
            if access != "WRITE" or kind not in {"POSIX", "OFDLCK"}:
                continue
            if (inode == memory and start == _WRITE_LOCK_BYTE) or inode == file:
                if int(process) == os.getpid():
                    return " by another thread of this process"
                command = Path(f"/proc/{process}/comm").read_text().strip()
                return f" by process {process} ({command})"
    except (OSError, ValueError):  # it may have ended meanwhile; not every system tells
        pass
    return ""
