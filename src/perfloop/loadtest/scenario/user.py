"""A virtual user: what a scenario's code sends requests with.

    async def browse(user):
        response = await user.get("/items/{id}", id=3)
        user.check(response.json()["stock"] > 0, "in stock")

A request costs no task and no round of the event loop: what `user.get` returns is awaitable, sends when it is awaited,
and lets the code run on in the callback that the response came with.
"""

from __future__ import annotations

import json as json_module
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct

from ...exceptions import InvalidValue
from .cookies import CookieJar
from .endpoint import MOST_ENDPOINTS
from .events import EventStream
from .failed import RequestFailed
from .groups import Group
from .signal import Signal
from .websocket import WebSocket

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Generator, Mapping, Sequence

    from .capturing import CapturingConnection
    from .endpoint import Endpoint
    from .response import Response
    from .sending import SendingEngine
    from .session import Session

__all__ = ["Call", "RequestFailed", "User"]

Json = Any


class Body(NamedTuple):
    """A request's body: bytes, or a file of that size."""

    content: bytes = b""
    file: str | None = None


class Call(Struct, eq=False):  # a Struct is made in half the time of a class with slots
    """One request, sent when it is awaited. Await it once."""

    user: User
    endpoint: Endpoint
    message: bytes
    number: int
    capture: bool = True
    """The response will be looked at."""
    body: tuple[str, int] | None = None
    """A file that is sent behind the message, and its size."""
    outcome: Response | RequestFailed | None = None

    @property
    def path(self) -> str:
        """The path and query it is sent to."""
        return self.message.split(b" ", 2)[1].decode("latin-1")

    def __await__(self) -> Generator[Any, None, Response]:
        user = self.user
        user.engine.send(user, self)
        outcome = self.outcome
        if outcome is None:
            try:
                yield user.answered.awaited()
            except BaseException:  # cancelled: the scenario waits no more
                user.engine.give_up(user, self)
                raise
            outcome = self.outcome
            assert outcome is not None
        if isinstance(outcome, RequestFailed):
            self.outcome = None
            raise outcome
        return outcome


class User:
    """One virtual user, with a connection and cookies of its own. Keep what the user should remember in attributes.

    `number` counts users from 0. `cookies` are those its responses set.
    """

    def __init__(self, engine: SendingEngine, number: int, loop: asyncio.AbstractEventLoop) -> None:
        self.engine = engine
        self.number = number
        self.cookies = CookieJar(engine.endpoints.target.host, secure=engine.endpoints.target.tls)
        # What follows is the engine's. `busy`: in an iteration; `marked`: the last request counts as an error already.
        self.answered = Signal(loop)
        self.turn = Signal(loop)
        self.connection: CapturingConnection | None = None
        self.call: Call | None = None
        self.connecting: asyncio.Task[None] | None = None
        self.connecting_due = 0.0
        """When the request was due that waits for a connection to be open."""
        self.task: asyncio.Task[None] | None = None
        self.due = self.free = 0.0
        self.requests = self.failed_attempts = 0
        self.waits = self.closes = 0
        """Answers that its sessions wait for and that count as requests; sessions that wait for the server's close."""
        self.sessions: set[Session] = set()
        self.last: Response | None = None
        self.busy = self.marked = False

    if TYPE_CHECKING:  # attributes of the scenario's own

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    def get(self, path: str, /, *, headers: Mapping[str, str] | None = None, **values: object) -> Call:
        """GET a path: `await user.get("/items/{id}", id=3)`.

        Args:
            path: with its query; the values of its placeholders follow by name, and are percent-encoded. The path as
                it stands here is what its figures stand under, so write `/items/{id}`, not an f-string.
            headers: of this request alone.
        """
        engine = self.engine
        endpoint = engine.usual.get(path)
        if endpoint is None or headers is not None or len(values) != endpoint.placeholders or self.cookies.kept:
            return self._call("GET", path, headers, None, values)
        # _call written out: this is most requests' path.
        try:
            message = endpoint.render(values)
        except KeyError:
            raise _wrong_values(path, endpoint.path.names, values) from None
        engine.numbered = number = engine.numbered + 1
        return Call(self, endpoint, message, number)

    def head(self, path: str, /, *, headers: Mapping[str, str] | None = None, **values: object) -> Call:
        """HEAD a path."""
        return self._call("HEAD", path, headers, None, values)

    def delete(self, path: str, /, *, headers: Mapping[str, str] | None = None, **values: object) -> Call:
        """DELETE a path."""
        return self._call("DELETE", path, headers, None, values)

    def post(
        self,
        path: str,
        /,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
        json: Json = None,
        body_file: str | None = None,
        **values: object,
    ) -> Call:
        """POST to a path.

        Args:
            body: the body, a text as UTF-8.
            json: in its place, a value sent as JSON.
            body_file: in its place, a file that is sent piece by piece, never whole in memory.
        """
        return self.request("POST", path, headers=headers, body=body, json=json, body_file=body_file, **values)

    def put(
        self,
        path: str,
        /,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
        json: Json = None,
        body_file: str | None = None,
        **values: object,
    ) -> Call:
        """PUT to a path; arguments as for `post`."""
        return self.request("PUT", path, headers=headers, body=body, json=json, body_file=body_file, **values)

    def patch(
        self,
        path: str,
        /,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
        json: Json = None,
        body_file: str | None = None,
        **values: object,
    ) -> Call:
        """PATCH a path; arguments as for `post`."""
        return self.request("PATCH", path, headers=headers, body=body, json=json, body_file=body_file, **values)

    def request(
        self,
        method: str,
        path: str,
        /,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
        json: Json = None,
        body_file: str | None = None,
        **values: object,
    ) -> Call:
        """Send a request of any method; arguments as for `post`.

        Raises:
            InvalidValue: a path, header or method that HTTP does not allow, a value that is missing or too many, or
                more than one body.
        """
        if json is not None:
            content = json_module.dumps(json).encode()
            names = {name.lower() for name in headers or ()}
            if "content-type" not in names:
                headers = {**(headers or {}), "Content-Type": "application/json"}
            if body is not None or body_file is not None:
                raise InvalidValue("Expected one body: `body`, `json` or `body_file`")
            return self._call(method, path, headers, Body(content), values)
        if body is not None and body_file is not None:
            raise InvalidValue("Expected one body: `body`, `json` or `body_file`")
        content = b"" if body is None else body.encode() if isinstance(body, str) else bytes(body)
        return self._call(method, path, headers, Body(content, body_file), values)

    def websocket(
        self,
        path: str,
        /,
        *,
        headers: Mapping[str, str] | None = None,
        subprotocols: Sequence[str] = (),
        **values: object,
    ) -> WebSocket:
        """A WebSocket, over a connection of its own: `async with user.websocket("/chat/{room}", room=7) as chat: …`.

        Args:
            path: and its values as for `get`.
            headers: of the request that asks for the upgrade.
            subprotocols: that are offered.

        Raises:
            MissingExtra: wsproto is not installed.
        """
        return WebSocket(self, path, headers or {}, values, subprotocols)

    def events(self, path: str, /, *, headers: Mapping[str, str] | None = None, **values: object) -> EventStream:
        """Server-sent events, over a connection of their own: `async with user.events("/news") as events: …`.

        Arguments as for `get`. `async for event in user.events("/news"): …` does as well, where it takes all there are.
        """
        return EventStream(self, path, headers or {}, values)

    def group(self, name: str) -> Group:
        """Report the time of what is done inside, under a name: `with user.group("checkout"): …`."""
        return Group(self.engine.groups, name)

    def check(self, condition: object, name: str) -> bool:
        """Count an error of kind `check: name` unless the condition holds, for the response that came last."""
        if condition:
            return True
        last = self.last
        self.engine.count_check(self, name, "" if last is None else f"answered with {last.status}")
        return False

    def _call(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None,
        body: Body | None,
        values: Mapping[str, object],
    ) -> Call:
        engine = self.engine
        endpoint = engine.endpoints.of(method, path)
        names = endpoint.path.names
        if values.keys() != names:
            raise _wrong_values(path, names, values)
        if body is None and headers is None and engine.trace_id is None and not self.cookies.kept:
            if method == "GET" and len(engine.usual) < MOST_ENDPOINTS:
                engine.usual[path] = endpoint
            engine.numbered = number = engine.numbered + 1
            return Call(self, endpoint, endpoint.render(values), number)
        return self.call_of(
            endpoint,
            endpoint.path.render(values),
            b"" if not headers else engine.endpoints.lines(headers),
            endpoint.defaults(headers),
            body,
        )

    def opening_call(
        self,
        endpoint: Endpoint,
        path: str,
        headers: Mapping[str, str],
        own: Mapping[str, str],
        values: Mapping[str, object],
    ) -> Call:
        """The request that a session begins with.

        Args:
            own: headers of its own, in place of those that every request has, and of the user's.
        """
        names = endpoint.path.names
        if values.keys() != names:
            raise _wrong_values(path, names, values)
        endpoints = self.engine.endpoints
        taken = {name.lower() for name in own}
        if wrong := [name for name in headers if name.lower() in taken]:
            raise InvalidValue("Expected no header that a session makes itself", got=", ".join(wrong))
        lines = endpoints.lines(headers) + "".join(f"\r\n{name}: {value}" for name, value in own.items()).encode()
        defaults = endpoints.defaults_without(frozenset(taken | {name.lower() for name in headers}))
        return self.call_of(endpoint, endpoint.path.render(values), lines, defaults)

    def call_of(
        self,
        endpoint: Endpoint,
        target: bytes,
        lines: bytes,
        defaults: bytes,
        body: Body | None = None,
        *,
        capture: bool = True,
    ) -> Call:
        """A request of rendered parts.

        Args:
            target: path and query.
            lines: header lines, each after a line break.
            defaults: those that every request has.
            capture: the response will be looked at.
        """
        engine = self.engine
        engine.numbered = number = engine.numbered + 1
        if self.cookies and (cookies := self.cookies.header(target.decode("latin-1"))):
            lines += b"\r\nCookie: " + cookies
        if engine.trace_id is not None:
            lines += b"\r\ntraceparent: 00-%b-%016x-01" % (engine.trace_id.encode(), number)
        if body is None:
            message = b"%b %b HTTP/1.1%b%b\r\n\r\n" % (endpoint.method, target, defaults, lines)
            return Call(self, endpoint, message, number, capture)
        if body.file is not None:
            size = os.path.getsize(body.file)  # noqa: PTH202  # the cheaper call
            head = b"%b %b HTTP/1.1%b%b\r\nContent-Length: %d\r\n\r\n" % (
                endpoint.method,
                target,
                defaults,
                lines,
                size,
            )
            return Call(self, endpoint, head, number, capture, (body.file, size))
        content = body.content
        if content or endpoint.has_length:
            lines += b"\r\nContent-Length: %d" % len(content)
        message = b"%b %b HTTP/1.1%b%b\r\n\r\n%b" % (endpoint.method, target, defaults, lines, content)
        return Call(self, endpoint, message, number, capture)


def _wrong_values(path: str, names: frozenset[str], values: Mapping[str, object]) -> InvalidValue:
    return InvalidValue(
        f"Expected a value for each placeholder of {path}: {', '.join(sorted(names)) or 'it has none'}",
        got=", ".join(values) or "none",
    )
