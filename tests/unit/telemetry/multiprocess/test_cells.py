from __future__ import annotations

import contextlib
import json
import os
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfloop.exceptions import InvalidValue
from perfloop.telemetry.multiprocess import cells
from perfloop.telemetry.multiprocess.cells import FORGOTTEN, CellWriter, Definition, encode, parse, read

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterator
    from pathlib import Path


def definition(name: str = "requests", labels: tuple[str, ...] = ()) -> Definition:
    return Definition(
        name=name,
        kind="counter",
        description="Requests. é",
        unit="",
        label_names=tuple(f"l{number}" for number in range(len(labels))),
        merge="sum",
        labels=labels,
    )


def fill(writer: CellWriter, number: int) -> None:
    for index in range(10_000):
        writer.cell(number, index)


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield opened
    os.close(opened)


def test_what_was_stored_is_read_by_others(descriptor: int) -> None:
    writer = CellWriter(descriptor)
    first, second = writer.define(definition("a")), writer.define(definition("b", ("x", "y")))
    places = [writer.cell(first, 0), writer.cell(second, 7), writer.cell(second, -1)]
    for place, value in zip(places, (1.0, 2.5, -3.0), strict=True):
        writer.values[place] += value
    writer.values[places[0]] += 1
    recorded = parse(read(descriptor))
    assert recorded.series == [(definition("a"), {0: 2.0}), (definition("b", ("x", "y")), {7: 2.5, -1: -3.0})]


def test_the_cells_of_several_threads_are_added(descriptor: int) -> None:
    writer = CellWriter(descriptor)
    number = writer.define(definition())
    for value in (1.0, 10.0):
        writer.values[writer.cell(number, 3)] = value
    assert parse(read(descriptor)).series == [(definition(), {3: 11.0})]


def test_a_file_grows_over_many_chunks(descriptor: int) -> None:
    writer = CellWriter(descriptor)
    number = writer.define(definition())
    for index in range(20_000):
        writer.values[writer.cell(number, index)] = index
    [(_, found)] = parse(read(descriptor)).series
    assert found == {index: float(index) for index in range(20_000)}


def test_whoever_is_killed_leaves_no_half_definition(monkeypatch: pytest.MonkeyPatch, descriptor: int) -> None:
    """The head of a definition, by which readers find it, is written when its text is there."""
    writer = CellWriter(descriptor)
    texts: list[bytes] = []

    class Watching(struct.Struct):
        def pack_into(self, buffer: mmap.mmap, offset: int, *values: object) -> None:  # type: ignore[override]
            texts.append(buffer[offset : offset + 1000].strip(b"\0 "))
            super().pack_into(buffer, offset, *values)

    monkeypatch.setattr(cells, "_RECORD", Watching("=Iid"))
    writer.define(definition())
    assert [json.loads(text)["name"] for text in texts] == ["requests"]


def test_a_forgotten_cell_is_not_read(descriptor: int) -> None:
    writer = CellWriter(descriptor)
    number = writer.define(definition())
    place = writer.cell(number, 0)
    writer.values[place] = 4
    writer.forget(place)
    assert parse(read(descriptor)).series == []
    writer.cell(FORGOTTEN, 0, 9.0)
    assert parse(read(descriptor)).series == []


@given(
    st.dictionaries(
        st.tuples(st.text(max_size=5), st.text(max_size=5)),
        st.dictionaries(st.integers(-1, 2000), st.floats(allow_nan=False), min_size=1, max_size=5),
        max_size=5,
    ),
    st.lists(st.text(max_size=20)),
)
def test_encoded_is_parsed(series: dict[tuple[str, str], dict[int, float]], merged: list[str]) -> None:
    pairs = [(definition(labels=labels), cells) for labels, cells in series.items()]
    recorded = parse(encode(pairs, merged))
    assert recorded.series == pairs
    assert recorded.merged == frozenset(merged)


@given(st.binary(max_size=200))
def test_damaged_files_are_refused_or_read_but_never_worse(data: bytes) -> None:
    for text in (data, b"perfloop metrics" + data):
        with contextlib.suppress(InvalidValue):
            parse(text)


def test_a_finaliser_that_counts_meanwhile_gets_a_place_of_its_own(
    monkeypatch: pytest.MonkeyPatch, descriptor: int
) -> None:
    writer = CellWriter(descriptor)
    first, second = writer.define(definition("a")), writer.define(definition("b"))
    nested: list[int] = []

    class Interrupted(struct.Struct):
        def pack_into(self, *arguments: object) -> None:  # type: ignore[override]
            if not nested:
                nested.append(0)
                nested.append(writer.define(definition("c")))
                nested.append(writer.cell(nested[1], 0))
                nested.append(writer.cell(second, 0))
            super().pack_into(*arguments)

    monkeypatch.setattr(cells, "_RECORD", Interrupted("=Iid"))
    place = writer.cell(first, 0)
    for value, each in enumerate((place, *nested[2:]), start=1):
        writer.values[each] = value
    found = {each.name: cells for each, cells in parse(read(descriptor)).series}
    assert found == {"a": {0: 1.0}, "b": {0: 3.0}, "c": {0: 2.0}}


def test_a_full_disk_is_an_error_and_no_signal(monkeypatch: pytest.MonkeyPatch, descriptor: int) -> None:
    writer = CellWriter(descriptor)
    number = writer.define(definition())

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space left"):
        fill(writer, number)
    assert len(parse(read(descriptor)).series[0][1]) > 4000


def test_a_file_has_a_largest_size(descriptor: int) -> None:
    writer = CellWriter(descriptor, largest=192 << 10)
    number = writer.define(definition())
    with pytest.raises(OSError, match="holds"):
        fill(writer, number)
