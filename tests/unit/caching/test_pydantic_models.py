"""Models of pydantic as values: they come back as they were, or are refused."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import uuid
from typing import Any

import msgspec
import pydantic
import pytest

from perfloop.caching import MemoryLevel, MultiLevelCache
from perfloop.caching.encoding import Undecodable, ValueCodec
from perfloop.caching.pydantic_models import decode_model
from perfloop.exceptions import InvalidValue


class Article(pydantic.BaseModel):
    number: int
    price: decimal.Decimal = decimal.Decimal("1.10")
    added: datetime.datetime | None = None
    sizes: set[int] = set()
    id: uuid.UUID = uuid.UUID(int=7)


class Basket(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, alias_generator=str.upper)
    articles: list[Article]
    day: datetime.date


class Special(Article):
    reason: str = "sale"


class Forgetful(pydantic.BaseModel):
    secret: int = pydantic.Field(exclude=True)


class Measured(pydantic.BaseModel):
    seconds: float


@dataclasses.dataclass
class Page:
    articles: tuple[Article, ...]


ARTICLE = Article(number=1, added=datetime.datetime(2026, 1, 2), sizes={3, 4})


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Article, ARTICLE),
        (Article | None, ARTICLE),
        (Article | None, None),
        (dict[str, list[Article]], {"a": [ARTICLE]}),
        (Page, Page((ARTICLE,))),
        (Basket, Basket(ARTICLES=[ARTICLE], DAY=datetime.date(2026, 1, 2))),
    ],
)
def test_they_come_back_as_they_were(kind: Any, value: Any) -> None:
    codec = ValueCodec(kind)
    back = codec.decode(codec.encode(value)).value
    assert (back, type(back)) == (value, type(value))


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        (Forgetful, Forgetful(secret=5), "secret"),
        (Measured, Measured(seconds=float("inf")), "seconds"),
        (Article, Special(number=1), "Expected a Article, got .*Special"),
        (list[Article], [Special(number=1)], "Expected a Article, got .*Special"),
        (Article, {"number": 1}, "Expected a Article, got"),
        (Any, ARTICLE, "type to be declared"),
    ],
)
def test_what_would_come_back_as_something_else_is_refused(kind: Any, value: Any, words: str) -> None:
    with pytest.raises(InvalidValue, match=words):
        ValueCodec(kind).encode(value)


@pytest.mark.parametrize(
    "encoded",
    [("Article", '{"number": "hush-hush"}'), ("hush-hush", "{}"), ("Article", "hush-hush"), ["hush-hush"], "hush-hush"],
)
def test_no_message_shows_a_value(encoded: Any) -> None:
    with pytest.raises(ValueError, match="Expected a Article") as caught:
        decode_model(Article, encoded)
    assert "hush-hush" not in str(caught.value)


def test_a_model_that_has_changed_is_another_type() -> None:
    old = pydantic.create_model("Article", number=(int, 0))
    new = pydantic.create_model("Article", number=(int, 0), more=(int, 0))
    with pytest.raises(Undecodable, match="expected format"):
        ValueCodec(new).decode(ValueCodec(old).encode(old(number=1)))


def test_what_is_no_such_model_is_undecodable() -> None:
    codec = ValueCodec(Article)
    header = codec.encode(ARTICLE)[:10]
    for payload in (b"junk", msgspec.msgpack.encode(("Article", "{")), msgspec.msgpack.encode(("Special", "{}"))):
        with pytest.raises(Undecodable):
            codec.decode(header + payload)


def test_they_are_shared_and_no_reader_changes_what_the_next_one_gets() -> None:
    level = MemoryLevel()
    one: MultiLevelCache[int, Article] = MultiLevelCache(Article, key=int, levels=[level])
    other: MultiLevelCache[int, Article] = MultiLevelCache(Article, key=int, levels=[level])
    one.get_or_load(1, lambda: ARTICLE).number = 5
    found = other.get(1)
    assert found is not None
    found.sizes.add(9)
    assert other.get(1) == one.get(1)


def test_a_union_of_models_is_refused_with_a_way_out_that_works() -> None:
    class Paid(pydantic.BaseModel):
        cents: int

    class Open(pydantic.BaseModel):
        due: datetime.date

    class Invoice(pydantic.RootModel[Paid | Open]):
        pass

    with pytest.raises(InvalidValue, match="type that msgspec knows") as refused:
        MultiLevelCache(Paid | Open)
    assert "RootModel" in refused.value.__notes__[0]
    invoices = MultiLevelCache(Invoice)
    invoices.set("a", Invoice(Open(due=datetime.date(2026, 1, 1))))
    assert invoices.get("a") == Invoice(Open(due=datetime.date(2026, 1, 1)))
