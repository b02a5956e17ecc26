"""Independent requests become messages the plain engine sends."""

from __future__ import annotations

from typing import Any

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.loadtest import Check, Feeder, Request, Scenario, Target, WeightedRequest
from perfloop.loadtest.request import PreparedRequest, prepare
from perfloop.loadtest.scenario.compiling import compile_scenario
from perfloop.loadtest.scenario.independent import prepare_independent

TARGET = Target.parse("http://h:8000/")
ITEMS = Feeder(rows=({"id": 1, "n": 'a"b'}, {"id": 2, "n": "c/d"}))


def prepared(request: WeightedRequest, trace_id: str | None = None, **more: Any) -> PreparedRequest:
    scenario = Scenario(feeders={"items": ITEMS}, request=(request,), **more)
    compiled = compile_scenario(scenario, headers=(("X-All", "1"), ("X-Own", "no")))
    assert compiled.independent
    return prepare_independent(compiled, TARGET, trace_id)[0]


def test_a_constant_request_is_the_same_as_a_plain_one() -> None:
    ours = prepared(WeightedRequest(path="/a b", headers={"X-Own": "2"}, weight=3))
    plain = prepare(Request(target="/a%20b", headers=(("X-All", "1"), ("X-Own", "2"))), TARGET)
    assert ours.prefix == plain.prefix
    assert (ours.render, ours.weight, ours.label) == (None, 3, "GET /a b")


def test_each_row_is_a_message() -> None:
    request = prepared(WeightedRequest(path="/{items.n}", json={"n": "{items.n}"}))
    assert request.render is not None
    assert not request.idempotent
    first, second, third = (request.render(number) for number in range(3))
    assert first == third
    assert first.startswith(b"POST /a%22b HTTP/1.1\r\nHost: h:8000\r\n")
    assert first.endswith(b'\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{"n": "a\\"b"}')
    assert second.startswith(b"POST /c%2Fd HTTP/1.1\r\n")


def test_with_a_trace_each_message_has_its_number() -> None:
    request = prepared(WeightedRequest(path="/{items.id}"), trace_id="0" * 32)
    assert request.render is not None
    assert b"GET /1 " in request.render(255)
    assert b"GET /2 " in (message := request.render(256))
    assert b"\r\ntraceparent: 00-00000000000000000000000000000000-0000000000000100-01\r\n" in message


@pytest.mark.parametrize(
    ("scenario", "independent"),
    [
        (Scenario(request=(WeightedRequest(path="/"),)), True),
        (Scenario(request=(WeightedRequest(path="/"),), cookies=True), False),
        (Scenario(request=(WeightedRequest(path="/", think=1),)), False),
        (Scenario(request=(WeightedRequest(path="/", check=Check(status=200)),)), False),
        (
            Scenario(
                request=(WeightedRequest(path="/{f.a}"),), feeders={"f": Feeder(rows=({"a": 1},), order="unique")}
            ),
            False,
        ),
    ],
)
def test_what_needs_no_user(scenario: Scenario, independent: bool) -> None:
    assert compile_scenario(scenario).independent == independent


def test_a_row_that_cannot_stand_in_a_header_is_named() -> None:
    scenario = Scenario(
        feeders={"f": Feeder(rows=({"a": "ok"}, {"a": "x\r\nX-Evil: 1"}))},
        request=(WeightedRequest(path="/", headers={"X": "{f.a}"}),),
    )
    with pytest.raises(InvalidValue, match=r"Expected a header value without line breaks.*\(row 2 of feeder f\)"):
        prepare_independent(compile_scenario(scenario), TARGET, None)
