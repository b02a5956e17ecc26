"""Requests by their templates."""

from __future__ import annotations

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.loadtest import Target
from perfloop.loadtest.scenario.endpoint import MOST_ENDPOINTS, Endpoints


def endpoints() -> Endpoints:
    return Endpoints(Target.parse("http://h:8000/"), (("X-All", "1"), ("Accept", "text/html")))


def test_a_message_in_one_piece() -> None:
    endpoint = endpoints().of("GET", "/a%20b/{id}?q={id}")
    message = endpoint.render({"id": "é"})
    assert message.startswith(b"GET /a%20b/%C3%A9?q=%C3%A9 HTTP/1.1\r\nHost: h:8000\r\n")
    assert message.endswith(b"\r\nX-All: 1\r\nAccept: text/html\r\n\r\n")
    assert message.count(b"Accept") == 1


def test_headers_of_a_request_win_over_those_of_all() -> None:
    known = endpoints()
    defaults = known.of("GET", "/").defaults({"ACCEPT": "x", "x-all": "2"})
    assert b"Accept" not in defaults
    assert b"X-All" not in defaults
    assert known.lines({"X-Own": "1"}) == b"\r\nX-Own: 1"
    for headers in ({"Content-Length": "1"}, {"X": "a\r\nb"}, {"a b": "c"}):
        with pytest.raises(InvalidValue):
            known.lines(headers)


def test_labels_are_few_and_hold_no_secret() -> None:
    known = endpoints()
    for number in range(MOST_ENDPOINTS + 10):
        known.of("GET", f"/items/{number}")
    assert len(known.labels) == MOST_ENDPOINTS + 1
    assert known.labels[-1] == "GET (further paths)"
    assert known.of("GET", "/items/x").path.render({}) == b"/items/x"
    other = endpoints()
    assert other.of("DELETE", "/a?token=x").label == "DELETE /a?token=***"
    assert other.prepared[0].idempotent
    assert other.add("same", "GET") == other.add("same", "GET") == 1
