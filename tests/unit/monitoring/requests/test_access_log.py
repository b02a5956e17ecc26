"""The access log: one record a request."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from perfloop.monitoring.requests import PerformanceMiddleware, WSGIPerformanceMiddleware
from perfloop.telemetry import Registry

from .calling import Ticks, call, call_wsgi

ROUTE = '/orders/{id}"\n'


@pytest.fixture(autouse=True)
def at_info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="perfloop.access")


def answering(clock: Ticks, status: int = 200) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        clock.pass_(0.0125)
        await send({"type": "http.response.start", "status": status, "headers": []})
        clock.pass_(0.001)
        await send({"type": "http.response.body", "body": b"hello"})

    return app


def logged(app: Any, **options: Any) -> Any:
    clock = Ticks()
    return PerformanceMiddleware(app(clock), registry=Registry(), clock=clock, **options)


def test_a_line_of_words(caplog: pytest.LogCaptureFixture) -> None:
    call(logged(answering, access_log=True, route=lambda scope: "/orders/{id}"), "/orders/7?token=secret")
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("perfloop.access", "INFO")
    assert record.getMessage() == "GET /orders/{id} 200 13.5 ms 5 B"
    assert record.__dict__["first_byte_ms"] == 12.5
    assert {name: record.__dict__[name] for name in ("method", "route", "status", "duration_ms", "sent_bytes")} == {
        "method": "GET",
        "route": "/orders/{id}",
        "status": 200,
        "duration_ms": 13.5,
        "sent_bytes": 5,
    }
    assert "secret" not in caplog.text


def test_a_line_of_json(caplog: pytest.LogCaptureFixture) -> None:
    call(logged(answering, access_log="json", route=lambda scope: ROUTE))
    message = caplog.records[0].getMessage()
    assert "\n" not in message
    assert json.loads(message) == {
        "method": "GET",
        "route": ROUTE,
        "status": 200,
        "error": "",
        "duration_ms": 13.5,
        "first_byte_ms": 12.5,
        "sent_bytes": 5,
    }


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_request_without_response(form: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("a secret")

    app = PerformanceMiddleware(broken, registry=Registry(), access_log=form, clock=Ticks())
    with pytest.raises(ValueError):
        call(app)
    message = caplog.records[0].getMessage()
    if form == "json":
        assert json.loads(message)["first_byte_ms"] is None
        assert json.loads(message)["error"] == "ValueError"
    else:
        assert message == "GET (unmatched) 500 0.0 ms 0 B ValueError"
    assert "secret" not in message


def test_wsgi_logs_too(caplog: pytest.LogCaptureFixture) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return [b"x"]

    call_wsgi(WSGIPerformanceMiddleware(app, registry=Registry(), access_log=True, clock=Ticks()))
    assert caplog.records[0].getMessage() == "GET (unmatched) 200 0.0 ms 1 B"


def test_nothing_is_logged_unless_it_is_wanted(caplog: pytest.LogCaptureFixture) -> None:
    call(logged(answering))
    caplog.set_level(logging.WARNING, logger="perfloop.access")
    call(logged(answering, access_log=True))
    assert caplog.records == []


def test_a_method_cannot_write_lines_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    call(logged(answering, access_log=True), method="GET\nfaked")
    assert caplog.records[0].getMessage().startswith("_OTHER ")
