"""Values as bytes: what comes back is what was put in, and whatever else is found is a miss that is reported."""

from __future__ import annotations

import datetime
import math
import random
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfloop.caching import EntryOptions, MemoryLevel, MultiLevelCache, Stored, encoding
from perfloop.caching.effects import run
from perfloop.caching.encoding import Undecodable, ValueCodec
from perfloop.exceptions import InvalidValue


class Point(msgspec.Struct, frozen=True):
    x: int
    label: str | None = None


@dataclass
class Box:
    items: list[Point]
    size: float


@dataclass
class Labelled:
    labels: dict[str, Any]


class Tree(msgspec.Struct):
    branches: list[Tree]
    fruit: Any = None


POINTS = st.builds(Point, st.integers(-(2**63), 2**64 - 1), st.none() | st.text())
KINDS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, st.integers(-(2**63), 2**64 - 1)),
    (float, st.floats()),
    (str, st.text()),
    (bytes, st.binary()),
    (int, st.none() | st.integers(0, 9)),
    (list[Point], st.lists(POINTS)),
    (Box, st.builds(Box, st.lists(POINTS, max_size=3), st.floats(allow_nan=False))),
    (dict[int, set[str]], st.dictionaries(st.integers(-9, 9), st.sets(st.text(max_size=3)))),
    (tuple[uuid.UUID, datetime.datetime], st.tuples(st.uuids(), st.datetimes(timezones=st.just(datetime.UTC)))),
]


@pytest.mark.parametrize("compress_above", [0, 20, 10**9])
@given(st.data())
def test_what_is_read_is_what_was_written(compress_above: int, data: st.DataObject) -> None:
    kind, values = data.draw(st.sampled_from(KINDS))
    value, seconds = data.draw(values), data.draw(st.floats(0, 1e6, width=32))
    codec = ValueCodec(kind, compress_above=compress_above)
    back = codec.decode(codec.encode(value, seconds))
    assert back.value == value or (isinstance(value, float) and math.isnan(value) and math.isnan(back.value))
    assert (type(back.value), back.load_seconds) == (type(value), seconds)


@pytest.mark.parametrize("compress_above", [0, 10**9])
@given(text=st.text(min_size=1), data=st.data())
def test_bytes_that_were_cut_off_or_changed_are_no_value(compress_above: int, text: str, data: st.DataObject) -> None:
    codec = ValueCodec(str, compress_above=compress_above)
    whole = codec.encode(text * 20, 1.0)
    place = data.draw(st.integers(0, len(whole) - 1))
    flipped = bytearray(whole)
    flipped[place] ^= 1 << data.draw(st.integers(0, 7))
    for damaged in (whole[:place], bytes(flipped), whole + b"\0", whole[1:]):
        with pytest.raises(Undecodable):
            codec.decode(damaged)


@given(st.binary(max_size=200))
def test_any_bytes_are_no_value(junk: bytes) -> None:
    with pytest.raises(Undecodable):
        ValueCodec(Any).decode(junk)


class Other(msgspec.Struct, frozen=True):
    """As `Point`, with one field more."""

    x: int
    label: str | None = None
    y: int = 0


@pytest.mark.parametrize(
    "other", [ValueCodec(Other), ValueCodec(Point | None), ValueCodec(Point, version="2"), ValueCodec(Any)]
)
def test_what_another_type_or_version_wrote_is_no_value(other: ValueCodec) -> None:
    codec, data = ValueCodec(Point), other.encode(Other(1) if other._kind == ValueCodec(Other)._kind else {"x": 1})
    with pytest.raises(Undecodable, match="expected format"):
        codec.decode(data)


def test_what_another_format_wrote_is_no_value() -> None:
    codec = ValueCodec(int)
    data = codec.encode(7)
    with pytest.raises(Undecodable, match=r"format 1, type .*; expected format 2"):
        codec.decode(b"\x01" + data[1:])


def test_what_is_long_and_shrinks_is_compressed() -> None:
    codec = ValueCodec(bytes)
    limit = 2048 - 3  # with the three bytes that MessagePack puts in front
    assert [len(codec.encode(bytes(size))) > 2000 for size in (limit, limit + 1)] == [True, False]
    noise = random.Random(1).randbytes(3000)
    assert len(codec.encode(noise)) > len(noise)
    assert codec.decode(codec.encode(noise)).value == noise


def test_a_decompression_bomb_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "_MOST_BYTES", 1 << 20)
    codec = ValueCodec(bytes)
    assert len(codec.decode(codec.encode(bytes((1 << 20) - 5))).value) == (1 << 20) - 5
    bomb = codec.encode(bytes(50 << 20))
    assert len(bomb) < 1 << 18
    with pytest.raises(Undecodable, match="more than 1,048,576 bytes"):
        codec.decode(bomb)


@pytest.mark.parametrize("claim", [b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"])
def test_a_length_that_is_not_there_takes_no_memory(claim: bytes) -> None:
    kind = {0xDD: list[int], 0xDF: dict[str, int], 0xC6: bytes}[claim[0]]
    codec = ValueCodec(kind)
    head = codec.encode(kind())[: encoding._HEADER.size]
    whole = head + encoding._CHECK.pack(encoding._checksum(head, claim)) + claim
    with pytest.raises(Undecodable, match="truncated"):
        codec.decode(whole)


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        (int, 2**70, "can be encoded"),
        (str, "\ud800", "can be encoded"),
        (list[object], [object()], "can be encoded"),
        (int, "7", r"cache's type, got a str: Expected `int`, got `str`"),
        (Point, "text", "cache's type, got a str: Expected `object"),
        (Any, (1, 2), "type to be declared: a tuple"),
        (dict[str, Any], {"at": datetime.date(2026, 1, 1)}, "type to be declared: a dict"),
        (list, [Decimal("1.5")], "type to be declared: a list"),
        (dict[str, list[Any] | None], {"a": [(1,)]}, "type to be declared: a dict"),
        (Labelled, Labelled({"at": uuid.UUID(int=7)}), "type to be declared: a Labelled"),
        (Tree, Tree([Tree([], b"x"), Tree([], (1,))]), "type to be declared: a Tree"),
    ],
)
def test_values_that_would_not_come_back_are_refused(kind: Any, value: Any, words: str) -> None:
    with pytest.raises(InvalidValue, match=words):
        ValueCodec(kind).encode(value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (dict[str, Any], {"a": [1, 2.5, None, "x", b"y", {"b": True}]}),
        (Labelled, Labelled({"a": "b"})),
        (Tree, Tree([Tree([], 1)], "leaf")),
        (dict, {1: [2]}),
    ],
)
def test_plain_values_need_no_declaration(kind: Any, value: Any) -> None:
    codec = ValueCodec(kind)
    assert codec.decode(codec.encode(value)).value == value


def test_a_nan_that_is_not_declared_comes_back() -> None:
    codec = ValueCodec(dict[str, Any])
    back = codec.decode(codec.encode({"a": [1.5, math.nan], "b": math.nan})).value
    assert back["a"][0] == 1.5
    assert math.isnan(back["a"][1])
    assert math.isnan(back["b"])


def test_a_type_without_an_encoding_is_refused_in_words() -> None:
    class Connection:
        pass

    with pytest.raises(InvalidValue, match="can be encoded, got a Connection"):
        ValueCodec(Connection).encode(Connection())


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:-1] + b"!", lambda data: b""])
def test_what_cannot_be_read_is_a_miss_and_said_to_be(damage: Any, caplog: pytest.LogCaptureFixture) -> None:
    level = MemoryLevel("shared")
    MultiLevelCache(str, levels=[level]).set("k", "value")
    [stored] = run(level.read(["k"]))
    assert stored is not None
    run(level.write({"k": Stored(damage(stored.data), stored.fresh, stored.kept)}))
    cache = MultiLevelCache(str, levels=[level], name="shop")
    assert cache.get("k") is None
    assert cache.get_or_load("k", lambda: "loaded") == "loaded"
    assert MultiLevelCache(str, levels=[level]).get("k") == "loaded"  # it was put in its place
    assert caplog.text.count("cache shop: an entry at level shared cannot be read") == 1
    assert cache._report.counts["undecodable", "shared"] >= 2


@pytest.mark.parametrize(("kind", "shared"), [(int, True), (list[int], True), (list[int], False)])
def test_a_value_of_another_type_is_refused_where_it_would_be_encoded(kind: Any, shared: bool) -> None:
    cache = MultiLevelCache(kind, levels=[MemoryLevel()] if shared else [])
    with pytest.raises(InvalidValue, match="cache's type"):
        cache.set("k", "text")
    with pytest.raises(InvalidValue, match="cache's type"):
        cache.get_or_load("k", lambda: "text")
    assert cache.get_or_load("k", kind, EntryOptions(ttl=5)) == kind()
