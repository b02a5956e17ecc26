from __future__ import annotations

import json

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.loadtest.importers import ImportOptions
from perfloop.loadtest.importers.har import parse_har, recognises_har

OPTIONS = ImportOptions(url="http://shop.test:8000")


def entry(url: str = "http://shop.test:8000/", method: str = "GET", at: str = "2026-11-25T10:00:00.000Z", **more):
    request = {"method": method, "url": url, "headers": [], **more.pop("request", {})}
    return {"startedDateTime": at, "request": request, "response": {"status": 200, "content": {"text": "…"}}, **more}


def har(*entries: object) -> bytes:
    return json.dumps({"log": {"version": "1.2", "creator": {}, "entries": entries}}).encode()


def parsed(*entries: object, options: ImportOptions = OPTIONS):
    return parse_har(har(*entries), "shop.har", options)


def header(name: str, value: str) -> dict[str, str]:
    return {"name": name, "value": value}


def test_a_recording_becomes_requests_in_order_of_time() -> None:
    imported = parsed(
        entry("http://shop.test:8000/items/17?x=1", at="2026-11-25T10:00:01.500+00:00"),
        entry("http://shop.test:8000/", at="2026-11-25T12:00:00.000+02:00"),
        entry("http://shop.test:8000/items/18", at="2026-11-25T10:00:02Z"),
        entry("http://shop.test:8000/", at="2026-11-25T10:00:03Z"),
    )
    assert [(str(each), each.target) for each in imported.requests] == [
        ("GET /items/{id}", "/items/17?x=1"),
        ("2x GET /", "/"),
        ("GET /items/{id}", "/items/18"),
    ]
    assert imported.order.tolist() == [1, 0, 2, 1]
    assert imported.arrivals.tolist() == [0.0, 1.5, 2.0, 3.0]
    assert imported.recorded == 4


def test_headers_of_the_connection_are_left_out_and_cookies_kept() -> None:
    headers = [
        header(":method", "POST"),
        header(":authority", "shop.test"),
        header("Host", "shop.test"),
        header("Connection", "keep-alive"),
        header("Content-Length", "999"),
        header("Transfer-Encoding", "chunked"),
        header("Upgrade", "h2c"),
        header("accept", "text/html"),
        header("cookie", "session=abc"),
        header("x-city", "Zürich 東京"),
    ]
    (request,) = parsed(
        entry(
            method="post",
            request={
                "headers": headers,
                "cookies": [header("session", "abc")],
                "postData": {"mimeType": "text/plain", "text": "grüße"},
            },
        )
    ).requests
    request.validate()
    assert request.method == "POST"
    assert request.body == "grüße".encode()
    assert request.headers == (
        ("accept", "text/html"),
        ("cookie", "session=abc"),
        ("x-city", "Zürich 東京".encode().decode("latin-1")),
    )


def test_cookies_that_are_not_among_the_headers_are_sent_too() -> None:
    (request,) = parsed(entry(request={"cookies": [header("a", "1"), header("b", "2")]})).requests
    assert request.headers == (("Cookie", "a=1; b=2"),)


def test_a_form_is_written_from_its_fields() -> None:
    fields = {"mimeType": "application/x-www-form-urlencoded; charset=utf-8", "params": [header("a", "x y")]}
    (request,) = parsed(entry(method="POST", request={"postData": fields})).requests
    assert request.body == b"a=x+y"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (entry("https://cdn.test/app.js"), "of another host"),
        (entry("http://shop.test/"), "of another host"),
        (entry("ws://shop.test:8000/live"), "a WebSocket"),
        (entry("http://shop.test:8000/live", _resourceType="websocket"), "a WebSocket"),
        ({**entry(), "response": {"status": 101}}, "a WebSocket"),
        (entry("data:text/plain,hello"), "no http URL"),
        (entry("chrome-extension://abc/x.js"), "no http URL"),
        (entry("http://[::1/"), "no valid URL"),
        (entry(request={"headers": [header("X", "a\r\nEvil: b")]}), "what HTTP does not allow"),
        (entry(request={"headers": [header("X\r\nEvil", "b")]}), "what HTTP does not allow"),
        (entry(method="GET /evil HTTP/1.1\r\n"), "what HTTP does not allow"),
        (
            entry(
                method="POST", request={"postData": {"mimeType": "multipart/form-data", "params": [header("a", "b")]}}
            ),
            "a form whose body is not in the file",
        ),
    ],
)
def test_what_cannot_be_sent_is_counted_with_its_reason(bad, reason) -> None:
    imported = parsed(entry("http://shop.test:8000/fine"), bad)
    assert [request.target for request in imported.requests] == ["/fine"]
    (skipped,) = imported.skipped
    assert (skipped.reason, skipped.count) == (reason, 1)
    assert skipped.first.startswith("entry 1")
    assert imported.recorded == 2
    assert len(imported.order) == 1


def test_a_target_cannot_break_the_request_line() -> None:
    (request,) = parsed(entry("http://shop.test:8000/a b\r\nX: y?q=ü")).requests
    assert "\r" not in request.target
    assert " " not in request.target


def test_the_recorded_host_may_be_another() -> None:
    options = ImportOptions(url="http://127.0.0.1:9000", host="shop.test")
    assert len(parsed(entry(), entry("https://shop.test/a"), options=options).requests) == 2


def test_without_times_the_order_is_that_of_the_file() -> None:
    imported = parsed(entry(at=None), entry("http://shop.test:8000/b"))
    assert imported.arrivals is None
    assert imported.order.tolist() == [0, 1]
    assert "times" in imported.notes[0]


@pytest.mark.parametrize(
    ("data", "where", "says"),
    [
        (b'{"log":\n{"entries": [}}', "shop.har:2", "malformed"),
        (b'{"log": {}}', "shop.har: $.log", "entries"),
        (b'{"log": {"entries": [{"request": {"method": 1, "url": "x"}}]}}', "$.log.entries[0].request.method", "str"),
        (b'{"log": {"entries": [{"request": {"method": "GET"}}]}}', "$.log.entries[0].request", "url"),
        (b"[]", "shop.har", "object"),
        (b'{"log": {"entries": [', "shop.har", "truncated"),
        (b'{"log": "\xff"}', "shop.har", "HAR"),
        (har(entry(at="yesterday")), "shop.har: log.entries[0].startedDateTime", "yesterday"),
        (b'{"log": {"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}", "shop.har", "HAR"),
    ],
)
def test_an_invalid_file_is_refused_with_its_line_or_key(data, where, says) -> None:
    with pytest.raises(InvalidValue) as caught:
        parse_har(data, "shop.har", OPTIONS)
    assert where in caught.value.where
    assert says in str(caught.value)


def test_a_byte_order_mark_is_no_obstacle() -> None:
    assert len(parse_har(b"\xef\xbb\xbf" + har(entry()), "shop.har", OPTIONS).requests) == 1


def test_recognition() -> None:
    assert recognises_har(b'\n{\n  "log" : {')
    assert not recognises_har(b'{"openapi": "3.1.0"}')
    assert not recognises_har(b'{"log": "text", "method": "GET"}')
