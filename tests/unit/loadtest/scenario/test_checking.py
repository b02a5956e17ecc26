"""Checks of responses, in words."""

from __future__ import annotations

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.loadtest.scenario import Check, Response
from perfloop.loadtest.scenario.checking import compile_check, seconds, statuses
from perfloop.loadtest.scenario.reading import Places

BODY = b'{"total": 3, "ok": true}'
RESPONSE = Response(
    200, 0.25, b"HTTP/1.1 200 OK\r\nX-A: secret\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY, "GET /"
)


@pytest.mark.parametrize(
    ("check", "wrong"),
    [
        (Check(status=200), None),
        (Check(status=(200, 404)), None),
        (Check(status="2xx,404"), None),
        (Check(status=404), "status 200"),
        (Check(contains="total"), None),
        (Check(contains="totel"), """'{"total": 3, "ok": true}'"""),
        (Check(matches='"total": [0-9]'), None),
        (Check(matches="^x"), """'{"total": 3, "ok": true}'"""),
        (Check(json={"/total": 3}), None),
        (Check(json={"/total": 4}), "3, expected 4"),
        (Check(json={"/ok": 1}), "true, expected 1"),
        (Check(json={"/none": 1}), "nothing there"),
        (Check(headers={"x-a": "secret"}), None),
        (Check(headers={"x-a": "other"}), "another value"),
        (Check(headers={"x-b": "other"}), "no such header"),
        (Check(max_latency="250ms"), None),
        (Check(max_latency=0.1), "250 ms, allowed 100 ms"),
    ],
)
def test_what_holds(check: Check, wrong: str | None) -> None:
    (compiled,) = compile_check(check, ("request", 0, "check"), Places())
    assert compiled.wrong(RESPONSE) == wrong


def test_conditions_have_names() -> None:
    check = Check(status=200, contains="a", matches="b", json={"/t": 1}, headers={"X": "y"}, max_latency=1)
    names = [condition.name for condition in compile_check(check, (), Places())]
    assert names == ["status", "contains", "matches", "json /t", "header X", "max_latency"]


def test_a_body_that_is_no_json_is_shown_shortened() -> None:
    response = Response(200, 0.1, b"HTTP/1.1 200 OK\r\n\r\n" + b"<" * 1000, "GET /")
    (compiled,) = compile_check(Check(json={"/t": 1}), (), Places())
    wrong = compiled.wrong(response)
    assert wrong is not None
    assert wrong.startswith("no JSON: '<<<")
    assert len(wrong) < 120


def test_values_that_do_not_parse() -> None:
    assert statuses("200-202", "here") == {200, 201, 202}
    for value in ("20x", 99, 700, ""):
        with pytest.raises(InvalidValue, match=r"Expected statuses such as 200, 200,404 or 2xx.*\(here\)"):
            statuses(value, "here")
    with pytest.raises(InvalidValue, match="Expected a duration of 0 or more"):
        seconds(-1, "here")
