"""WebSocket sessions of a scenario's users (RFC 6455): `async with user.websocket("/chat/{room}", room=7) as chat`."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from ...exceptions import InvalidValue, MissingExtra
from .. import failures
from ..recording import TIMEOUT_STATUS
from .response import Response
from .session import CLOSING_SECONDS, MOST_UNREAD, Came, End, Session, Timed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from .user import User

__all__ = ["WebSocket"]

_KEY_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SUBPROTOCOL = "Sec-WebSocket-Protocol"
_DONE = (1000, 1001, 1005)
"""With these, the last for none at all, a server closes that has nothing more to say."""
_monotonic = time.monotonic


class WebSocket(Session):
    """Send and receive messages: `async with user.websocket("/chat") as chat: answer = await chat.request("hello")`.

    `subprotocol` is the one that the server chose; empty without one.
    """

    verb = "websocket"
    opening = ("WS", "connect")
    further = "receive"

    def __init__(
        self,
        user: User,
        path: str,
        headers: Mapping[str, str],
        values: Mapping[str, object],
        subprotocols: Sequence[str] = (),
    ) -> None:
        try:
            from .frames import Frames
        except ImportError as error:
            raise MissingExtra(
                "Expected the library wsproto, which is not installed", hint="pip install 'perfloop[websocket]'"
            ) from error
        key = base64.b64encode(os.urandom(16))
        own = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": key.decode(),
        }
        if subprotocols:
            headers = {**headers, _SUBPROTOCOL: ", ".join(subprotocols)}
        super().__init__(user, path, headers, own, values)
        self.subprotocol = self._reason = ""
        self._frames = Frames()
        offered = ",".join(value for name, value in headers.items() if name.lower() == _SUBPROTOCOL.lower())
        self._offered = {name.strip() for name in offered.split(",")}
        self._proof = base64.b64encode(hashlib.sha1(key + _KEY_SUFFIX, usedforsecurity=False).digest()).decode()
        self._round_trip = self._endpoint("round trip")

    async def __aenter__(self) -> WebSocket:
        await self._open(lambda: self._inbox)
        came = self._taken()
        self._answered(self._opening, came, came.item)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, place: TracebackType | None
    ) -> None:
        if kind is not None and issubclass(kind, asyncio.CancelledError):
            self.hang_up()
            return
        if kind is None and self._end is not None and not self._end.well and not self._left:
            self._failure(None)  # it went wrong while nobody was waiting
        await self.close()

    async def send(self, message: str | bytes) -> None:
        """Send a text, or bytes. Waits only while the connection takes no more.

        Raises:
            RequestFailed: the session is over.
            InvalidValue: neither text nor bytes.
        """
        self._check_open()
        _check_message(message)
        if self._end is not None:
            await self._until(lambda: False, 0.0)
            raise self._failure(None)
        self._write(self._frames.send(message))
        if self._writable.is_set():
            return
        timeout = self._engine.options.timeout
        try:
            async with asyncio.timeout(timeout):
                await self._writable.wait()
        except TimeoutError:
            self.fail(End(failures.TIMEOUT, f"the server took nothing for {timeout:g} s"))
        if self._end is not None:
            raise self._failure(None)

    async def receive(self) -> Any:
        """The next message, a text or bytes as it was sent; in `async for message in chat` until the server closes.

        Raises:
            RequestFailed: none came within the timeout, or the session is over.
        """
        self._check_open()
        came = await self._further()
        if came is None:
            raise self._failure(None)
        return came.item

    async def request(self, message: str | bytes, *, answer: Callable[[Any], object] | None = None) -> Any:
        """Send a message and wait for the next that comes: one measured round trip.

        Args:
            answer: says whether a message is the answer; others that come before it are passed over.

        Raises:
            RequestFailed: none came within the timeout, or the session is over.
            InvalidValue: neither text nor bytes.
        """
        self._check_open()
        _check_message(message)
        if self.waiting_since:
            raise InvalidValue("Expected one wait of a session at a time: await the first", got=self._path)
        now = self._engine.begin(self._user)
        timed = Timed(self._round_trip, now, now)
        earlier, self._inbox = self._inbox, deque()  # no answers to what is sent only now
        self._drop_oldest(earlier)
        try:
            with self._counted(timed):
                if self._end is None:
                    self._began = 0.0
                    self._write(self._frames.send(message))
                came = await self._timed(timed)
                while not self._is_answer(timed, came, answer):
                    came = await self._timed(timed)
        finally:
            earlier.extend(self._inbox)
            self._inbox = earlier
        return came.item

    def _is_answer(self, timed: Timed, came: Came, answer: Callable[[Any], object] | None) -> bool:
        """Whether this is the answer, which is then recorded; one that the scenario's code fails on is, too."""
        found = True
        try:
            found = answer is None or bool(answer(came.item))
        finally:
            if found:
                assert self.response is not None
                self._answered(timed, came, Response(self.response.status, 0.0, b"", timed.endpoint.label))
        return found

    def _drop_oldest(self, unread: deque[Came]) -> None:
        """Of what a user who only makes requests never receives, keep the latest."""
        dropped = 0
        while self._unread > MOST_UNREAD and unread:
            self._unread -= unread.popleft().size
            dropped += 1
        if dropped:
            self._engine.events.add("unread messages dropped", self._opening.endpoint.label, dropped)

    def __aiter__(self) -> WebSocket:
        self._check_open()
        return self

    async def __anext__(self) -> Any:
        if self._left:  # while the loop was busy, perhaps in a task of its own
            raise StopAsyncIteration
        came = await self._further()
        if came is None:
            raise StopAsyncIteration
        return came.item

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close, and wait until the server has closed too; the end of the block does the same.

        Raises:
            InvalidValue: a code that a client does not close with.
        """
        if code != 1000 and not 3000 <= code <= 4999:
            raise InvalidValue("Expected a close code of 1000, or from 3000 to 4999", got=code)
        if self._left:
            return
        self._check_open()
        self._reason = reason
        words = "the scenario closed the session before it came"
        self._finish(End(failures.GIVEN_UP, words, TIMEOUT_STATUS, well=True))
        self._leave(code)
        self._user.closes += 1
        try:
            if self._transport is not None:
                async with asyncio.timeout(min(CLOSING_SECONDS, self._engine.options.timeout)):
                    await self._gone.wait()
        except TimeoutError:
            self._engine.events.add("close not answered", self._opening.endpoint.label)
        finally:
            self._user.closes -= 1
            if self._transport is not None:
                self._transport.abort()

    # What comes.

    def _accept(self, response: Response, now: float) -> End | None:
        if response.status != 101:
            kind = failures.NOT_UPGRADED if response.status < 400 else f"status {response.status}"
            return End(kind, f"answered with {response.status}", response.status)
        headers = response.headers
        connection = {token.strip() for token in headers.get("connection", "").lower().split(",")}
        self.subprotocol = headers.get(_SUBPROTOCOL, "")
        for wrong, words in (
            (headers.get("upgrade", "").lower() != "websocket", "Upgrade: websocket"),
            ("upgrade" not in connection, "Connection: Upgrade"),
            (headers.get("sec-websocket-accept") != self._proof, "the Sec-WebSocket-Accept of its key"),
            ("sec-websocket-extensions" in headers, "no Sec-WebSocket-Extensions: none was offered"),
            (self.subprotocol not in {"", *self._offered}, "a Sec-WebSocket-Protocol that was offered"),
        ):
            if wrong:
                return End(failures.INVALID_RESPONSE, f"answered with 101, but expected {words}")
        self._put(response, now, 0)
        return None

    def _take(self, data: bytes, now: float) -> None:
        frames = self._frames
        for message in frames.feed(data):
            self._put(message, now, len(message))
        if frames.unsent and self._writable.is_set():
            self._write(frames.unsent)
        frames.unsent = bytearray()  # a server that does not read its pongs gets none
        if (closed := frames.closed) is not None:
            if closed.kind:
                self._finish(End(closed.kind, closed.reason))
                self._close()
                return
            code = closed.code
            words = "the server closed without a code" if code == 1005 else f"the server closed with {code}"
            example = f"{words}: {closed.reason}" if closed.reason else words
            self._finish(End(f"closed with {code}", example, well=code in _DONE))

    def _lost(self) -> End:
        return End(failures.CLOSED_BEFORE_RESPONSE, "the connection ended without a close frame")

    def _say_goodbye(self, code: int) -> None:
        if self.response is not None and self._frames.closed is None and not self._frames.closing:
            self._write(self._frames.close(code, self._reason))


def _check_message(message: object) -> None:
    if not isinstance(message, str | bytes | bytearray | memoryview):
        raise InvalidValue("Expected a message of text or bytes", got=type(message).__name__, hint="json.dumps(…)")
