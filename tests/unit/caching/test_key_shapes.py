"""Which parts keys have, and which is never the same."""

from __future__ import annotations

from perfloop.caching.key_shapes import key_parts
from perfloop.telemetry.caches import KeyPart


def test_a_part_that_is_never_the_same_is_named_by_its_argument() -> None:
    keys = [f"report:{number % 8}:{number:x}" for number in range(200)]
    assert key_parts(keys, ["report:{region}:{request_id}"]) == [
        KeyPart("region", 8, 200),
        KeyPart("request_id", 200, 8),
    ]


def test_without_a_template_parts_have_numbers() -> None:
    keys = [f'["shop",{number % 4},"r{number}"]' for number in range(100)]
    assert key_parts(keys, []) == [KeyPart("part 2", 4, 100), KeyPart("part 3", 100, 4)]


def test_keys_of_one_part_few_keys_and_keys_that_differ_have_none() -> None:
    assert key_parts([f"user:{number}" for number in range(100)], ["user:{user_id}"]) == []
    assert key_parts([f"{number}:{number}" for number in range(10)], []) == []
    assert key_parts(["a:b"] * 2 + [f"{number}" for number in range(100)], []) == []
