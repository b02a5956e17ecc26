"""The load engine: decides which request is sent on which connection.

Closed model: a connection that becomes free sends its next request at once. Open model: requests are due at times of
their own; a wake-up sends what is due on idle connections, a connection that becomes free when no other is takes what
is overdue. A connection is opened whenever a request finds none idle: one that idles can be in a server's way.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from typing import TYPE_CHECKING, cast

from . import failures
from .lifecycle import Lifecycle
from .reconnection import IDLE_LONG, Retry, backoff, worth_retrying
from .ticker import PERIOD
from .trust import LOWEST_LAG

if TYPE_CHECKING:
    from .connection import Connection
    from .options import LoadOptions
    from .outcome import OnProgress
    from .request import Preparation

__all__ = ["Engine"]

# While all connections are busy no request needs a wake-up; these tell whether the generator could send.
_LOOK_EVERY = 5e-3
_NEVER = math.inf
_NAN = math.nan
_monotonic = time.monotonic


class Engine(Lifecycle):
    """One run of one load test. Use `run` of the package rather than this."""

    def __init__(
        self, options: LoadOptions, on_progress: OnProgress | None = None, prepared: Preparation | None = None
    ) -> None:
        super().__init__(options, on_progress, prepared)
        only = self.prepared[0]
        # One request, the same bytes each time: the fast path.
        self._message = only.prefix if len(self.prepared) == 1 and not only.render and not only.is_head else None
        free = self._free_closed if self._arrival is None else self._free_open
        self.connection_free = free if self._users is None else self._free_thinking
        if not options.keep_alive:
            self.connection_free = self.connection_spent
        self._idle: deque[Connection] = deque()
        self._reopening: set[asyncio.Task[None]] = set()
        self._retries = 0

    async def _open(self) -> None:
        self._live.update(await self._connector.open_all(self.options.most_in_flight if self._arrival is None else 1))

    async def _close(self) -> None:
        for task in self._reopening:
            task.cancel()
        if self._reopening:
            await asyncio.gather(*self._reopening, return_exceptions=True)
        await super()._close()

    # Sending.

    def _begin_sending(self, start: float) -> None:
        for connection in [one for one in self._live if one.dead]:  # lost again before the start
            self._live.discard(connection)
            self._reopen(1, start)
        if self._arrival is None:
            for connection in list(self._live):
                self._free_closed(connection, start)
            return
        self._idle.extend(self._live)
        self._next_due = start + self._arrival.due(0) if self._total else _NEVER
        assert self._ticker is not None
        if self._arming:
            self._tick()
        else:
            self._ticker.start_periodic()

    def _dispatch(self, connection: Connection, due: float, free: float) -> None:
        self._sent = number = self._sent + 1
        if (message := self._message) is None or connection.held:
            connection.index = next(self._order)
            message = self._prepare(connection, number)
        connection.send(message, number, due, free, _monotonic())

    def _prepare(self, connection: Connection, number: int) -> bytes:
        """The message of the connection's request, with the connection ready to read its response."""
        request = self.prepared[connection.index]
        if request.is_head or not connection.usual_parser or connection.held:
            connection.expect(head=request.is_head)
        return request.prefix if request.render is None else request.render(number)

    def _free_closed(self, connection: Connection, now: float) -> None:
        if now < self._deadline and self._sent < self._total:
            # _dispatch written out: this is every request's path. `now` was read within the microsecond.
            self._sent = number = self._sent + 1
            message = self._message
            if message is None or connection.held:
                connection.index = next(self._order)
                message = self._prepare(connection, number)
            connection.send(message, number, now, now, now)
        else:
            self._park(connection, now)

    def _free_open(self, connection: Connection, now: float) -> None:
        due = self._next_due
        idle = self._idle
        if due > now or (idle and not self._arming):
            # With another connection idle the next wake-up sends what is due, all at once: a service is woken less
            # often by several requests in a row than by one after each answer. (_park written out.)
            connection.free = now
            idle.append(connection)
            if due == _NEVER and self._nothing_more(now):
                self._check_finished(now)
        else:
            self._advance()
            # With another connection idle, it was not the service that kept the request waiting.
            self._dispatch(connection, due, max(due, idle[0].free) if idle else now)
        # While all were busy the next wake-up was some time off.
        if self._arming and now < self._next_due < self._watch.expected:
            self._arm(self._next_due)

    def _free_thinking(self, connection: Connection, now: float) -> None:
        """As `_free_closed`, for users who think or keep a pace."""
        users = self._users
        assert users is not None
        due = users.next_due(now, connection.written)
        if due <= now and due < self._deadline and self._sent < self._total:
            # It was the service that kept the user from sending.
            users.sent_at_once()
            self._dispatch(connection, due, now)
        else:
            self._wait_until(due, now)
            self._free_open(connection, now)

    def _think(self, started: float, now: float) -> None:
        """A request is over, and so is its connection; its user, if there are users, goes on all the same."""
        if self._users is not None:
            self._wait_until(self._users.next_due(now, started), now)

    def _wait_until(self, due: float, now: float) -> None:
        assert self._users is not None
        if self._users.wait(due - self._start) and self._sent < self._total:
            self._next_due = due
            if self._arming:
                self._arm(max(due, now))

    def _tick(self) -> None:
        """Send what is due on the connections that are idle."""
        now = _monotonic()
        watch = self._watch
        if now - watch.expected > LOWEST_LAG:
            watch.woken(now)
        watch.expected = now + PERIOD
        due = self._next_due
        if due <= now:
            idle = self._idle
            message = self._message
            arrival = self._arrival
            assert arrival is not None
            while due <= now and idle:
                # _advance and _dispatch written out: this is every request's path.
                connection = idle.popleft()
                free = connection.free
                self._sent = number = self._sent + 1
                self._next_due = self._start + arrival.due(number) if number < self._total else _NEVER
                text = message
                if text is None or connection.held:
                    connection.index = next(self._order)
                    text = self._prepare(connection, number)
                connection.send(text, number, due, free if free > due else due, _monotonic())  # noqa: FURB136  # no call
                due = self._next_due
            if due <= now:
                self._open_more(now)
        if self.recorder.folding is not None:
            self.recorder.fold_on()
        if self._arming and due < _NEVER:
            # A connection may be free again by then, though none is now.
            self._arm(due if due > now else now + _LOOK_EVERY)

    def _open_more(self, now: float) -> None:
        """Open a connection for each request that is overdue, as far as there may be more."""
        room = self.options.most_in_flight - len(self._live) - len(self._reopening)
        for _ in range(min(room, self._backlog(now) - len(self._reopening)) if room > 0 else 0):
            self._reopen(0, now)

    def _park(self, connection: Connection, now: float) -> None:
        connection.free = now
        self._idle.append(connection)
        if self._nothing_more(now):
            self._check_finished(now)

    @property
    def in_flight(self) -> int:
        """Requests written and not answered yet, with those about to be sent again."""
        return len(self._live) - len(self._idle) + self._retries

    # Connections that end.

    def connection_spent(self, connection: Connection, now: float) -> None:
        """The connection's request is over and so is the connection: open another in its place."""
        heard = connection.served or connection.received
        self._drop(connection)
        self._think(connection.written, now)
        self._replace(0 if heard else connection.failed_attempts + 1, now)

    def idle_connection_lost(self, connection: Connection) -> None:
        """The connection ended while no request was on it."""
        if connection not in self._live:
            connection.close()
            return
        self._drop(connection)
        now = _monotonic()
        served = connection.served or now - connection.opened > IDLE_LONG
        self._replace(0 if served else connection.failed_attempts + 1, now)

    def retry(self, connection: Connection, now: float) -> bool:
        """Send the connection's request once more, if it was lost to a keep-alive connection closing under it."""
        if self._finished or not worth_retrying(connection, idempotent=self.prepared[connection.index].idempotent):
            return False
        self.events.add("retried", "")
        retry = Retry.of(connection)
        self._drop(connection)
        self._retries += 1
        self._reopen(0, now, retry)
        return True

    def _drop(self, connection: Connection) -> None:
        self._live.discard(connection)
        self._missing += 1
        if connection in self._idle:
            self._idle.remove(connection)
        connection.close()

    def _wanted(self, now: float) -> bool:
        """A further connection would have a request to send."""
        return not self._nothing_more(now) if self._arrival is None else self._next_due <= now

    def _replace(self, failed_attempts: int, now: float) -> None:
        """Open another connection for one that ended; in the open model only when a request waits for it."""
        coming = len(self._reopening) - self._retries if self._arrival is None else 0  # each sends one
        if self._started and self._wanted(now) and self._sent + coming < self._total:
            self._reopen(failed_attempts, now)
        else:
            self._check_finished(now)

    def _reopen(self, failed_attempts: int, due: float, retry: Retry | None = None) -> None:
        if self._finished:
            return
        task = asyncio.ensure_future(self._reopen_until_open(failed_attempts, due, retry))
        self._reopening.add(task)
        task.add_done_callback(self._reopened)

    def _reopened(self, task: asyncio.Task[None]) -> None:
        self._reopening.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            self._abort_run(error)
        else:
            self._check_finished(_monotonic())

    async def _reopen_until_open(self, failed_attempts: int, due: float, retry: Retry | None) -> None:
        while not self._finished:
            if failed_attempts:
                await asyncio.sleep(backoff(failed_attempts))
                if self._arrival is None:
                    due = _monotonic()
            if retry is None and not self._wanted(_monotonic()):
                return
            try:
                connection = await self._connector.open(failed_attempts)
            except (OSError, TimeoutError) as error:
                failed_attempts += 1
                self._connect_failed(error, due, retry)
                if retry is not None:
                    self._retries -= 1
                    retry = None
                continue
            if connection.dead:
                failed_attempts += 1
                continue
            # From here on its request is not to come any more: the answer may be there before the task is over.
            self._reopening.discard(cast("asyncio.Task[None]", asyncio.current_task()))
            self._opened(connection)
            now = _monotonic()
            connection.free = now
            if retry is not None:
                self._retries -= 1
                connection.index, connection.retried = retry.request_index, retry.number
                connection.attempts = retry.attempts
                connection.send(self._prepare(connection, retry.number), retry.number, retry.due, now, now)
            elif self._arrival is not None:
                self._free_open(connection, now)
            elif self._nothing_more(now):
                self._park(connection, now)
            else:
                self._dispatch(connection, due, now)
            return
        if retry is not None:
            self._retries -= 1

    def _connect_failed(self, error: BaseException, due: float, retry: Retry | None) -> None:
        """No connection: the request that would have gone over it has failed, if there is one."""
        kind, text = failures.classify(error)
        now = _monotonic()
        if retry is not None:
            number, index, due, _ = retry
        elif self._next_due <= now or (self._arrival is None and not self._nothing_more(now)):
            if self._arrival is not None:
                due = self._next_due
                self._advance()
            self._sent = number = self._sent + 1
            index = next(self._order)
        else:
            self.events.add("reconnect failed", text)
            return
        self.recorder.put(due, _NAN, _NAN, 0.0, now, number, 0, index, 0)
        self._think(now, now)
        self.count_failure(kind, index, f"cannot connect: {text}")
