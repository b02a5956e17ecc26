"""Files of outcomes: a record in JSON on the first line, then calls in packed blocks, each with its checksum."""

from __future__ import annotations

import os
import struct
import sys
import zlib
from array import array
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import msgspec

from ...exceptions import RecordTooNew, UnreadableRecord
from ...records import SCHEMA_VERSION, OutcomesRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["REJECTED", "SUFFIX", "Call", "OutcomeFile", "append_calls", "read_outcome_file", "write_all"]

REJECTED = 3
"""Beside SUCCESS, FAILURE and IGNORED: a part further inside did not let the call begin, so nobody knows."""
SUFFIX = ".outcomes"
Call = tuple[float, float, int]
"""Began (seconds of the recorder's clock), took (seconds), outcome."""

_BLOCK = struct.Struct("<4sIIIq")
"""Magic, calls, bytes packed, calls that were lost before, when the first began (µs)."""
_SUM = struct.Struct("<I")
_MAGIC = b"PLOB"
_LONGEST_HEAD = 65_536
_MOST_CALLS = 1_000_000
_LATEST = 1e11
"""Seconds since 1970, some 3,000 years."""
_MOST_MICROSECONDS = 2**32 - 1


class OutcomeFile(NamedTuple):
    """What one file holds, as far as it can be read."""

    path: Path
    head: OutcomesRecord
    started: array[int]
    """Microseconds of the recorder's clock, in the order in which calls ended."""
    took: array[int]
    """Microseconds, at most 71 minutes."""
    outcomes: bytes
    lost: int
    """Calls that the recorder dropped."""
    damage: str | None
    """Where reading stopped before the end, and why."""


def append_calls(file: BinaryIO, calls: Sequence[Call], lost: int) -> None:
    """Write calls as one block.

    Args:
        file: open for writing, unbuffered; its head is written.
        calls: at most a million.
        lost: calls that were dropped since the last block.

    Raises:
        OSError: it cannot be written.
    """
    started = array("q", [round(began * 1e6) for began, _, _ in calls])
    base = started[0] if started else 0
    steps = array("q", [now - before for before, now in zip([base, *started], started, strict=False)])
    took = array("I", [min(max(round(seconds * 1e6), 0), _MOST_MICROSECONDS) for _, seconds, _ in calls])
    outcomes = bytes([outcome for _, _, outcome in calls])
    # Far-apart bytes of numbers are alike: by columns of bytes they pack to a half.
    packed = zlib.compress(_columns(steps) + _columns(took) + outcomes, 1)
    head = _BLOCK.pack(_MAGIC, len(calls), len(packed), lost, base)
    write_all(file, head + packed + _SUM.pack(zlib.crc32(packed, zlib.crc32(head))))


def write_all(file: BinaryIO, data: bytes) -> None:
    """Write to an unbuffered file: what waited in a buffer, a forked process would write once more.

    Raises:
        OSError: it cannot be written.
    """
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def read_outcome_file(path: str | os.PathLike[str]) -> OutcomeFile:
    """Read a file up to its end, or up to where it is damaged.

    Raises:
        UnreadableRecord: it cannot be read, or its first line is no head of one.
        RecordTooNew: written by a newer perfloop.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            return _read(path, file)
    except OSError as error:
        raise UnreadableRecord(
            f"Expected a file of outcomes, but it cannot be read: {error.strerror}", where=str(path)
        ) from error


def _read(path: Path, file: BinaryIO) -> OutcomeFile:
    head = _head(path, file.readline(_LONGEST_HEAD))
    started, took, outcomes, lost = array("q"), array("I"), bytearray(), 0
    damage = None
    while True:
        at = file.tell()
        block = file.read(_BLOCK.size)
        if not block:
            break
        found = _block(block, file)
        if isinstance(found, str):
            size = os.fstat(file.fileno()).st_size
            damage = f"{found} at byte {at:,}: the last {size - at:,} bytes are left out"
            break
        block_started, block_took, block_outcomes, block_lost = found
        started += block_started
        took += block_took
        outcomes += block_outcomes
        lost += block_lost
    return OutcomeFile(path, head, started, took, bytes(outcomes), lost, damage)


def _head(path: Path, line: bytes) -> OutcomesRecord:
    try:
        head = msgspec.json.decode(line, type=_Version)
        if head.schema_version > SCHEMA_VERSION:
            raise RecordTooNew(
                f"Expected outcomes of schema version {SCHEMA_VERSION} or older",
                got=head.schema_version,
                where=str(path),
            )
        record = msgspec.json.decode(line, type=OutcomesRecord)
        if not 0 <= record.epoch < _LATEST:
            raise msgspec.ValidationError("`epoch` is no moment")
        return record
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableRecord(
            f"Expected the first line of a file of outcomes: {error}",
            where=str(path),
            hint="an OutcomeRecorder writes such files",
        ) from error


def _block(start: bytes, file: BinaryIO) -> str | tuple[array[int], array[int], bytes, int]:
    if len(start) < _BLOCK.size:
        return "cut off"
    magic, count, size, lost, base = _BLOCK.unpack(start)
    if magic != _MAGIC or count > _MOST_CALLS or size > 16 * count + 64:
        return "no block"
    rest = file.read(size + _SUM.size)
    if len(rest) < size + _SUM.size:
        return "cut off"
    packed = rest[:size]
    if _SUM.unpack(rest[size:])[0] != zlib.crc32(packed, zlib.crc32(start)):
        return "a wrong checksum"
    reader = zlib.decompressobj()
    try:
        plain = reader.decompress(packed, 13 * count + 1)
    except zlib.error:
        return "not unpacked"
    if len(plain) != 13 * count or max(plain[12 * count :], default=0) > REJECTED:
        return "wrong figures"
    # The first step is 0: it is counted from the first call.
    steps = _numbers("q", plain[: 8 * count])
    try:
        started = array("q", list(accumulate(steps, initial=base))[1:])
    except OverflowError:
        return "wrong figures"
    return started, _numbers("I", plain[8 * count : 12 * count]), plain[12 * count :], lost


def _columns(numbers: array[int]) -> bytes:
    """The numbers, little-endian: all first bytes, then all second ones …"""
    if sys.byteorder == "big":
        numbers.byteswap()
    data = numbers.tobytes()
    return b"".join(data[column :: numbers.itemsize] for column in range(numbers.itemsize))


def _numbers(kind: Any, columns: bytes) -> array[int]:
    numbers = array(kind)
    width = numbers.itemsize
    count = len(columns) // width
    data = bytearray(len(columns))
    for column in range(width):
        data[column::width] = columns[column * count : (column + 1) * count]
    numbers.frombytes(data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


class _Version(msgspec.Struct, frozen=True):
    schema_version: int
