"""What the middlewares send, without a server; what clients see of it is tested over sockets."""

from __future__ import annotations

import asyncio

import pytest

from perfloop.exceptions import ConfigurationError
from perfloop.telemetry import Registry
from perfloop.testing import Fault, FaultMiddleware, Faults, WSGIFaultMiddleware

BODY = b"0123456789"


def made(fault: Fault | None = None, **settings) -> Faults:
    return Faults({} if fault is None else {"*": fault}, allow=True, registry=Registry(), **settings)


async def app(scope, receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for start in range(0, len(BODY), 2):
        await send({"type": "http.response.body", "body": BODY[start : start + 2], "more_body": True})
    await send({"type": "http.response.body"})


def ask(faults: Faults, app=app, headers=(), **scope) -> tuple[int, bytes, bool]:
    """Status, body, and whether the response was complete."""
    sent = []

    async def send(message) -> None:
        sent.append(message)

    async def main() -> None:
        whole = {"type": "http", "path": "/", "headers": list(headers), "client": ("127.0.0.1", 1)} | scope
        await FaultMiddleware(app, faults)(whole, None, send)

    try:
        asyncio.run(main())
    except ConnectionAbortedError:
        pass
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0].get("status", 0), body, not sent[-1].get("more_body", False)


def ask_wsgi(faults: Faults, **environ) -> tuple[int, bytes, bool]:
    started, closed = [], []

    class Body:
        def __iter__(self):
            return iter([BODY[start : start + 2] for start in range(0, len(BODY), 2)])

        def close(self) -> None:
            closed.append(True)

    def app(environ, start_response):
        start_response("200 OK", [])
        return Body()

    body = WSGIFaultMiddleware(app, faults)({"PATH_INFO": "/"} | environ, lambda status, _: started.append(status))
    got, whole = b"", True
    try:
        for chunk in body:
            got += chunk
    except ConnectionAbortedError:
        whole = False
    if hasattr(body, "close"):
        body.close()
    assert closed == ([True] if started == ["200 OK"] else [])
    return int(started[0].split()[0]), got, whole


@pytest.fixture(params=[ask, ask_wsgi])
def asked(request):
    return request.param


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        (None, (200, BODY, True)),
        (Fault(status=599), (599, b"injected fault\n", True)),
        (Fault(partial=3), (200, BODY[:3], False)),
        (Fault(partial=100), (200, BODY[:-1], False)),
        (Fault(latency=0.0), (200, BODY, True)),
        (Fault(status=500, probability=0), (200, BODY, True)),
    ],
)
def test_answers(asked, fault, answer) -> None:
    assert asked(made(fault)) == answer


def test_errors_are_raised_to_the_server(asked) -> None:
    with pytest.raises(LookupError):
        asked(made(Fault(error=LookupError)))


def test_a_connection_that_is_not_found_is_no_reset(asked) -> None:
    with pytest.raises(ConfigurationError, match="a connection of this process") as raised:
        asked(made(Fault(reset=True)))
    assert "outermost" in raised.value.hint
    with pytest.raises(ConfigurationError):
        ask(made(Fault(reset=True)), client=None)  # a unix socket


def test_a_header_may_come_in_several_lines() -> None:
    lines = [(b"x-perfloop-fault", b"status=503"), (b"x-perfloop-fault", b"latency=1ms")]
    assert ask(made(by_header=True), headers=lines)[0] == 503
    assert ask(made(by_header=True), headers=[(b"x-perfloop-fault", b"\xff")])[0] == 400
    assert ask_wsgi(made(by_header=True), HTTP_X_PERFLOOP_FAULT="status=503")[0] == 503
    assert ask_wsgi(made(by_header=True), HTTP_X_PERFLOOP_FAULT="?")[0] == 400


def test_what_is_no_request_passes() -> None:
    async def app(scope, receive, send) -> None:
        await send({"type": scope["type"]})

    for kind in ("lifespan", "websocket"):
        assert ask(made(Fault(status=503)), app, type=kind)[0] == 0


def test_an_application_that_goes_on_after_the_cut_is_told_the_client_has_gone() -> None:
    told = []

    async def stubborn(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(5):
            try:
                await send({"type": "http.response.body", "body": BODY, "more_body": True})
            except OSError:
                told.append(True)

    assert ask(made(Fault(partial=15)), stubborn) == (200, (BODY * 2)[:15], False)
    assert len(told) == 3


def test_errors_of_the_application_pass() -> None:
    async def broken(scope, receive, send) -> None:
        raise ConnectionAbortedError("its own")

    async def main() -> None:
        scope = {"type": "http", "path": "/", "headers": []}
        await FaultMiddleware(broken, made(Fault(partial=1)))(scope, None, None)

    with pytest.raises(ConnectionAbortedError, match="its own"):
        asyncio.run(main())
