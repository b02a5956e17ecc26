from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from perfloop.exceptions import ConfigurationError, InvalidValue
from perfloop.loadtest import LoadOptions, LoadTest, Request, ThinkTime
from perfloop.loadtest.arrivals import Closed, Constant, Poisson, Ramp, Sequence

URL = "http://localhost:8000/orders?token=secret&page=1"


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"rate": 0}, "rate"),
        ({"rate": -1.0}, "rate"),
        ({"rate": float("nan")}, "rate"),
        ({"rate": float("inf")}, "rate"),
        ({"rate": 1e308}, "rate"),
        ({"rate": 1e6, "duration": 1e6}, "duration"),
        ({"profile": Ramp(1, 1e9, 5)}, "rate"),
        ({"connections": 0}, "connections"),
        ({"connections": 10**6}, "connections"),
        ({"connections": -3}, "connections"),
        ({"streams": 0}, "streams"),
        ({"streams": 1001}, "streams"),
        ({"http2": True, "keep_alive": False}, "keep_alive"),
        ({"tls_resume": True}, "tls_resume"),
        ({"duration": 0}, "duration"),
        ({"duration": float("nan")}, "duration"),
        ({"request_limit": 0}, "requests"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": float("inf")}, "timeout"),
        ({"arrival": "bursty"}, "arrival"),
        ({"profile": "ramp 1..2 3s"}, "profile"),
        ({"profile": Ramp(1, 2, 0)}, "seconds above 0 for ramp"),
        ({"profile": Constant(0, 5)}, "makes requests"),
        ({"profile": Constant(5), "rate": 3}, "not both"),
        ({"profile": Constant(5), "duration": None}, "never end"),
        ({"think_time": -1}, "think_time"),
        ({"think_time": 0}, "think_time"),
        ({"think_time": ThinkTime(2, 1)}, "think_time"),
        ({"think_time": ThinkTime(2, 3, exponential=True)}, "think_time"),
        ({"pacing": 0}, "pacing"),
        ({"pacing": 1, "think_time": 1}, "not both"),
        ({"think_time": 1, "rate": 5}, "no think time beside a rate"),
        ({"pacing": 1, "profile": Constant(5, 1)}, "no pacing beside a rate"),
        ({"precise": True}, "precise"),
        ({"seed": -1}, "seed"),
        ({"warm_up": "automatic"}, "warm_up"),
        ({"warm_up": 0}, "warm_up"),
        ({"warm_up": 10.0}, "shorter than the run of 10s"),
        ({"expect_status": frozenset({42})}, "expect_status"),
        ({"url": "gopher://localhost/"}, "gopher"),
        ({"duration": None}, "never end"),
        ({"headers": (("X", "a\r\nb"),)}, "line breaks"),
        ({"method": "G T"}, "method"),
        ({"requests": (Request(), Request(target="no-slash"))}, "path"),
        ({"order": np.array([1])}, "order"),
        ({"order": np.array([-1])}, "order"),
        ({"order": np.array([], dtype=int)}, "order"),
        ({"order": np.array([0.5])}, "order"),
        ({"order": np.array([[0]])}, "order"),
    ],
)
def test_a_value_out_of_range_names_the_option(options, where) -> None:
    with pytest.raises(InvalidValue) as caught:
        LoadOptions(**{"url": URL, **options}).validate()
    assert where in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rate": 0.1},
        {"duration": None, "request_limit": 1},
        {"method": "GET", "body": b"a body"},
        {"expect_status": frozenset({200, 404})},
        {"arrival": "poisson", "rate": 1e6, "connections": 10_000},
        {"profile": Ramp(1, 2, 3), "duration": None, "arrival": "poisson"},
        {"profile": Closed(3), "duration": None, "think_time": 0.5},
        {"pacing": 0.5},
    ],
)
def test_sound_options_are_taken(options) -> None:
    LoadOptions(url=URL, **options).validate()


def test_without_requests_there_is_one_of_the_url() -> None:
    options = LoadOptions(url=URL, method="POST", headers=(("X-A", "1"),), body=b"x")
    assert options.effective_requests() == (
        Request(method="POST", target="/orders?token=secret&page=1", headers=(("X-A", "1"),), body=b"x"),
    )


def test_headers_are_shared_by_requests_that_do_not_have_their_own() -> None:
    requests = (Request(target="/a"), Request(target="/b", headers=(("x-a", "own"),), weight=2))
    options = LoadOptions(url=URL, requests=requests, headers=(("X-A", "shared"), ("X-B", "too")))
    first, second = options.effective_requests()
    assert first.headers == (("X-A", "shared"), ("X-B", "too"))
    assert second.headers == (("X-B", "too"), ("x-a", "own"))
    assert second.weight == 2


def test_the_plan_tells_the_model_and_no_secret() -> None:
    closed = LoadOptions(url=URL).plan()
    assert (closed.model, closed.rate, closed.arrival) == ("closed", None, None)
    assert len(closed.requests) == 1
    assert "secret" not in closed.requests[0]
    assert closed.requests[0].startswith("GET /orders?")
    opened = LoadOptions(url=URL, rate=5, arrival="poisson", requests=(Request(weight=3),)).plan()
    assert (opened.model, opened.rate, opened.arrival) == ("open", 5, "poisson")
    assert opened.requests == ["3x GET /"]


def test_an_order_is_kept_and_begins_again() -> None:
    requests = (Request(target="/a"), Request(target="/b", weight=9))
    options = LoadOptions(url=URL, requests=requests, order=np.array([0, 0, 1]))
    assert list(itertools.islice(options.sending_order(requests), 7)) == [0, 0, 1, 0, 0, 1, 0]


def test_the_plan_shows_a_label_once() -> None:
    requests = (
        Request(target="/items/1", weight=2, label="GET /items/{id}"),
        Request(target="/"),
        Request(target="/items/2", weight=3, label="GET /items/{id}"),
    )
    assert LoadOptions(url=URL, requests=requests).plan().requests == ["5x GET /items/{id}", "GET /"]


def test_a_profile_that_ends_by_itself_lasts_as_long_as_it_says() -> None:
    ramp = Ramp(1, 2, 30)
    assert LoadOptions(url=URL, profile=ramp).lasts == 30
    assert LoadOptions(url=URL, profile=Sequence((ramp, Constant(2))), duration=60).lasts == 60
    assert LoadOptions(url=URL, profile=Closed(5)).lasts == 5
    assert LoadOptions(url=URL, profile=Closed()).lasts == LoadOptions(url=URL).lasts == 10


def test_the_plan_carries_the_profile() -> None:
    plan = LoadOptions(url=URL, profile=Sequence((Ramp(1, 20, 30), Constant(20, 60))), arrival="poisson").plan()
    assert (plan.model, plan.rate, plan.arrival) == ("open", None, "poisson")
    assert (plan.profile, plan.duration_seconds) == ("poisson ramp 1..20 30s, poisson constant 20 1m", 90)
    assert LoadOptions(url=URL, profile=Poisson(Ramp(1, 20, 30))).plan().arrival == "poisson"
    constant = LoadOptions(url=URL, profile=Constant(5, 3)).plan()
    assert (constant.rate, constant.profile, constant.duration_seconds) == (5, "constant 5 3s", 3)
    closed = LoadOptions(url=URL, profile=Closed(3)).plan()
    assert (closed.model, closed.rate, closed.profile, closed.duration_seconds) == ("closed", None, None, 3)
    thinking = LoadOptions(url=URL, think_time=ThinkTime(0.5, 2)).plan()
    assert (thinking.model, thinking.think_time, thinking.pacing_seconds) == ("closed", "500ms..2s", None)
    assert LoadOptions(url=URL, think_time=1.5).plan().think_time == "1500ms"
    assert LoadOptions(url=URL, pacing=0.25).plan().pacing_seconds == 0.25


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"concurrency": 1.5}, "Expected a whole number, got 1.5 (connections)"),
        ({"concurrency": True}, "Expected a whole number, got True (connections)"),
        ({"rate": "5"}, "Expected a number or None, got '5' (rate)"),
        ({"duration": "3s"}, "Expected a number or None, got '3s' (duration)"),
        ({"timeout": None}, "Expected a number, not None (timeout)"),
        ({"headers": {"Authorization": "secret"}}, "got <class 'dict'> (headers)"),
        ({"headers": ("Authorization", "secret")}, "got <class 'str'> (headers)"),
        ({"headers": (("Authorization", b"secret"),)}, "got <class 'bytes'> (headers)"),
        ({"headers": (("Authorization", "secret", "secret"),)}, "got <class 'tuple'> (headers)"),
        ({"body": "secret"}, "Expected bytes, such as b'{}', got <class 'str'> (body)"),
        ({"requests": ("GET /?token=secret",)}, "got <class 'str'> (requests)"),
        ({"requests": (Request(body="secret"),)}, "Expected bytes, such as b'{}', got <class 'str'> (body)"),
        ({"expect_status": 200}, "(expect_status)"),
        ({"insecure": "no"}, "Expected True or False, got 'no' (insecure)"),
        ({"connection": 5}, "Expected a field of LoadOptions, got 'connection'"),
    ],
)
def test_values_of_the_wrong_type_are_named(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        LoadTest("http://localhost/", **options)
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)


def test_numbers_of_numpy_and_lists_are_as_good() -> None:
    LoadTest("http://h/", concurrency=np.int64(5), rate=np.float64(2.5), headers=[("A", "b")], expect_status={200})
    Request(headers=[["A", "b"]]).validate()  # type: ignore[arg-type]


def test_a_url_that_is_no_text() -> None:
    with pytest.raises(InvalidValue, match="a URL as text"):
        LoadTest(b"http://u:secret@h/")  # type: ignore[arg-type]


async def test_a_test_does_not_stop_the_loop_it_is_called_in() -> None:
    with pytest.raises(ConfigurationError) as caught:
        LoadTest("http://localhost/").run()
    assert "await test.arun()" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("options", "looked_for"),
    [
        ({}, True),
        ({"rate": 50}, True),
        ({"rate": 50, "arrival": "poisson"}, True),
        ({"think_time": 1}, True),
        ({"profile": Constant(50, 9)}, True),
        ({"profile": Poisson(Constant(50, 9))}, True),
        ({"profile": Closed(9)}, True),
        ({"profile": Ramp(10, 50, 9)}, False),
        ({"profile": Ramp(10, 50, 9), "warm_up": 2}, True),
        ({"order": np.array([0])}, False),
        ({"warm_up": "none"}, False),
        ({"warm_up": 2.5}, True),
    ],
)
def test_a_warm_up_is_looked_for_where_the_load_is_steady(options: dict[str, Any], looked_for: bool) -> None:
    load = LoadOptions(url=URL, **options)
    load.validate()
    assert (load.checkpoints() is not None) == looked_for
