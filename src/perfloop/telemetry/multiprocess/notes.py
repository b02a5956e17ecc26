"""Short notes that processes of a service leave for each other: the last few of each, beside its counts.

A file of slots that are written in turn. Each begins with a checksum, so that a note that is half written, or that
somebody else wrote, is no note. What they mean is the business of those who leave and read them.
"""

from __future__ import annotations

import fcntl
import os
import time
import zlib
from typing import TYPE_CHECKING

from .directory import create, lock, open_ours

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["LONGEST", "Notes", "read_notes", "remove_old"]

_SUFFIX = ".notes"
_SLOT = 2048
_SLOTS = 32
_HEAD = 8
LONGEST = _SLOT - _HEAD
"""Bytes of a note at most."""
_OLD_SECONDS = 600.0


class Notes:
    """The notes of this process.

    Args:
        directory: that the processes share.

    Raises:
        OSError: no file can be made there.
    """

    def __init__(self, directory: Path) -> None:
        self.descriptor, path = create(directory, _SUFFIX)
        self.name = path.name
        self._next = 0

    def leave(self, note: bytes) -> None:
        """Write a note in the place of the oldest; one that is longer than `LONGEST` is left out.

        Raises:
            OSError: there is no room.
        """
        if len(note) > LONGEST:
            return
        slot, self._next = self._next, (self._next + 1) % _SLOTS
        head = zlib.crc32(note).to_bytes(4, "little") + len(note).to_bytes(4, "little")
        os.pwrite(self.descriptor, head + note, slot * _SLOT)


def read_notes(directory: Path, *, without: str = "") -> list[bytes]:
    """The notes of all processes, in no order.

    Args:
        directory: that the processes share.
        without: name of a file to leave out.
    """
    return [
        note
        for path, descriptor in _files(directory)
        if path.name != without
        for note in _parse(os.pread(descriptor, _SLOT * _SLOTS, 0))
    ]


def remove_old(directory: Path) -> None:
    """Remove the notes of processes that have ended and left none for ten minutes."""
    for path, descriptor in _files(directory):
        if time.time() - os.fstat(descriptor).st_mtime > _OLD_SECONDS and lock(descriptor, fcntl.LOCK_SH):
            path.unlink(missing_ok=True)


def _files(directory: Path) -> Iterator[tuple[Path, int]]:
    try:
        names = [name for name in os.listdir(directory) if name.endswith(_SUFFIX)]  # noqa: PTH208
    except OSError:  # whoever reads the counts says so
        return
    for name in names:
        descriptor = open_ours(directory / name)
        if descriptor is not None:
            try:
                yield directory / name, descriptor
            finally:
                os.close(descriptor)


def _parse(data: bytes) -> list[bytes]:
    notes = []
    for start in range(0, len(data), _SLOT):
        checksum, length = data[start : start + 4], int.from_bytes(data[start + 4 : start + _HEAD], "little")
        note = data[start + _HEAD : start + _HEAD + min(length, LONGEST)]
        if note and zlib.crc32(note).to_bytes(4, "little") == checksum:
            notes.append(note)
    return notes
