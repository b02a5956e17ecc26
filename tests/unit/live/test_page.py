from __future__ import annotations

import json

from perfloop.http_access import AddressAccess
from perfloop.http_server import Request
from perfloop.live.page import LivePage, event_of

from ..reporting.test_monitor_page import REQUEST, STATE

PAGE = LivePage(
    AddressAccess("127.0.0.1"),
    event=lambda: b"data: 1\n\n",
    find=lambda span: REQUEST if span == REQUEST.span_id else None,
)


def ask(path: str, method: str = "GET", host: str = "127.0.0.1") -> tuple[int, bytes]:
    response = PAGE.answer(Request(method, path, {"host": host}))
    return response.status, response.body


def test_the_page_and_its_stream() -> None:
    status, body = ask("/")
    assert status == 200
    assert b"<b>perfloop</b> monitor" in body
    assert ask("/events") == (200, b"retry: 1000\ndata: 1\n\n")
    assert PAGE.answer(Request("GET", "/events", {"host": "localhost"})).stream


def test_a_request_is_looked_up() -> None:
    status, body = ask("/requests/00000000000002f1")
    assert (status, json.loads(body)["took"]) == (200, "1.21 s")
    assert ask("/requests/00000000000002f2") == (200, b"null")


def test_what_is_refused() -> None:
    paths = ("/x", "/requests/", "/requests/2f1", "/requests/" + "g" * 16, "/requests/00000000000002f1/x")
    assert [ask(path)[0] for path in paths] == [404] * len(paths)
    assert [ask("/", method)[0] for method in ("HEAD", "POST")] == [405] * 2
    assert ask("/", host="evil.example")[0] == 421


def test_an_event_is_one_line_of_json() -> None:
    event = event_of(STATE)
    assert event.startswith(b"data: {")
    assert event.endswith(b"}\n\n")
    assert event.count(b"\n") == 2
    assert json.loads(event.removeprefix(b"data: "))["state"] == "Running"
