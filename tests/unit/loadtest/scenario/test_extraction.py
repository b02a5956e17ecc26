"""Values out of responses."""

from __future__ import annotations

import pytest

from perfloop.exceptions import ConfigurationError
from perfloop.loadtest.scenario import Extraction, Response
from perfloop.loadtest.scenario.extraction import SEARCHED_BYTES, compile_extraction


def response(body: bytes) -> Response:
    head = b"HTTP/1.1 201 Created\r\nLocation: /orders/7\r\nContent-Length: %d\r\n\r\n" % len(body)
    return Response(201, 0.01, head + body, "POST /orders")


BODY = b'{"items": [{"id": 3, "tags": null}, {"a/b": "x", "m~n": true}]} csrf="t\xc3\xa9"'


@pytest.mark.parametrize(
    ("extraction", "body", "found"),
    [
        (Extraction(json="/items/0/id"), BODY[:63], "3"),
        (Extraction(json="/items/1/a~1b"), BODY[:63], "x"),
        (Extraction(json="/items/1/m~0n"), BODY[:63], "true"),
        (Extraction(json="/items/0/tags"), BODY[:63], None),
        (Extraction(json="/items/01"), BODY[:63], None),
        (Extraction(json="/items/9"), BODY[:63], None),
        (Extraction(json="/items/0/id/x"), BODY[:63], None),
        (Extraction(json="/x"), b"no json", None),
        (Extraction(regex='csrf="([^"]+)"'), BODY, "té"),
        (Extraction(regex="cs.f"), BODY, "csrf"),
        (Extraction(regex="nothing"), BODY, None),
        (Extraction(regex="end"), b"x" * SEARCHED_BYTES + b"end", None),
        (Extraction(header="location"), b"", "/orders/7"),
        (Extraction(header="x-none"), b"", None),
    ],
)
def test_what_is_found(extraction: Extraction, body: bytes, found: str | None) -> None:
    assert compile_extraction(extraction, "here")(response(body)) == found


@pytest.mark.parametrize(
    ("extraction", "message"),
    [
        (Extraction(), r"Expected one of `json`, `regex` and `header` \(here\)"),
        (Extraction(json="/a", header="b"), "Expected one of"),
        (Extraction(json="a"), "Expected a JSON pointer such as /items/0/id, got 'a'"),
        (Extraction(regex="("), r"Expected a regular expression: missing \)"),
    ],
)
def test_what_cannot_be_compiled(extraction: Extraction, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        compile_extraction(extraction, "here")
