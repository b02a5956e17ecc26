from __future__ import annotations

import itertools

import numpy as np
import pytest

from perfloop import __version__
from perfloop.exceptions import InvalidValue
from perfloop.loadtest import Request, Target
from perfloop.loadtest.request import MOST_SMOOTH, for_ever, prepare, smooth_order, spread_order

TARGET = Target.parse("http://localhost:8000/")


def test_a_request_is_serialised_whole() -> None:
    request = Request(target="/orders?page=1", headers=(("X-Key", " value "),))
    assert (
        prepare(request, TARGET).prefix
        == (
            f"GET /orders?page=1 HTTP/1.1\r\nHost: localhost:8000\r\nUser-Agent: perfloop/{__version__}\r\n"
            "Accept: */*\r\nX-Key: value\r\n\r\n"
        ).encode()
    )


def test_own_headers_replace_the_usual_ones() -> None:
    headers = (("host", "other"), ("USER-AGENT", "me"), ("Accept", "text/html"), ("Authorization", "Bearer x"))
    target = Target.parse("http://user:password@localhost/")
    assert prepare(Request(headers=headers), target).prefix == (
        b"GET / HTTP/1.1\r\nhost: other\r\nUSER-AGENT: me\r\nAccept: text/html\r\nAuthorization: Bearer x\r\n\r\n"
    )
    assert b"\r\nAuthorization: Basic dXNlcjpwYXNzd29yZA==\r\n" in prepare(Request(), target).prefix


@pytest.mark.parametrize(
    ("method", "body", "length"),
    [
        ("GET", b"", None),
        ("GET", b"x", 1),
        ("POST", b"", 0),
        ("PUT", b"abc", 3),
        ("DELETE", b"", None),
        ("PATCH", b"", 0),
    ],
)
def test_the_length_is_sent_where_there_could_be_a_body(method, body, length) -> None:
    message = prepare(Request(method=method, body=body), TARGET).prefix
    assert message.endswith(b"\r\n\r\n" + body)
    if length is None:
        assert b"Content-Length" not in message
    else:
        assert b"Content-Length: %d\r\n" % length in message


def test_a_traced_request_leaves_room_for_its_number() -> None:
    prepared = prepare(Request(method="POST", body=b"body"), TARGET, "0123456789abcdef" * 2)
    assert prepared.prefix.endswith(b"\r\ntraceparent: 00-0123456789abcdef0123456789abcdef-")
    assert prepared.suffix == b"-01\r\n\r\nbody"


def test_what_the_engine_must_know_of_a_request() -> None:
    assert prepare(Request(method="HEAD"), TARGET).is_head
    assert not prepare(Request(), TARGET).is_head
    idempotent = {
        method for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "POST", "PATCH", "PURGE")
        if prepare(Request(method=method), TARGET).idempotent
    }  # fmt: skip
    assert idempotent == {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"}
    assert prepare(Request(method="POST", target="/x"), TARGET).label == "POST /x"


@pytest.mark.parametrize(
    "request_",
    [
        Request(method="GE T"),
        Request(method=""),
        Request(method="GET\r\n"),
        Request(method="CONNECT"),
        Request(target=""),
        Request(target="orders"),
        Request(target="/a b"),
        Request(target="/a\r\nX: y"),
        Request(target="/ü"),
        Request(headers=(("X-A", "1\r\nX-B: 2"),)),
        Request(headers=(("X-A", "1\n"),)),
        Request(headers=(("X A", "1"),)),
        Request(headers=(("X-A:", "1"),)),
        Request(headers=(("", "1"),)),
        Request(headers=(("X-A", "snow ☃"),)),
        Request(headers=(("Transfer-Encoding", "chunked"),)),
        Request(headers=(("Content-Length", "5"),)),
        Request(headers=(("Upgrade", "websocket"),)),
        Request(weight=0),
        Request(weight=-1),
        Request(weight=float("nan")),
        Request(weight=float("inf")),
    ],
    ids=repr,
)
def test_a_request_that_would_break_its_framing_is_refused(request_) -> None:
    with pytest.raises(InvalidValue) as caught:
        request_.validate("--request")
    assert "--request" in str(caught.value)


@pytest.mark.parametrize(
    "request_",
    [
        Request(body=b"GET with a body"),
        Request(method="PROPFIND"),
        Request(method="OPTIONS", target="*"),
        Request(headers=(("X-Empty", ""), ("X-Latin", "é"), ("Content-Length", "0"))),
        Request(weight=0.25),
    ],
    ids=repr,
)
def test_odd_but_sound_requests_are_taken(request_) -> None:
    request_.validate()
    prepare(request_, TARGET)


@pytest.mark.parametrize(
    ("weights", "cycle"),
    [
        ([1], "aaaa"),
        ([1, 1], "abab"),
        ([5, 1, 1], "aabacaaaabacaa"),
        ([1, 2], "babbab"),
        ([0.5, 0.25], "abaaba"),
        ([2, 2], "abab"),
    ],
)
def test_weights_are_spread_as_evenly_as_can_be(weights, cycle) -> None:
    order = smooth_order(weights)
    assert "".join("abc"[index] for index in itertools.islice(order, len(cycle))) == cycle


def test_the_seed_chooses_where_the_order_starts() -> None:
    first = list(itertools.islice(smooth_order([3, 1]), 12))
    other = list(itertools.islice(smooth_order([3, 1], seed=2), 12))
    assert other[:10] == first[2:12]


def test_weights_without_a_short_cycle_still_come_in_proportion() -> None:
    weights = [1.0, 0.0001, 3.33333]
    picked = list(itertools.islice(smooth_order(weights), 43_334))
    assert picked.count(0) == pytest.approx(10_000, abs=2)
    assert picked.count(2) == pytest.approx(33_333, abs=2)


def test_a_request_reads_as_it_is_written() -> None:
    assert str(Request(target="/a?b=1")) == "GET /a?b=1"
    assert str(Request(method="POST", target="/a", weight=2.5)) == "2.5x POST /a"


def test_thousands_of_requests_are_spread_at_once() -> None:
    weights = [3.0, *[1.0] * 20_000]
    cycle = list(itertools.islice(smooth_order(weights, seed=4), sum(map(int, weights))))
    assert np.bincount(cycle).tolist() == weights
    places = np.flatnonzero(np.array(cycle) == 0)
    assert np.ptp(np.diff(places)) < 0.02 * len(cycle), "at even distances"
    assert len(weights) > MOST_SMOOTH


def test_weights_that_are_not_whole_keep_their_shares_when_spread() -> None:
    weights = [0.5, 0.25, *[0.001] * 100]
    shares = np.bincount(spread_order(weights)) / len(spread_order(weights))
    assert shares == pytest.approx(np.array(weights) / sum(weights), abs=1e-4)
    assert np.bincount(spread_order([1e9, 1e-9])).min() == 1, "none is left out"


def test_an_order_is_repeated_for_ever() -> None:
    assert list(itertools.islice(for_ever(np.array([2, 0], dtype=np.int32)), 5)) == [2, 0, 2, 0, 2]


def test_a_label_stands_for_the_request() -> None:
    request = Request(target="/items/17", label="GET /items/{id}", weight=3)
    assert str(request) == "3x GET /items/{id}"
    assert str(Request(weight=2_500_000)) == "2500000x GET /"
    assert prepare(request, TARGET).label == "GET /items/{id}"
    assert prepare(request, TARGET).prefix.startswith(b"GET /items/17 HTTP/1.1\r\n")
