"""A process' counts as a file: numbers that are changed in place, and what each of them counts.

The file begins with a header; records of 16 bytes follow, appended and never moved:

- a cell: number of its series (1 or more), index of the cell in the series, and the value, an 8-byte double;
- a definition: `_DEFINITION`, the length of the JSON that follows in whole records, and the number it defines. Number 0
  holds the names of the files whose counts this one has taken over.

The first record of zeros is the end. A definition's text is written before its head, and a cell is defined before it is
used, so whoever reads while it grows, or after its writer was killed, sees whole records only. Bytes are in the
machine's order: the file is for processes of one machine.
"""

from __future__ import annotations

import math
import mmap
import os
import struct
from collections import defaultdict
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ...exceptions import InvalidValue
from ..histogram import cell_bounds
from ..names import check_label_names, check_name
from ..snapshots import Kind, Merge  # noqa: TC001  (msgspec reads them)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["FORGOTTEN", "NOWHERE", "SUM", "CellWriter", "Definition", "Recorded", "check", "encode", "parse", "read"]

_MAGIC = b"perfloop metrics"
_RECORD = struct.Struct("=Iid")
_DEFINITION = 0xFFFF_FFFF
FORGOTTEN = 0xFFFF_FFFE
"""The series of cells that are read no more."""
_LARGEST = 64 << 20
"""Bytes a file may grow to, 4 million cells. Only what is used takes space."""
_CHUNK = 64 << 10
SUM = -1
"""Index of the cell that holds a histogram's sum."""
NOWHERE = len(_MAGIC) // 8 + 1
"""The place of cells that found no room: its record is the first, and belongs to series `FORGOTTEN`."""


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """What a series counts."""

    name: str
    kind: Kind
    description: str
    unit: str
    label_names: tuple[str, ...]
    merge: Merge
    labels: tuple[str, ...]
    buckets: tuple[float, ...] = ()
    """Of histograms."""


class Recorded(NamedTuple):
    """What a file holds."""

    series: list[tuple[Definition, dict[int, float]]]
    """Each series with its cells: value by index, those of several threads added."""
    merged: frozenset[str]
    """Names of the files that are in this one already."""


class CellWriter:
    """Appends to a file, or to memory that nobody else sees. Not safe from several threads: the caller has a lock.

    Safe from itself: a finaliser or a signal handler may append while the same thread is doing so. Each claims its
    place before it writes there.

    Args:
        descriptor: of an empty file, open for reading and writing; -1 for memory.
        largest: bytes it may grow to.

    Raises:
        OSError: the file cannot be mapped, or there is no room on its disk.
    """

    def __init__(self, descriptor: int, *, largest: int = _LARGEST) -> None:
        self._descriptor = descriptor
        self._largest = largest
        if descriptor >= 0:
            os.ftruncate(descriptor, largest)
        self._map = mmap.mmap(descriptor, largest)
        self._reserved = 0
        self._end = len(_MAGIC) + _RECORD.size
        self._series = 0
        self._reserve(self._end)
        self._map[: len(_MAGIC)] = _MAGIC
        _RECORD.pack_into(self._map, len(_MAGIC), FORGOTTEN, 0, 0.0)
        self.values = memoryview(self._map).cast("d")
        """All values, by the place that `cell` gave; the other half of each record lies between them."""

    def _reserve(self, end: int) -> None:
        """Have room on the disk up to `end`, and a chunk more for who comes between, and for the zeros at the end."""
        while self._reserved < end + _CHUNK:
            start = self._reserved
            if start + _CHUNK > self._largest:
                raise OSError(f"it holds {self._largest >> 20} MiB already")
            self._reserved = start + _CHUNK
            if self._descriptor >= 0:
                try:
                    # Not through the map: where the disk is full, this is an error, and that would be SIGBUS.
                    os.pwrite(self._descriptor, bytes(_CHUNK), start)
                except OSError:
                    self._reserved = start
                    raise

    def _claim(self, size: int) -> int:
        """The beginning of so many bytes, which nobody else gets."""
        self._reserve(self._end + size)
        start = self._end
        self._end = start + size
        return start

    def define(self, definition: Definition) -> int:
        """The number of a new series.

        Raises:
            OSError: there is no room.
        """
        self._series = number = self._series + 1
        self._define(msgspec.json.encode(definition), number)
        return number

    def take_over(self, names: Sequence[str]) -> None:
        """Say that the counts of these files are in this one."""
        self._define(msgspec.json.encode(list(names)), 0)

    def _define(self, text: bytes, number: int) -> None:
        records = -(-len(text) // _RECORD.size)
        head = self._claim((1 + records) * _RECORD.size)
        start, end = head + _RECORD.size, head + (1 + records) * _RECORD.size
        self._map[start:end] = text.ljust(end - start)
        _RECORD.pack_into(self._map, head, _DEFINITION, records, float(number))

    def cell(self, series: int, index: int, value: float = 0.0) -> int:
        """The place in `values` of a new cell of a series.

        Raises:
            OSError: there is no room.
        """
        start = self._claim(_RECORD.size)
        _RECORD.pack_into(self._map, start, series, index, value)
        return start // 8 + 1

    def forget(self, place: int) -> None:
        """Count a cell no more."""
        struct.pack_into("=I", self._map, (place - 1) * 8, FORGOTTEN)

    def written(self) -> bytes:
        """The file so far."""
        return self._map[: self._end]

    def close(self) -> None:
        """Let go of the memory. Nothing may be stored any more."""
        self.values.release()
        self._map.close()


def encode(series: Iterable[tuple[Definition, dict[int, float]]], merged: Sequence[str]) -> bytes:
    """A whole file.

    Raises:
        OSError: it would be larger than a file may be.
    """
    writer = CellWriter(-1)
    try:
        writer.take_over(merged)
        for definition, cells in series:
            number = writer.define(definition)
            for index, value in cells.items():
                writer.cell(number, index, value)
        return writer.written()
    finally:
        writer.close()


def read(descriptor: int) -> bytes:
    """The used part of a file, which may still be growing."""
    data = bytearray()
    while len(data) <= _LARGEST and (chunk := os.pread(descriptor, _CHUNK, len(data))):
        data += chunk
        if not any(chunk[-_RECORD.size :]):
            break
    return bytes(data)


def parse(data: bytes) -> Recorded:
    """What a file holds.

    Raises:
        InvalidValue: this is no such file, or it is damaged.
    """
    if len(data) > _LARGEST:
        raise InvalidValue(f"Expected a file of at most {_LARGEST >> 20} MiB")
    if not data.startswith(_MAGIC):
        raise InvalidValue("Expected a file of perfloop's metrics", got=data[: len(_MAGIC)])
    definitions: dict[int, Definition] = {}
    cells: defaultdict[int, defaultdict[int, float]] = defaultdict(lambda: defaultdict(float))
    merged: list[str] = []
    at = len(_MAGIC)
    try:
        while at + _RECORD.size <= len(data):
            series, index, value = _RECORD.unpack_from(data, at)
            at += _RECORD.size
            if series == _DEFINITION:
                text = data[at : at + index * _RECORD.size]
                at += len(text)
                if value:
                    definitions[int(value)] = msgspec.json.decode(text, type=Definition)
                else:
                    merged += msgspec.json.decode(text, type=list[str])
            elif not series:
                break
            elif series != FORGOTTEN:
                cells[series][index] += value
        # A definition without cells is that of a series that was forgotten, or of one that is being made.
        found = [(definition, dict(cells[number])) for number, definition in definitions.items() if number in cells]
    except (msgspec.DecodeError, ValueError, OverflowError) as error:
        raise InvalidValue(f"Expected a whole file of perfloop's metrics: {error}") from error
    return Recorded(series=found, merged=frozenset(merged))


def check(recorded: Recorded) -> None:
    """Refuse what no instrument would have counted.

    Raises:
        InvalidValue: a name that a registry does not take, labels that do not fit, counts that cannot be.
    """
    for definition, cells in recorded.series:
        _check_shape(definition.name, definition.label_names, definition.buckets)
        _check_cells(definition, cells)


@lru_cache(maxsize=4096)
def _check_shape(name: str, label_names: tuple[str, ...], buckets: tuple[float, ...]) -> None:
    check_name(name)
    check_label_names(label_names, name)
    if not all(map(math.isfinite, buckets)) or any(low >= high for low, high in pairwise(buckets)):
        raise InvalidValue("Expected buckets that rise", where=name)


def _check_cells(definition: Definition, cells: dict[int, float]) -> None:
    if len(definition.labels) != len(definition.label_names):
        raise InvalidValue("Expected a value for each label", got=len(definition.labels), where=definition.name)
    if definition.kind == "gauge":
        return
    counts = cells
    if definition.kind == "histogram":
        if not definition.buckets:
            raise InvalidValue("Expected a histogram with buckets", where=definition.name)
        counts = {index: count for index, count in cells.items() if index != SUM}
        if any(not 0 <= index <= len(cell_bounds(definition.buckets)) for index in counts):
            raise InvalidValue("Expected cells within the histogram", where=definition.name)
    infinite = definition.kind == "counter"
    if any(not 0 <= count < math.inf and not (infinite and count == math.inf) for count in counts.values()):
        raise InvalidValue("Expected counts of 0 or more", where=definition.name)
