"""The load engine: decides when each request is sent on which connection, and ends the run.

Closed model: a connection that becomes free sends its next request at once. Open model: requests are due at times of
their own. One cursor, `_next_due`, stands at the oldest request not sent yet; a wake-up sends what is due on idle
connections, a connection that becomes free takes what is overdue. So the waiting requests are a queue in order of
arrival without being stored anywhere.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import secrets
import time
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from . import failures
from .connector import Connector
from .heads import KnownHeads
from .outcome import LoadOutcome, Progress, conclude
from .reconnection import IDLE_LONG, Retry, backoff, worth_retrying
from .recording import TIMEOUT_STATUS, Recorder
from .request import prepare
from .slowest import Slowest
from .ticker import PERIOD, Ticker, open_ticker
from .watch import GeneratorWatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from .connection import Connection
    from .options import LoadOptions

__all__ = ["Engine"]

_HOUSEKEEPING = 0.05
_PROGRESS_EVERY = 0.25
# Below half the periodic wake-ups, arming the timer for each request costs less.
_ARM_BELOW_RATE = 0.5 / PERIOD
# While all connections are busy no request needs a wake-up; these tell whether the generator could send.
_LOOK_EVERY = 5e-3
_GIVE_UP_AT_ONCE = 1 << 20
_NEVER = math.inf
_NAN = math.nan
_monotonic = time.monotonic


class Engine:
    """One run of one load test. Use `run` of the package rather than this."""

    def __init__(self, options: LoadOptions, on_progress: Callable[[Progress], None] | None = None) -> None:
        options.validate()
        target = options.target()
        self.options = options
        requests = options.effective_requests()
        trace_id = secrets.token_hex(16) if options.trace else None
        self.prepared = [prepare(request, target, trace_id) for request in requests]
        self._order = options.sending_order(requests)
        only = self.prepared[0]
        # One request, the same bytes each time: the fast path.
        self._message = only.prefix if len(requests) == 1 and trace_id is None and not only.is_head else None

        labels = [request.label for request in self.prepared]
        self.recorder = Recorder(labels, options.expect_status, keep_samples=options.keep_samples)
        self.recorder.slowest = None if trace_id is None else Slowest(trace_id, labels)
        self.known_heads = KnownHeads()
        self.events = failures.FailureTally()
        self.transports: set[asyncio.Transport] = set()
        """Every open transport, so that none is left behind."""
        self.connection_free: Callable[[Connection, float], None]
        self._users = options.users()
        self._arrival = options.arrivals() if self._users is None else self._users
        free = self._free_closed if self._arrival is None else self._free_open
        self.connection_free = free if self._users is None else self._free_thinking
        self._connector = Connector(self, target, options.timeout)
        self._on_progress = on_progress
        self._live: set[Connection] = set()
        self._idle: deque[Connection] = deque()
        self._reopening: set[asyncio.Task[None]] = set()
        self._retries = 0
        self._sent = 0
        self._total = _NEVER if options.request_limit is None else options.request_limit
        self._start = self._deadline = self._next_due = _NEVER
        self._started = self._finished = False
        self._ticker: Ticker | None = None
        self._arming = self._arrival is not None and self._arrival.peak < _ARM_BELOW_RATE
        self._housekeeping: asyncio.TimerHandle | None = None
        self._housekeeping_interval = max(_HOUSEKEEPING / 10, min(_HOUSEKEEPING, options.timeout / 10))
        self._last_housekeeping = self._last_progress = 0.0
        self._progress_requests = self._progress_due = 0

    # The run.

    async def run(self, stop: asyncio.Event | None = None) -> LoadOutcome:
        """Open the connections, send the load, and return what was measured.

        Raises:
            UnreachableTarget: a connection cannot be opened before the clock starts.
        """
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = self._loop.create_future()
        waiting: set[asyncio.Future[object]] = set()
        try:
            # The open model opens the others when requests find none idle: an idle one can be in a server's way.
            self._live.update(await self._connector.open_all(self.options.connections if self._arrival is None else 1))
            self._begin()
            waiting = {self._done}  # type: ignore[arg-type]
            if stop is not None:
                waiting.add(asyncio.ensure_future(stop.wait()))
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            ended = _monotonic()
            partial = not self._done.done()
            if not partial:
                self._done.result()  # raises what a callback raised
            return self._outcome(ended, partial)
        finally:
            self._finished = True
            for future in waiting:
                future.cancel()
            await self._close()

    def _begin(self) -> None:
        duration = _NEVER if self.options.lasts is None else self.options.lasts
        if self._arrival is not None:
            self._total, duration = self._arrival.plan(duration, self._total)
            self._ticker = open_ticker(self._loop, self._guarded(self._tick))
        self._start = self.recorder.start = start = _monotonic()
        self._deadline = start + duration
        self._last_housekeeping = self._last_progress = start
        self._watch = GeneratorWatch(start)
        self._started = True
        self._schedule_housekeeping()
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

    async def _close(self) -> None:
        if self._ticker is not None:
            self._ticker.close()
        if self._housekeeping is not None:
            self._housekeeping.cancel()
        tasks = list(self._reopening)
        for task in tasks:
            task.cancel()
        for connection in self._live:
            connection.close()
        for transport in list(self.transports):
            transport.abort()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)
        for _ in range(3):  # the loop closes aborted sockets in its next rounds
            await asyncio.sleep(0)

    # Sending.

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
        if request.suffix:
            return b"%b%016x%b" % (request.prefix, number, request.suffix)
        return request.prefix

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
        if due <= now:
            self._advance()
            # With another connection idle, it was not the service that kept the request waiting.
            idle = self._idle
            self._dispatch(connection, due, max(due, idle[0].free) if idle else now)
            if self._arming and now < self._next_due < _NEVER:
                self._arm(self._next_due)
        else:
            self._park(connection, now)

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

    def _advance(self) -> None:
        following = self._sent + 1
        assert self._arrival is not None
        self._next_due = self._start + self._arrival.due(following) if following < self._total else _NEVER

    def _tick(self) -> None:
        """Send what is due on the connections that are idle."""
        idle = self._idle
        now = _monotonic()
        watch = self._watch
        watch.woken(now)
        watch.expected = now + PERIOD
        due = self._next_due
        while due <= now and idle:
            connection = idle.popleft()
            free = connection.free
            self._advance()
            self._dispatch(connection, due, max(free, due))
            due = self._next_due
        if due <= now:
            self._open_more(now)
        if self._arming and due < _NEVER:
            self._arm(due if idle else now + _LOOK_EVERY)

    def _open_more(self, now: float) -> None:
        """Open a connection for each request that is overdue, as far as there may be more."""
        room = self.options.connections - len(self._live) - len(self._reopening)
        for _ in range(min(room, self._backlog(now) - len(self._reopening)) if room > 0 else 0):
            self._reopen(0, now)

    def _backlog(self, now: float) -> int:
        """Requests that are due and not sent."""
        if self._arrival is None:
            return 0
        return max(0, int(min(self._total, self._arrival.count(now - self._start))) - self._sent)

    def _arm(self, at: float) -> None:
        assert self._ticker is not None
        self._watch.expected = at
        self._ticker.arm(at)

    def _guarded(self, step: Callable[[], None]) -> Callable[[], None]:
        """The step for the event loop to call: what it raises ends the run."""

        def guarded() -> None:
            try:
                step()
            except Exception as error:
                self._abort_run(error)

        return guarded

    def _park(self, connection: Connection, now: float) -> None:
        connection.free = now
        self._idle.append(connection)
        if self._nothing_more(now):
            self._check_finished(now)

    # Ending.

    def _nothing_more(self, now: float) -> bool:
        """No further request will be sent, but for retries."""
        closed = self._arrival is None or self._users is not None
        return self._next_due == _NEVER and (not closed or now >= self._deadline or self._sent >= self._total)

    def _wanted(self, now: float) -> bool:
        """A further connection would have a request to send."""
        return not self._nothing_more(now) if self._arrival is None else self._next_due <= now

    @property
    def in_flight(self) -> int:
        """Requests written and not answered yet, with those about to be sent again."""
        return len(self._live) - len(self._idle) + self._retries

    def _check_finished(self, now: float) -> None:
        if self._started and self.in_flight == 0 and self._nothing_more(now) and not self._done.done():
            self._done.set_result(None)

    def _abort_run(self, error: BaseException) -> None:
        if not self._done.done():
            self._done.set_exception(error)

    def _give_up_backlog(self, now: float) -> None:
        """The time to drain is over: what was due and never got a connection has failed."""
        assert self._arrival is not None
        self._next_due, total = _NEVER, self._sent + self._backlog(now)
        why = f"but all {self.options.connections} connections were busy until then"
        while self._sent < total:
            first, self._sent = self._sent, min(total, self._sent + _GIVE_UP_AT_ONCE)
            dues = self._start + self._arrival.dues(first, self._sent)
            indices = np.fromiter(itertools.islice(self._order, len(dues)), dtype=np.int32, count=len(dues))
            self.recorder.add_never_sent(first + 1, dues, indices, now, why)

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
        self._drop(connection)
        self._retries += 1
        self._reopen(0, now, Retry(connection.number, connection.index, connection.due))
        return True

    def count_failure(self, kind: str, index: int, example: str) -> None:
        """Count a transport failure of the request of that index."""
        self.recorder.failures.add(kind, f"{self.prepared[index].label}: {example}")

    def _drop(self, connection: Connection) -> None:
        self._live.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        connection.close()

    def _replace(self, failed_attempts: int, now: float) -> None:
        """Open another connection for one that ended; in the open model only when a request waits for it."""
        if self._started and self._wanted(now):
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
            self._live.add(connection)
            self.events.add("reconnected", "")
            now = _monotonic()
            connection.free = now
            if retry is not None:
                self._retries -= 1
                connection.index, connection.retried = retry.request_index, retry.number
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
            number, index, due = retry
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

    # Now and then.

    def _schedule_housekeeping(self) -> None:
        self._housekeeping = self._loop.call_later(self._housekeeping_interval, self._guarded(self._housekeep))

    def _housekeep(self) -> None:
        now = _monotonic()
        self._watch.kept_house(now, self._last_housekeeping + self._housekeeping_interval)
        self._last_housekeeping = now
        timeout = self.options.timeout
        expired = now - timeout
        for connection in [one for one in self._live if one.in_flight and one.written < expired]:
            connection.fail(failures.TIMEOUT, f"no whole response within {timeout:g} s of sending", TIMEOUT_STATUS)
        if now - self._last_progress >= _PROGRESS_EVERY:
            self._report(now)
        if now >= self._deadline:
            if self._next_due < _NEVER and now >= self._deadline + timeout:
                self._give_up_backlog(now)
            self._check_finished(now)
        self._schedule_housekeeping()

    def _report(self, now: float) -> None:
        recorder = self.recorder
        in_flight, elapsed = self.in_flight, now - self._start
        recorder.fold(in_flight, elapsed)
        since, self._last_progress = max(now - self._last_progress, 1e-3), now
        finished, self._progress_requests = recorder.requests - self._progress_requests, recorder.requests
        if self._on_progress is None:
            return
        backlog, target_rate, planned = self._backlog(now), None, None
        if self._arrival is not None:
            planned = self._arrival.planned(elapsed)
            due = self._sent + backlog
            target_rate, self._progress_due = (due - self._progress_due) / since, due
        self._on_progress(
            Progress.of(
                recorder,
                elapsed=elapsed,
                duration=self.options.lasts,
                in_flight=in_flight,
                backlog=backlog,
                rate=finished / since,
                target_rate=target_rate,
                connections=len(self._live),
                planned=planned,
            )
        )

    def _outcome(self, ended: float, partial: bool) -> LoadOutcome:
        options, recorder = self.options, self.recorder
        abandoned = self.in_flight if partial else 0
        self._report(ended)  # whoever watches has seen every request
        recorder.finish()
        elapsed = (ended if partial else recorder.last_done) - self._start
        if not partial and options.lasts is not None and recorder.requests != options.request_limit:
            elapsed = max(elapsed, options.lasts)
        facts = self._watch.facts(
            ended, open_model=self._arrival is not None, latency=recorder.latency, send_lag=recorder.send_lag
        )
        return conclude(
            recorder,
            facts,
            plan=options.plan(),
            elapsed=max(elapsed, 1e-9),
            partial=partial,
            abandoned=abandoned,
            events=self.events.counts(),
        )
