"""A connection that a user opens for a while, beside the one its requests go over: WebSocket, server-sent events.

A request opens it; what comes behind the head of the response is the kind's own. What counts as a request is recorded
as any request is; the engine's housekeeping times out whatever the user waits for too long.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

from ...exceptions import InvalidValue
from .. import failures
from ..reconnection import backoff
from ..recording import NEVER_SENT_STATUS, TIMEOUT_STATUS
from .failed import RequestFailed
from .response import NoHead, Response, final_head
from .signal import Signal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .endpoint import Endpoint
    from .user import User

__all__ = ["CLOSING_SECONDS", "MOST_UNREAD", "Came", "End", "Session", "Timed"]

_NAN = math.nan
MOST_UNREAD = 1024 * 1024
"""Bytes behind which nothing more is read until the user takes what came."""
CLOSING_SECONDS = 2.0
"""So long may a server take to close, too, or to take what is still to be sent."""
_MESSAGE_BYTES = 128  # about what Python needs for an empty one
# What the use of a session that is over costs: without a pause, a loop around it would keep the event loop to itself.
_OVER_PAUSE = 0.01
_monotonic = time.monotonic


class Came(NamedTuple):
    """Something that came for the user: when its first byte did, and its last, and the memory that it takes."""

    began: float
    at: float
    item: Any
    size: int


class End(NamedTuple):
    """Why nothing more comes. `status`: what the recorder is given; `well`: it is no error."""

    kind: str
    example: str
    status: int = 0
    well: bool = False


class Timed:
    """What is waited for and counts as a request."""

    __slots__ = ("due", "endpoint", "written")

    def __init__(self, endpoint: Endpoint, due: float, written: float) -> None:
        self.endpoint = endpoint
        self.due = due
        self.written = written


class Session(asyncio.Protocol):
    """One session of one user. It is opened once, and ends with its block, or else with the user's iteration.

    `response` is what its opening was answered with.
    """

    verb: ClassVar[str]
    """The user's method that makes it."""
    opening: ClassVar[tuple[str, str]]
    """What its opening counts as: the words before and behind the path."""
    further: ClassVar[str]
    """The group of what comes and is no request; the word behind the path."""

    def __init__(
        self, user: User, path: str, headers: Mapping[str, str], own: Mapping[str, str], values: Mapping[str, object]
    ) -> None:
        self.response: Response | None = None
        self.waiting_since = 0.0
        """When what the user waits for was asked for; 0 when it waits for nothing."""
        self._user = user
        self._engine = user.engine
        self._path = path
        self._call = user.opening_call(self._endpoint(self.opening[1]), path, headers, own, values)
        self._opening = Timed(self._call.endpoint, 0.0, _NAN)
        self._transport: asyncio.Transport | None = None
        self._woken = Signal(asyncio.get_running_loop())
        self._inbox: deque[Came] = deque()
        """What came and was not taken yet."""
        self._head = b""
        self._began = 0.0
        self._received = self._unread = 0
        """Bytes that are in no entry yet; and those of what was not taken yet."""
        self._end: End | None = None
        self._opened = self._told = self._left = self._paused = False
        """`told`: why it ended was counted. `left`: the user is done with it. `paused`: nothing is read."""
        self._writable, self._gone = asyncio.Event(), asyncio.Event()

    # What a kind adds.

    def _accept(self, response: Response, now: float) -> End | None:
        """The head of the response came: why there is no session, or None."""
        raise NotImplementedError

    def _take(self, data: bytes, now: float) -> None:
        """Put what these bytes make whole into the inbox."""
        raise NotImplementedError

    def _lost(self) -> End:
        """The connection ended in the midst of the session."""
        raise NotImplementedError

    def _say_goodbye(self, code: int) -> None:
        """Send what ends the session, if anything does."""

    # What the user's calls are made of.

    def _endpoint(self, step: str) -> Endpoint:
        return self._engine.endpoints.of_session(self.opening[0], self._path, step)

    async def _open(self, ready: Callable[[], object]) -> None:
        """Connect, send the request, and wait until it is ready.

        Raises:
            RequestFailed: it never will be.
        """
        if self._opened:
            raise InvalidValue(f"Expected one use of a session: make another by user.{self.verb}(…)", got=self._path)
        self._opened = True
        engine, user, opening = self._engine, self._user, self._opening
        was_due = user.due
        opening.due = engine.begin(user)
        user.sessions.add(self)
        engine.sessions.add(self)
        with self._counted(opening):
            if user.failed_attempts:
                await asyncio.sleep(backoff(user.failed_attempts))
                opening.due = was_due or _monotonic()
            try:
                await engine.reach(self)
            except (OSError, TimeoutError) as error:
                user.failed_attempts += 1
                kind, text = failures.classify(error)
                self.fail(End(kind, f"cannot connect: {text}"))
                raise self._not_opened() from None
            user.failed_attempts = 0
            opening.written = _monotonic()
            self._write(self._call.message)
            await self._until(ready, opening.written)
            if self._end is not None and not self._inbox:
                raise self._not_opened()

    def _not_opened(self) -> RequestFailed:
        failure = self._failure(self._opening)
        self.hang_up()
        return failure

    async def _until(self, ready: Callable[[], object], since: float) -> None:
        """Wait until it is ready, or the session is over.

        Args:
            since: when what is waited for was asked for.
        """
        if self._told and not ready():
            await asyncio.sleep(_OVER_PAUSE)
        while not ready() and self._end is None:
            if self.waiting_since:
                raise InvalidValue("Expected one wait of a session at a time: await the first", got=self._path)
            self._resume()
            self.waiting_since = since
            try:
                await self._woken
            finally:
                self.waiting_since = 0.0

    async def _timed(self, timed: Timed) -> Came:
        """What comes next, for what counts as a request.

        Raises:
            RequestFailed: nothing more comes.
        """
        await self._until(lambda: self._inbox, timed.written)
        if not self._inbox:
            raise self._failure(timed)
        return self._taken()

    async def _further(self) -> Came | None:
        """What comes next, counted in a group with how long it was waited for; None after an end that is no error.

        Raises:
            RequestFailed: nothing more comes.
        """
        began = _monotonic()
        group = f"{self._opening.endpoint.label.removesuffix(self.opening[1])}{self.further}"
        await self._until(lambda: self._inbox, began)
        if self._inbox:
            self._engine.groups.add(group, _monotonic() - began)
            return self._taken()
        assert self._end is not None
        if self._end.well:
            return None
        if not self._left:
            self._engine.groups.add_failed(group)
        raise self._failure(None)

    def _taken(self) -> Came:
        came = self._inbox.popleft()
        self._unread -= came.size
        return came

    def _put(self, item: Any, now: float, size: int) -> None:
        """Something is whole, and what follows it in the same piece began with it."""
        size += _MESSAGE_BYTES
        self._inbox.append(Came(self._began, now, item, size))
        self._unread += size
        self._began = now

    def _check_open(self) -> None:
        if not self._opened or self._left:
            raise InvalidValue(
                f"Expected an open session: use it inside its `async with user.{self.verb}(…) as …:`", got=self._path
            )

    # Counting.

    @contextlib.contextmanager
    def _counted(self, timed: Timed) -> Iterator[None]:
        """What is waited for inside is a request in flight."""
        self._user.waits += 1
        try:
            yield
        except asyncio.CancelledError:  # the scenario waits no more, or the run is over
            if not self._engine.over and not self._told:
                self._finish(End(failures.GIVEN_UP, f"the scenario waited {_monotonic() - timed.due:.3g} s"))
                self._failure(timed, NEVER_SENT_STATUS if math.isnan(timed.written) else TIMEOUT_STATUS)
            self.hang_up()
            raise
        finally:
            self._user.waits -= 1

    def _answered(self, timed: Timed, came: Came, response: Response) -> None:
        """What was waited for came."""
        response.latency = came.at - timed.due
        self._record(timed, came.began, came.at, response.status)
        self._engine.take_answer(self._user, response, self._call.path if response is self.response else None)

    def _failure(self, timed: Timed | None, status: int | None = None) -> RequestFailed:
        """What to raise as nothing more comes; counts it, the first time.

        Args:
            timed: what was waited for, if that counts as a request.
            status: for its entry, if not that of the end.
        """
        end, engine, user = self._end, self._engine, self._user
        assert end is not None
        label = (timed or self._opening).endpoint.label
        failure = RequestFailed(end.kind, f"{label}: {end.example}")
        if self._told or (self._left and timed is None):
            return failure
        self._told = True
        if timed is None:
            engine.count_error(user, end.kind, f"{label}: {end.example}")
            return failure
        if status is None:
            status = end.status
        self._record(timed, self._began, _monotonic(), status)
        if self.response is None or status <= 0:
            return engine.take_failure(user, end.kind, timed.endpoint.index, end.example)
        engine.take_answer(user, self.response, self._call.path)
        if not user.marked and engine.options.expect_status is None:  # else it is right, or the recorder counts it
            engine.count_error(user, end.kind, f"{label}: {end.example}")
        return failure

    def _record(self, timed: Timed, first_byte: float, done: float, status: int) -> None:
        written, received, self._received = timed.written, self._received, 0
        recorder, number, index = self._engine.recorder, self._call.number, timed.endpoint.index
        recorder.put(timed.due, written, written, first_byte, done, number, received, index, status)

    # Ending.

    def hang_up(self, code: int = 1001) -> None:
        """End it at once: the user is done with it."""
        self._finish(End(failures.GIVEN_UP, "the iteration ended before anything came", TIMEOUT_STATUS, well=True))
        self._leave(code)
        self._close()

    def fail(self, end: End) -> None:
        """It has gone wrong: drop the connection."""
        self._finish(end)
        if self._transport is not None:
            self._transport.abort()

    def _close(self) -> None:
        """Close the connection once what is to be sent is; not later, as a server that reads nothing would have it."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.close()
        if transport.get_extra_info("ssl_object") is not None or transport.get_write_buffer_size():
            asyncio.get_running_loop().call_later(CLOSING_SECONDS, transport.abort)

    def _leave(self, code: int) -> None:
        """The user is done with it."""
        if self._left:
            return
        self._left = True
        self._user.sessions.discard(self)
        self._engine.sessions.discard(self)
        self._engine.recorder.add_bytes(self._received)
        self._inbox.clear()
        self._resume()
        self._say_goodbye(code)

    def _finish(self, end: End) -> None:
        """Nothing more comes."""
        if self._end is None:
            self._end = end
            self._writable.set()
            self._woken.send_soon()

    def _resume(self) -> None:
        if self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._engine.transports.add(self._transport)
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        now = _monotonic()
        if self._end is not None:
            self._engine.recorder.add_bytes(len(data))
            return
        self._received += len(data)
        self._began = self._began or now
        if self.response is None:
            try:
                head = final_head(self._head + data)
            except NoHead as error:
                self.fail(End(failures.INVALID_RESPONSE, str(error)))
                return
            if head is None:
                self._head += data
                return
            status, self._head, data = head
            self.response = Response(status, 0.0, self._head, self._call.endpoint.label)
            if (end := self._accept(self.response, now)) is not None:
                self.fail(end)
                return
        if data:
            self._take(data, now)
        if self._inbox:
            self._began = 0.0
            if self._unread > MOST_UNREAD and not self.waiting_since and self._transport is not None:
                self._paused = True
                self._transport.pause_reading()
        self._woken.send()  # last: the user's code goes on inside it

    def eof_received(self) -> bool:
        self._ended(None)
        return False

    def connection_lost(self, error: Exception | None) -> None:
        if self._transport is not None:
            self._engine.transports.discard(self._transport)
            self._transport = None
        self._ended(error)
        self._gone.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _write(self, data: bytes | bytearray) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _ended(self, error: Exception | None) -> None:
        if self._end is not None:
            return
        if self.response is not None:
            end = self._lost()
        elif self._head:
            end = End(failures.CLOSED_IN_HEADERS, f"the connection ended after {self._received} bytes of the response")
        else:
            end = End(failures.CLOSED_BEFORE_RESPONSE, "the connection ended before a byte of the response")
        if error is not None:
            kind, text = failures.classify(error)
            end = End(kind, f"{end.example}: {text}")
        self._finish(end)
