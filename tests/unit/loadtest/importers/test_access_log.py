from __future__ import annotations

import json
import time

import numpy as np
import pytest

from perfloop.exceptions import InvalidValue
from perfloop.loadtest.importers import ImportOptions, imported
from perfloop.loadtest.importers.access_log import parse_access_log, recognises_access_log
from perfloop.loadtest.importers.log_line import LOG_FIELDS, JsonLines, common_line
from perfloop.loadtest.importers.log_time import log_seconds

OPTIONS = ImportOptions(url="http://127.0.0.1:8000")
COMMON = '127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif?a=1 HTTP/1.0" 200 2326'
MOMENT = 971211336.0


def line(target: str, second: int = 0, client: str = "10.0.0.1", agent: str = "curl/8", method: str = "GET") -> bytes:
    stamp = f"25/Nov/2026:10:00:{second:02} +0000"
    return f'{client} - - [{stamp}] "{method} {target} HTTP/1.1" 200 12 "-" "{agent}"\n'.encode()


def parsed(lines: list[bytes], **options: object):
    return parse_access_log(lines, "access.log", ImportOptions(url="http://127.0.0.1:8000", **options))


@pytest.mark.parametrize(
    "text",
    [
        COMMON,
        COMMON + ' "http://www.example.com/start.html" "Mozilla/4.08 [en] (Win98; I ;Nav)"',
        "shop.test " + COMMON,
        COMMON.replace("2326", "-"),
        COMMON + ' "-" "a \\"quoted\\" agent" 0.004 extra "fields"',
        COMMON.replace("127.0.0.1", "::1"),
    ],
)
def test_common_and_combined_lines(text) -> None:
    entry = common_line(text.encode())
    assert (entry.method, entry.target, entry.time) == ("GET", "/apache_pb.gif?a=1", MOMENT)


@pytest.mark.parametrize(
    ("written", "target"),
    [
        (rb"/a\x22b\xD0\x9F", '/a"b%D0%9F'),
        (rb"/a\"b\\c", '/a"b\\c'),
        ("/ü".encode(), "/%C3%BC"),
        (b"/\xff", "/%FF"),
        (b"/a%20b", "/a%20b"),
        (b"/a?q=\\x20", "/a?q=%20"),
    ],
)
def test_a_target_is_sent_in_the_bytes_that_came(written, target) -> None:
    log = parsed([line("/x").replace(b"/x", written, 1)])
    assert [request.target for request in log.requests] == [target]


def test_how_long_it_took_is_no_time() -> None:
    found = JsonLines({}).read(b'{"method": "GET", "uri": "/", "time": 0.004, "timestamp": "2000-10-10T20:55:36Z"}')
    assert found.time == MOMENT


def test_a_session_is_client_and_agent() -> None:
    def session(client: str, agent: str) -> int:
        return common_line(line("/", client=client, agent=agent)).session

    assert session("1.1.1.1", "a") == session("1.1.1.1", "a")
    assert len({session("1.1.1.1", "a"), session("1.1.1.1", "b"), session("1.1.1.2", "a")}) == 3
    shop = ("shop.test " + COMMON).encode()
    assert common_line(shop).session == common_line(COMMON.encode()).session, "the virtual host is not the client"


def test_the_log_of_uvicorn_has_a_mix_but_no_times() -> None:
    lines = [b'INFO:     127.0.0.1:5343%d - "GET /a?b=1 HTTP/1.1" 200 OK\n' % number for number in range(3)]
    log = parsed(lines)
    assert [(request.target, request.weight) for request in log.requests] == [("/a?b=1", 3)]
    assert log.arrivals is None
    assert set(log.sessions.tolist()) == {0}, "one client, whatever its port"
    assert recognises_access_log(lines[0])


NGINX = {
    "time_iso8601": "2000-10-10T13:55:36-07:00",
    "request_method": "GET",
    "request_uri": "/a?b=1",
    "remote_addr": "1.2.3.4",
    "http_user_agent": "x",
}
CADDY = {
    "ts": MOMENT,
    "request": {"remote_ip": "1.2.3.4", "method": "GET", "uri": "/a?b=1", "headers": {"User-Agent": ["x"]}},
}
GUNICORN = {"t": "10/Oct/2000:13:55:36 -0700", "r": "GET /a?b=1 HTTP/1.1", "h": "1.2.3.4", "a": "x"}
UVICORN = {
    "timestamp": "2000-10-10T20:55:36.000Z",
    "method": "get",
    "path": "/a",
    "query_string": "b=1",
    "client_addr": "1.2.3.4",
}
TRAEFIK = {
    "StartUTC": "2000-10-10T20:55:36.000000000Z",
    "RequestMethod": "GET",
    "RequestPath": "/a?b=1",
    "ClientHost": "1.2.3.4",
}


@pytest.mark.parametrize("entry", [NGINX, CADDY, GUNICORN, UVICORN, TRAEFIK])
def test_json_lines_of_the_usual_servers(entry) -> None:
    reader = JsonLines({})
    for _ in range(2):  # the second time the keys are remembered
        found = reader.read(json.dumps(entry).encode())
        assert (found.method, found.target, found.time) == ("GET", "/a?b=1", MOMENT)


def test_keys_can_be_named() -> None:
    reader = JsonLines({"target": "http.where", "method": "how", "time": "when"})
    found = reader.read(b'{"how": "GET", "http": {"where": "/a"}, "uri": "/wrong", "when": "971211336000"}')
    assert found[:3] == (MOMENT, "GET", "/a")
    with pytest.raises(InvalidValue, match="time"):
        JsonLines({"tiem": "when"})
    assert set(LOG_FIELDS) >= {"time", "method", "target", "request", "client", "agent"}


@pytest.mark.parametrize(
    "value",
    [
        "10/Oct/2000:13:55:36 -0700",
        "2000-10-10T20:55:36Z",
        "2000-10-10T22:55:36+02:00",
        "2000-10-10T20:55:36",
        971211336,
        971211336.0,
        "971211336",
        971211336_000,
        971211336_000_000,
        971211336_000_000_000,
    ],
)
def test_times(value) -> None:
    assert log_seconds(value) == MOMENT


@pytest.mark.parametrize(
    "value",
    [
        "",
        "yesterday",
        "10/Foo/2000:13:55:36 -0700",
        "40/Oct/2000:13:55:36 -0700",
        "10/Oct/2000:13:55:xx -0700",
        "10/Oct/2000",
        None,
        True,
        [],
        -5,
        0.004,
        "12.5",
        float("nan"),
        float("inf"),
        "9" * 400,
    ],
)
def test_no_times(value) -> None:
    with pytest.raises(ValueError, match="time"):
        log_seconds(value)


def test_mix_order_and_times_are_those_of_the_log() -> None:
    log = parsed([line("/items/1", 2), line("/", 0), line("/items/2", 2), line("/", 4)])
    assert [(request.target, request.weight, request.label) for request in log.requests] == [
        ("/items/1", 1, "GET /items/{id}"),
        ("/", 2, "GET /"),
        ("/items/2", 1, "GET /items/{id}"),
    ]
    assert log.order.tolist() == [1, 0, 2, 1]
    assert log.arrivals.tolist() == [0.0, 1.75, 2.25, 4.0]
    assert "whole seconds" in log.notes[0]
    assert log.recorded == 4


def test_finer_times_are_kept() -> None:
    log = parsed([json.dumps({**CADDY, "ts": MOMENT + at}).encode() for at in (0.25, 0.0, 0.5)])
    assert log.arrivals.tolist() == [0.0, 0.25, 0.5]
    assert log.notes == ()


def test_each_session_keeps_its_order() -> None:
    random = np.random.default_rng(1)
    seconds = np.sort(random.integers(0, 10, 500)).tolist()
    clients = random.integers(0, 5, 500).tolist()
    log = parsed(
        [line(f"/{number}", s, f"10.0.0.{c}") for number, (s, c) in enumerate(zip(seconds, clients, strict=True))]
    )
    assert len(set(log.sessions.tolist())) == len(set(clients))
    assert (np.diff(log.arrivals) > 0).all()
    for session in set(log.sessions.tolist()):
        targets = [int(log.requests[index].target[1:]) for index in log.order[log.sessions == session]]
        assert targets == sorted(targets)


def test_bad_lines_are_counted_and_the_first_of_each_kind_shown() -> None:
    log = parsed(
        [
            b"# a comment\n",
            b"\n",
            line("/fine"),
            b"garbage?token=s3cret here\n",
            b"\x00\xff\xfe\n",
            line("/x").replace(b'"GET /x HTTP/1.1"', b'"\\x16\\x03\\x01"'),
            line("/x").replace(b"25/Nov", b"99/Nov"),
            b'{"method": "GET"}\n',
            b'{"method": \n',
            line("*", method="OPTIONS"),
            line("shop.test:443", method="CONNECT"),
            line("http://other.test/proxied?a=b"),
            b"x" * 2_000_000,
        ]
    )
    assert [request.target for request in log.requests] == ["/fine", "/proxied?a=b"]
    counts = {each.reason: each.count for each in log.skipped}
    assert counts["no line of an access log"] == 3
    assert sum(counts.values()) == 9
    first = next(each.first for each in log.skipped if each.reason == "no line of an access log")
    assert first == "line 4: garbage?*** here"
    assert log.recorded == 11


@pytest.mark.parametrize("lines", [[], [b"\n"], [b"\x00\x01\x02" * 1000], [b"hello\n", b"world\n"]])
def test_a_file_without_any_request_is_an_error(lines) -> None:
    with pytest.raises(InvalidValue, match="access log") as caught:
        parsed(lines)
    assert caught.value.where == "access.log"


def test_a_log_holds_no_bodies() -> None:
    log = parsed([line("/a", method="POST"), line("/a", method="DELETE")])
    assert any("no bodies: 1 POST" in note for note in log.notes)


def test_too_many_distinct_requests_are_left_out_and_counted(monkeypatch) -> None:
    monkeypatch.setattr(imported, "MOST_REQUESTS", 3)
    log = parsed([line(f"/{number % 5}") for number in range(10)])
    assert len(log.requests) == 3
    (skipped,) = log.skipped
    assert (skipped.reason, skipped.count) == ("more than 3 distinct requests", 4)
    assert len(log.order) == 6


def test_hostile_lines_take_linear_time() -> None:
    lines = [
        b'a "' + b'\\"' * 400_000,
        b"- " * 400_000,
        b'a b c [x] "' + b"\\" * 800_000,
        b'"' * 800_000,
        b"a " * 3 + b"[" + b"]" * 800_000,
        b'a b c [x] "y" 200 1 "' + b'\\"' * 300_000,
    ]
    began = time.process_time()
    with pytest.raises(InvalidValue):
        parsed(lines)
    assert time.process_time() - began < 5, "processor time, far from that of a quadratic match"


def test_progress_is_told_now_and_then() -> None:
    told: list[int] = []
    parse_access_log([line("/")] * 10_000, "access.log", OPTIONS, on_line=told.append)
    assert told == [4096, 8192]


@pytest.mark.parametrize(
    ("head", "known"),
    [
        (COMMON.encode(), True),
        (b"garbage\n" + COMMON.encode(), True),
        (b'{"uri": "/"}\n', True),
        (b"{\n", False),
        (b"hello", False),
        (b"", False),
    ],
)
def test_recognition(head, known) -> None:
    assert recognises_access_log(head) is known
