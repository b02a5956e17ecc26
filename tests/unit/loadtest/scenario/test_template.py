"""Templates: what is a placeholder, what it may stand for, and how values are written where they stand."""

from __future__ import annotations

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.loadtest.scenario.template import (
    BytesTemplate,
    Slot,
    expand,
    given_target,
    header_text,
    json_text,
    parse,
    path_template,
    percent_encoded,
    plain,
    slots,
    target_bytes,
)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ("",)),
        ("/items", ("/items",)),
        ("/items/{id}", ("/items/", Slot("id"))),
        ("{a}{b.c-1}", (Slot("a"), Slot("b.c-1"))),
        ("{{id}}", ("{id}",)),
        ("{{{id}}}", ("{{id}}",)),
        ('{"a": {"b": {n}}}', ('{"a": {"b": ', Slot("n"), "}}")),
        ("{not a name} {1} {}", ("{not a name} {1} {}",)),
        ("100 % {a} %s", ("100 % ", Slot("a"), " %s")),
    ],
)
def test_what_is_a_placeholder(text: str, parts: tuple[object, ...]) -> None:
    assert parse(text) == parts


def test_definitions_are_put_in_and_a_circle_is_named() -> None:
    definitions = {"a": parse("<{b}>"), "b": parse("{users.id}!"), "x": parse("{y}"), "y": parse("{z}{x}")}
    assert expand(parse("{a}{c}"), definitions) == ("<", Slot("users.id"), "!", ">", Slot("c"))
    assert slots(expand(parse("{a}"), definitions)) == ["users.id"]
    with pytest.raises(InvalidValue, match="Expected no circular reference, got 'x → y → x'"):
        expand(parse("{x}"), definitions)


@pytest.mark.parametrize(
    ("encode", "value", "written"),
    [
        (percent_encoded, "a/b c?é%", b"a%2Fb%20c%3F%C3%A9%25"),
        (percent_encoded, "42", b"42"),
        (json_text, 'say "hi"\n\\', b'say \\"hi\\"\\n\\\\'),
        (plain, "é", "é".encode()),
        (header_text, "é", b"\xe9"),
    ],
)
def test_how_values_are_written(encode, value: str, written: bytes) -> None:
    assert BytesTemplate(parse("[{v}]100%"), plain, encode).render({"v": value}) == b"[" + written + b"]100%"


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\x00", "€"])
def test_no_value_breaks_out_of_a_header(value: str) -> None:
    with pytest.raises(InvalidValue, match="Expected a header value without line breaks"):
        header_text(value)


def test_paths_begin_with_a_slash_and_have_no_loose_brace() -> None:
    def path(text: str) -> BytesTemplate:
        return path_template(text, parse(text), "here")

    assert path("/a b/{id}?q={{x}}").render({"id": "é/"}) == b"/a%20b/%C3%A9%2F?q=%7Bx%7D"
    assert path("{location}").render({"location": "http://other.example/orders/1?a=b"}) == b"/orders/1?a=b"
    with pytest.raises(InvalidValue, match=r"Expected a path such as /orders\?page=1, got 'items' \(here\)"):
        path("items")
    with pytest.raises(InvalidValue, match="Expected each brace of a path to belong to a placeholder"):
        path("/items/{item id}")
    with pytest.raises(InvalidValue, match="Expected a path such as /orders/17"):
        given_target("orders")
    assert target_bytes("/a{b}") == b"/a%7Bb%7D"
