"""Keys that are equal and are written differently."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from perfloop import MultiLevelCache
from perfloop.caching import MemoryLevel
from perfloop.caching.keys import KeyCodec
from perfloop.exceptions import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Hashable

NOON = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
ELSEWHERE = NOON.astimezone(datetime.timezone(datetime.timedelta(hours=2)))
LONG = "1." + "0" * 40


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        (float, 0.0, -0.0),
        (int | float, 1, 1.0),
        (int | float, 2**63, 2.0**63),
        (int | float, 2**64 - 2048, 2.0**64 - 2048),
        (int | float, -(2**63), -(2.0**63)),
        (Decimal, Decimal("1.0"), Decimal("1.00")),
        (Decimal, Decimal(100), Decimal("1E+2")),
        (Decimal, Decimal("0.00"), Decimal("-0")),
        (datetime.datetime, NOON, ELSEWHERE),
        (frozenset[int], frozenset([0, 8]), frozenset([8, 0])),
        (tuple[float, Decimal], (2.0, Decimal(3)), (2, Decimal("3.0"))),
    ],
)
def test_what_is_put_in_under_a_key_goes_under_an_equal_one(kind: Any, one: Hashable, other: Hashable) -> None:
    assert one == other
    shared = MemoryLevel()
    caches: list[MultiLevelCache[Any, str]] = [MultiLevelCache(str, key=kind, levels=[shared]) for _ in range(3)]
    here, there, new = caches
    here.set(one, "old")
    assert there.get(other) == "old"
    there.delete(other)
    assert new.get(one) is None
    keys: KeyCodec[Any] = KeyCodec(kind)
    assert keys.decode(keys.encode(other)) == one


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        (float, 1.5, 1.25),
        (float, 1e300, 1e301),
        (Decimal, Decimal(LONG + "1"), Decimal(LONG + "2")),
        (Decimal, Decimal("1E+9"), Decimal("1E+10")),
        (datetime.datetime, NOON, NOON.replace(tzinfo=None)),
        (tuple[int, str], (1, "1"), (11, "")),
    ],
)
def test_keys_that_are_not_equal_have_different_texts(kind: Any, one: Hashable, other: Hashable) -> None:
    keys: KeyCodec[Any] = KeyCodec(kind)
    assert keys.encode(one) != keys.encode(other)
    assert [keys.decode(keys.encode(each)) for each in (one, other)] == [one, other]


@pytest.mark.parametrize("kind", [int | Decimal, float | Decimal, tuple[int | Decimal, str]])
def test_a_decimal_beside_another_number_is_no_key(kind: Any) -> None:
    with pytest.raises(InvalidValue, match="equal values have one text"):
        KeyCodec(kind)


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_what_has_no_text_is_no_key(value: float) -> None:
    for kind, key in ((float, value), (tuple[float, int], (value, 1)), (Decimal, Decimal(value))):
        with pytest.raises(InvalidValue, match="finite"):
            KeyCodec(kind).encode(key)
