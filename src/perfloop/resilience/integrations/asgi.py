"""Admission for ASGI applications: Starlette, FastAPI, Litestar, Django, Falcon and those without a framework."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from ..deadline import check_deadline, deadline
from ..outcome import FAILURE, IGNORED, SUCCESS, Outcome
from ..priority import PRIORITY
from ..shedding import Criticality
from .rejections import REJECTIONS, AdmittingMiddleware

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from ...exceptions import CallRejected, CallTimedOut
    from ..gate import Gate

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

__all__ = ["ResilienceMiddleware"]

# Any: each framework has its own types for them.
Application: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]
_SERVER_ERROR = 500
# What servers and frameworks raise into an application whose client is gone.
_DISCONNECTS = frozenset({"ClientDisconnect", "ClientDisconnected", "RequestAborted"})


class ResilienceMiddleware(AdmittingMiddleware[Application]):
    """Lets in the requests that the service can answer in time; the others get a short answer at once.

        app.add_middleware(ResilienceMiddleware)            # Starlette, FastAPI
        app = ResilienceMiddleware(app)                     # any ASGI application

    A request that is not let in is answered with 503 (429 by a rate limit) and Retry-After, before any of its body is
    read. One whose caller does not wait any longer gets 504. What the application calls has the caller's deadline and
    priority. A place is free again when the answer is out, when the client has left and the application ends, or when
    the request is cancelled. Websockets and lifespan pass untouched.

    CallRejected and CallTimedOut that the application raises before its answer begins are answered likewise.
    """

    @staticmethod
    def _key(header: str) -> bytes:
        return header.encode("latin-1")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's scope."""
        if scope["type"] != "http" or (self._exempt is not None and self._exempt(scope)):
            await self.app(scope, receive, send)
            return
        header = important = None
        for name, value in scope["headers"]:
            if name == self._deadline_header:
                header = value
            elif name == self._priority_header:
                important = Criticality.of_text(value.decode("latin-1"))
        if self._priority is not None:
            important = Criticality.of(self._priority(scope))
        restored = None if important is None else PRIORITY.set(important)
        seconds = self._seconds(header)
        try:
            if seconds is None:
                await self._serve(scope, receive, send)
            else:
                with deadline(seconds):
                    await self._serve(scope, receive, send)
        finally:
            if restored is not None:
                PRIORITY.reset(restored)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        gate = self._gate
        try:
            token = gate.try_acquire()
            if token is None:
                token = await gate.aacquire()
        except REJECTIONS as error:
            await self._reject(error, scope, send)
            return
        exchange = _Exchange(gate, token, receive, send)
        try:
            check_deadline()  # it may have waited for its place
            await self.app(scope, exchange.receive, exchange.send)
        except REJECTIONS as error:
            exchange.end(IGNORED)
            if exchange.status:
                raise
            await self._reject(error, scope, send)
        except BaseException as error:
            exchange.fail(error)
            raise
        finally:
            exchange.end()

    async def _reject(self, error: CallRejected | CallTimedOut, scope: Scope, send: Send) -> None:
        answer = self._rejection(error)
        headers = [(name.encode(), value.encode()) for name, value in answer.headers]
        await send({"type": "http.response.start", "status": int(answer.status), "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})


class _Exchange:
    """A request that was let in."""

    __slots__ = ("_began", "_first", "_gate", "_left", "_receive", "_send", "_token", "status")

    def __init__(self, gate: Gate[Any], token: Any, receive: Receive, send: Send) -> None:
        self._gate = gate
        self._token = token
        self._receive = receive
        self._send = send
        self._began = gate._now()
        self._first: float | None = None
        self._left = False
        self.status = 0

    async def receive(self) -> Message:
        message = await self._receive()
        self._left = self._left or message["type"] == "http.disconnect"
        return message

    # A plain function that hands on the server's awaitable: a coroutine in between would cost more than all the rest.
    def send(self, message: Message) -> Awaitable[None]:
        kind = message["type"]
        if kind == "http.response.start":
            # How long a stream lasts says nothing of the load: what counts is how long it took to begin.
            self._first = self._gate._now()
            self.status = message["status"]
        elif not message.get("more_body") and kind in ("http.response.body", "http.response.zerocopysend"):
            return self._send_last(message)
        return self._send(message)

    async def _send_last(self, message: Message) -> None:
        await self._send(message)
        self.end()

    def fail(self, error: BaseException) -> None:
        """The application raised. What it raises because its client has left says nothing of the load."""
        outcome: Outcome = IGNORED
        try:
            if not self._left and type(error).__name__ not in _DISCONNECTS:
                outcome = self._gate.classification.of_error(error)
        finally:
            self.end(outcome)

    def end(self, outcome: Outcome | None = None) -> None:
        """The request is over; a second call does nothing."""
        token, self._token = self._token, None
        if token is None:
            return
        now = self._gate._now()
        if outcome is None:
            outcome = FAILURE if self.status >= _SERVER_ERROR else SUCCESS
            if self._left and self._first is None:
                outcome = IGNORED
        self._gate.release(token, outcome, (now if self._first is None else self._first) - self._began)
