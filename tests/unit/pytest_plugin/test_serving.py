from __future__ import annotations

import functools
import http.client
import logging
import socket
import sys
import threading
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from perfloop.exceptions import ConfigurationError, MissingExtra, ServiceNotReady
from perfloop.pytest_plugin.serving import interface_of, serve


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body = f"asgi {threading.current_thread().name}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def asgi_that_fails_to_start(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    body = f"wsgi {environ['PATH_INFO']}".encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


class Asgi:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class Wsgi:
    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        return wsgi(environ, start_response)


@pytest.mark.parametrize(
    ("app", "interface"),
    [
        (asgi, "asgi"),
        (Asgi(), "asgi"),
        (functools.partial(asgi), "asgi"),
        (lambda scope, receive, send: asgi(scope, receive, send), "asgi"),
        (wsgi, "wsgi"),
        (Wsgi(), "wsgi"),
        (lambda environ, start_response: wsgi(environ, start_response), "wsgi"),
    ],
)
def test_applications_are_told_apart(app: Any, interface: str) -> None:
    assert interface_of(app) == interface


@pytest.mark.parametrize("app", [None, 3, object(), Asgi, lambda: None, lambda a: None, dict])
def test_what_is_no_application_is_told(app: Any) -> None:
    with pytest.raises(ConfigurationError, match="Expected an ASGI or WSGI application, or a URL"):
        interface_of(app)


def get(url: str, path: str) -> str:
    connection = http.client.HTTPConnection("localhost", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(unquote(url.removeprefix("http+unix://")))
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize(("app", "answer"), [(asgi, "asgi perfloop-app"), (wsgi, "wsgi /x")])
def test_an_application_is_served_and_then_is_not(app: Any, answer: str) -> None:
    handlers = list(logging.getLogger().handlers)
    with serve(app) as url:
        assert get(url, "/x") == answer
        assert get(url, "/x") == answer
    assert not Path(unquote(url.removeprefix("http+unix://"))).parent.exists()
    assert not [thread for thread in threading.enumerate() if thread.name == "perfloop-app"]
    assert logging.getLogger().handlers == handlers


def test_an_application_that_does_not_start_is_told() -> None:
    with pytest.raises(ServiceNotReady, match="its server gave up") as caught, serve(asgi_that_fails_to_start):
        pass
    assert caught.value.got == "SystemExit: 3"


@pytest.mark.parametrize(("app", "library"), [(asgi, "uvicorn"), (wsgi, "waitress")])
def test_without_a_server_the_extra_is_named(app: Any, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtra, match=f"Expected {library} to serve") as caught, serve(app):
        pass
    assert "perfloop[testing]" in (caught.value.hint or "")
