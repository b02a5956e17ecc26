"""Keys as text: equal ones have one text, all others different ones; what cannot keep that is refused."""

from __future__ import annotations

import datetime
import enum
import uuid
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfloop.caching import EntryOptions, MemoryLevel, MultiLevelCache
from perfloop.caching.encoding import Undecodable
from perfloop.caching.keys import KeyCodec, checked_tags
from perfloop.exceptions import InvalidValue


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Grade(enum.IntEnum):
    GOOD = 1


class Place(NamedTuple):
    shelf: str
    row: int


class Tenant(msgspec.Struct, frozen=True):
    name: str
    number: int | None = None


class Loose(msgspec.Struct):
    name: str


KINDS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (str, st.text()),
    (int, st.integers()),
    (int | str | None, st.none() | st.integers() | st.text(max_size=3)),
    (bytes, st.binary(max_size=5)),
    (uuid.UUID, st.uuids()),
    (Colour, st.sampled_from(Colour)),
    (datetime.date, st.dates()),
    (Annotated[datetime.datetime, msgspec.Meta(tz=False)], st.datetimes()),
    (tuple[str, int], st.tuples(st.text(max_size=3), st.integers())),
    (tuple[str, ...], st.lists(st.text(max_size=2), max_size=3).map(tuple)),
    (Place, st.builds(Place, st.text(max_size=3), st.integers())),
    (Tenant, st.builds(Tenant, st.text(max_size=3), st.none() | st.integers())),
]


@given(st.data())
def test_equal_keys_have_one_text_and_others_another(data: st.DataObject) -> None:
    kind, keys = data.draw(st.sampled_from(KINDS))
    codec: KeyCodec[Any] = KeyCodec(kind)
    one, other = data.draw(keys), data.draw(keys)
    assert (codec.encode(one) == codec.encode(other)) == (one == other)
    assert codec.decode(codec.encode(one)) == one


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (tuple[str, datetime.time], "noon in London is one o'clock in Paris"),
        (int | bool, "1 is True"),
        (Literal[True] | Grade, "likewise"),
        (list[int], "cannot be hashed"),
        (dict[str, int], "likewise"),
        (Loose, "likewise"),
        (Any, "nobody knows"),
    ],
)
def test_types_of_which_that_cannot_be_said_are_refused(kind: Any, why: str) -> None:
    with pytest.raises(InvalidValue, match="whose equal values have one text") as caught:
        MultiLevelCache(int, key=kind)
    assert "str(key)" in str(caught.value.hint), why


@pytest.mark.parametrize(
    ("kind", "key", "words"),
    [
        (str, 5, "a key that is a str, got 5"),
        (str, None, "a key that is a str"),
        (str, b"k", "a key that is a str"),
        (str, "x" * 10_001, "at most 10,000 characters"),
        (str, "half \ud83d", "whole characters"),
        (str, ["k"], "a key that (is a str|can be hashed)"),
        (int, True, "got `bool`"),
        (int, "1", "got `str`"),
        (int, 1.0, "got `float`"),
        (tuple[str, int], ("a",), "length 2, got 1"),
        (tuple[str, int], ["a", {}], "a key (that can be hashed|of the declared type)"),
        (tuple[str, int], ("half \ud83d", 1), "surrogates"),
        (bytes, bytes(10_000), "at most 10,000 characters"),
    ],
)
def test_keys_that_are_none_are_refused_in_words_whatever_they_are_asked_for(kind: Any, key: Any, words: str) -> None:
    cache: MultiLevelCache[Any, int] = MultiLevelCache(int, key=kind)
    for ask in (
        lambda: cache.get(key),
        lambda: cache.get_or_load(key, lambda: 1),
        lambda: cache.set(key, 1),
        lambda: cache.delete(key),
        lambda: cache.expire(key),
        lambda: cache.get_many([key]),
        lambda: cache.get_or_load_many([key], lambda keys: dict.fromkeys(keys, 1)),
    ):
        with pytest.raises(InvalidValue, match=words):
            ask()
    assert not cache._local._fences
    assert cache.get_or_load(cache._core._keys.decode(KeyCodec(kind).encode(GOOD[kind])), lambda: 1) == 1


GOOD = {str: "k", int: 1, tuple[str, int]: ("a", 1), bytes: b"k"}


@pytest.mark.parametrize("text", ["", "{", '"1"', "1.5", "[" * 100_000])
def test_a_text_that_is_no_key_is_said_to_be_none(text: str) -> None:
    with pytest.raises(Undecodable):
        KeyCodec(int).decode(text)


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ([5], "a tag that is a str, got 5"),
        (["half \ud83d"], "tag of whole characters"),
        (["x" * 10_001], "tag of at most"),
        ("tag", "several tags, got one text, got 'tag'"),
        (5, "as many texts as there are, got a int"),
    ],
)
def test_tags_that_are_none_are_refused(tags: Any, words: str) -> None:
    cache = MultiLevelCache(int, levels=[MemoryLevel()])
    with pytest.raises(InvalidValue, match=words):
        checked_tags(tags)
    with pytest.raises(InvalidValue, match=words):
        cache.set("k", 1, EntryOptions(tags=lambda _: tags))
    with pytest.raises(InvalidValue, match=words), cache.writing("k", tags=tags):
        pass
    assert cache.get("k") is None
