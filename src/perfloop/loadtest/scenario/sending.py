"""How the requests of users go over connections: each user has one of its own, opened when it is needed.

The plain engine's connections send whatever comes next, and are opened again at once when they end. A user's request
goes over the user's connection; its answer, or its failure, wakes the user.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING, Any, cast

from ...exceptions import ConfigurationError, InvalidValue
from .. import failures
from ..lifecycle import Lifecycle
from ..reconnection import IDLE_LONG, backoff, worth_retrying
from ..recording import NEVER_SENT_STATUS, TIMEOUT_STATUS, Recorder
from ..slowest import Slowest
from .capturing import CapturingConnection
from .response import Response
from .user import RequestFailed

if TYPE_CHECKING:
    from ..connection import Connection
    from ..options import LoadOptions
    from ..outcome import OnProgress
    from .endpoint import Endpoint, Endpoints
    from .session import Session
    from .user import Call, User

__all__ = ["SendingEngine"]

_NEVER = math.inf
_NAN = math.nan
_monotonic = time.monotonic


class SendingEngine(Lifecycle):
    """The engine as users' requests see it."""

    def __init__(self, options: LoadOptions, endpoints: Endpoints, on_progress: OnProgress | None = None) -> None:
        if options.http2:
            raise ConfigurationError(
                "Expected no HTTP/2 for a scenario with users",
                hint="leave out --http2; weighted requests alone, without extractions and checks, can use it",
            )
        self.endpoints = endpoints
        super().__init__(options, on_progress, lambda _trace_id: endpoints.prepared)
        self.users: list[User] = []
        self.sessions: set[Session] = set()
        self.numbered = 0
        """Requests made so far."""
        self.usual: dict[str, Endpoint] = {}
        """Of GET, by path: of requests with nothing beside it but what every request has."""
        self.keeps_cookies = True
        self.recorder = self._new_recorder()
        self.connection_free = self._answered if options.keep_alive else self.connection_spent
        self._connector.connection_type = CapturingConnection
        self._cut_at = _NEVER
        """From then on no user sends a further request."""
        self._over = False
        self._expected = None if options.expect_status is None else options.expect_status | {101}
        self._failure: RequestFailed | None = None

    def _new_recorder(self) -> Recorder:
        options = self.options
        recorder = Recorder(self.endpoints.labels, options.expect_status, keep_samples=options.keep_samples)
        if self.trace_id is not None:
            recorder.slowest = Slowest(self.trace_id, self.endpoints.labels)
        return recorder

    def _use_recorder(self) -> None:
        """Begin again with nothing recorded."""
        self.recorder = self._new_recorder()
        for user in self.users:
            if user.connection is not None:
                user.connection.record_in(self.recorder)

    # What users call.

    def send(self, user: User, call: Call) -> None:
        """Send a user's request; its answer wakes the user.

        Raises:
            CancelledError: the run has come to its end.
            InvalidValue: the user waits for another request's answer.
        """
        if user.call is not None:
            raise InvalidValue("Expected one request of a user at a time: await the first", got=call.endpoint.label)
        now = _monotonic()
        due = user.due
        if due:
            user.due = 0.0
            free = user.free
        elif now >= self._cut_at:
            raise asyncio.CancelledError
        else:
            due = free = now
        user.call = call
        user.requests += 1
        connection = user.connection
        if connection is None:
            self._connect_for(user, call, due, reset=due == now)
        elif call.body is None and not call.endpoint.is_head and connection.usual_parser and not connection.held:
            # _send_on written out: this is every request's path.
            connection.index = call.endpoint.index
            connection.capture = call.capture
            connection.send(call.message, call.number, due, free, now)
        else:
            self._send_on(connection, call, due, free, now)

    def give_up(self, user: User, call: Call) -> None:
        """The user does not wait for the answer any more."""
        if user.call is not call:
            return
        user.call = None
        now = _monotonic()
        if user.connecting is not None:
            user.connecting.cancel()
        if user.connection is None:
            if not self._over:
                due, index = user.connecting_due, call.endpoint.index
                self.recorder.put(due, _NAN, _NAN, 0.0, now, call.number, 0, index, NEVER_SENT_STATUS)
                example = f"the scenario waited {now - due:.3g} s, and no connection was open"
                call.outcome = self.take_failure(user, failures.GIVEN_UP, index, example)
            return
        if self._over:
            self._drop(user.connection)
            user.connection = None
        else:
            waited = now - user.connection.written
            user.connection.fail(failures.GIVEN_UP, f"the scenario waited {waited:.3g} s", TIMEOUT_STATUS)

    def leave_behind(self, user: User, call: Call) -> None:
        """The iteration is over, but a task of it still waits for this answer."""
        self.give_up(user, call)
        call.outcome = RequestFailed(failures.GIVEN_UP, "the iteration ended before the answer came")
        user.answered.send_soon()

    def count_check(self, user: User, name: str, example: str) -> None:
        """A check of the user's last response does not hold."""
        label = "" if user.last is None else f"{user.last.label}: "
        self.count_error(user, f"check: {name}", f"{label}{example}")

    def count_error(self, user: User, kind: str, example: str) -> None:
        """Count an error of a scenario; where the user's last request is one already, it is not counted twice."""
        label = None if user.last is None else user.last.label
        self.recorder.add_error(kind, example, counted=user.marked, label=label)
        user.marked = True

    # What sessions call: see session.py.

    @property
    def over(self) -> bool:
        """The run has ended: what happens now is no part of it."""
        return self._over

    async def reach(self, session: Session) -> None:
        """Open a session's connection.

        Raises:
            OSError: it cannot be opened within the timeout.
        """
        async with asyncio.timeout(self.options.timeout):
            await self._connector.reach(session)

    def begin(self, user: User) -> float:
        """When the request that a user makes now is due.

        Raises:
            CancelledError: the run has come to its end.
        """
        user.requests += 1
        if due := user.due:
            user.due = 0.0
            return due
        now = _monotonic()
        if now >= self._cut_at:
            raise asyncio.CancelledError
        return now

    def take_answer(self, user: User, response: Response, path: str | None = None) -> None:
        """A request of a session was answered.

        Args:
            path: whose cookies it may set.
        """
        user.last = response
        expected = self._expected
        user.marked = response.status >= 400 if expected is None else response.status not in expected
        if self.keeps_cookies and path is not None:
            self._take_cookies(user, response, path)

    def take_failure(self, user: User, kind: str, index: int, example: str) -> RequestFailed:
        """A request of a session was not answered: count it."""
        self.count_failure(kind, index, example)
        failure, self._failure = self._failure, None
        assert failure is not None
        user.last, user.marked = None, True
        return failure

    # A request's way.

    def _send_on(self, connection: CapturingConnection, call: Call, due: float, free: float, now: float) -> None:
        endpoint = call.endpoint
        if endpoint.is_head or not connection.usual_parser or connection.held:
            connection.expect(head=endpoint.is_head)
        connection.index = endpoint.index
        connection.capture = call.capture
        connection.send(call.message, call.number, due, free, now)
        if call.body is not None and connection.in_flight:
            connection.send_file(*call.body)

    def _answered(self, connection: Connection, now: float) -> None:
        """A response came, and the connection stays."""
        own: Any = connection  # a CapturingConnection; this is every request's path
        user: User = own.user
        call = user.call
        if call is None:
            own.answer(now, "")  # nobody waits for it
            return
        user.call = None
        head = own.head
        if head is None:
            response = own.answer(now, call.endpoint.label)
            status = response.status
            sets_cookies = response.sets_cookies
        else:
            _, status, sets_cookies = head
            response = Response(status, now - own.due, own.first, call.endpoint.label)
        call.outcome = user.last = response
        expected = self._expected
        user.marked = status >= 400 if expected is None else status not in expected
        if sets_cookies and self.keeps_cookies and call.capture:
            self._take_cookies(user, response, call.path)
        if call.body is not None and own.sending:  # answered before it was all sent: the rest would follow
            self._lose(own, served=True)
        user.answered.send()

    def _take_cookies(self, user: User, response: Response, path: str) -> None:
        if unread := user.cookies.take(response.headers.all("set-cookie"), path):
            self.events.add("cookie not understood", response.label, unread)

    def connection_spent(self, connection: Connection, now: float) -> None:
        """The request is over and so is the connection; the user's next request opens another."""
        own = cast("CapturingConnection", connection)
        user = own.user
        failure, self._failure = self._failure, None
        self._lose(own, served=bool(own.served or own.received))
        if user is None or user.call is None:
            return
        if failure is None:
            self._answered(own, now)
            return
        call, user.call = user.call, None
        call.outcome = failure
        user.last, user.marked = None, True
        user.answered.send()

    def idle_connection_lost(self, connection: Connection) -> None:
        """The connection ended while its user was not using it."""
        served = connection.served or _monotonic() - connection.opened > IDLE_LONG
        self._lose(cast("CapturingConnection", connection), served=bool(served))

    def _lose(self, connection: CapturingConnection, *, served: bool) -> None:
        user = connection.user
        self._drop(connection)
        if user is not None and user.connection is connection:
            user.connection = None
            user.failed_attempts = 0 if served else connection.failed_attempts + 1

    def retry(self, connection: Connection, now: float) -> bool:
        """Send the request once more, if it was lost to a keep-alive connection closing under it."""
        user = cast("CapturingConnection", connection).user
        idempotent = self.prepared[connection.index].idempotent
        if self._over or user is None or user.call is None or not worth_retrying(connection, idempotent=idempotent):
            return False
        self.events.add("retried", "")
        self._lose(cast("CapturingConnection", connection), served=True)
        self._connect_for(user, user.call, connection.due, again=True)
        return True

    def count_failure(self, kind: str, index: int, example: str) -> None:
        """Count a transport failure, and keep it for the user it happened to."""
        super().count_failure(kind, index, example)
        self._failure = RequestFailed(kind, example)

    def _connect_for(self, user: User, call: Call, due: float, *, reset: bool = False, again: bool = False) -> None:
        user.connecting_due = due
        user.connecting = asyncio.ensure_future(self._connect_and_send(user, call, due, reset, again))
        user.connecting.add_done_callback(self._connected)

    def _connected(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._abort_run(cast("BaseException", task.exception()))

    async def _connect_and_send(self, user: User, call: Call, due: float, reset: bool, again: bool) -> None:
        """Args: reset: waiting before another attempt is no latency; again: it is the request's second attempt."""
        while True:
            if user.failed_attempts:
                await asyncio.sleep(backoff(user.failed_attempts))
                due = _monotonic() if reset else due
            try:
                connection = cast("CapturingConnection", await self._connector.open(user.failed_attempts))
            except (OSError, TimeoutError) as error:
                self._connect_failed_for(user, call, due, error)
                return
            if not connection.dead:
                break
            user.failed_attempts += 1
        user.connecting = None
        self._opened(connection)
        connection.user, user.connection = user, connection
        if again:
            connection.retried, connection.attempts = call.number, 1
        now = _monotonic()
        self._send_on(connection, call, due, now, now)

    def _connect_failed_for(self, user: User, call: Call, due: float, error: BaseException) -> None:
        user.failed_attempts += 1
        user.connecting = user.call = None
        kind, text = failures.classify(error)
        index = call.endpoint.index
        self.recorder.put(due, _NAN, _NAN, 0.0, _monotonic(), call.number, 0, index, 0)
        call.outcome = self.take_failure(user, kind, index, f"cannot connect: {text}")
        user.answered.send_soon()

    def _drop(self, connection: Connection) -> None:
        self._live.discard(connection)
        self._missing += 1
        connection.close()
