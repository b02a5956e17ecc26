"""What every engine does: begin a run, watch over it, and end it with an outcome.

What is sent, and when, is the engine's: see `engine.py`. The schedule of the open model is one cursor, `_next_due`, at
the oldest request not sent yet, so the waiting requests are a queue in order of arrival without being stored anywhere.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import secrets
import time
from typing import TYPE_CHECKING

import numpy as np

from ..exceptions import MissingExtra
from . import failures
from .checkpoints import WarmUp
from .connector import Connector
from .heads import KnownHeads
from .outcome import LoadOutcome, OnProgress, Progress, conclude
from .recording import TIMEOUT_STATUS, Recorder
from .request import prepare
from .scenario.groups import Groups
from .slowest import Slowest
from .ticker import PERIOD, Ticker, open_ticker
from .trust import untrustworthy_reasons
from .watch import GeneratorWatch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .connection import Connection
    from .options import LoadOptions
    from .request import Preparation
    from .target import Target

__all__ = ["Lifecycle"]

_HOUSEKEEPING = 0.05
_PROGRESS_EVERY = 0.25
# Below 0.6 of the periodic wake-ups, arming the timer for each request costs less.
_ARM_BELOW_RATE = 0.6 / PERIOD
_GIVE_UP_AT_ONCE = 1 << 20
_NEVER = math.inf
_monotonic = time.monotonic


class Lifecycle:
    """One run of one load test, but for the sending."""

    def __init__(
        self, options: LoadOptions, on_progress: OnProgress | None = None, prepared: Preparation | None = None
    ) -> None:
        """Args: prepared: makes the requests, where they are others than the options say."""
        options.validate()
        target = options.target()
        self.options = options
        self.trace_id = trace_id = secrets.token_hex(16) if options.trace else None
        requests = options.effective_requests()
        self.prepared = prepared(trace_id) if prepared else [prepare(request, target, trace_id) for request in requests]
        self._order = options.sending_order(self.prepared)
        labels = [request.label for request in self.prepared]
        self.recorder = Recorder(labels, options.expect_status, keep_samples=options.keep_samples)
        self.recorder.slowest = None if trace_id is None else Slowest(trace_id, labels)
        self.known_heads = KnownHeads()
        self.events = failures.FailureTally()
        self.groups = Groups()
        self.teardown_failures = failures.FailureTally()
        self.barrier: Callable[[], Awaitable[float]] | None = None
        """Awaited once all is open: gives the moment at which the clock starts, where several engines begin at once."""
        self.transports: set[asyncio.Transport] = set()
        """Every open transport, so that none is left behind."""
        self._users = options.users()
        self._arrival = options.arrivals() if self._users is None else self._users
        self._connector = self._new_connector(target)
        self.openings = self._connector.openings
        self._on_progress = on_progress
        self._live: set[Connection] = set()
        self._missing = 0
        """Connections that ended and have none in their place yet."""
        self._sent = 0
        self._total = self._limit = options.request_limit or _NEVER
        self._start = self._deadline = self._next_due = _NEVER
        self._started = self._finished = False
        self._ticker: Ticker | None = None
        few = self._arrival is not None and self._arrival.peak < _ARM_BELOW_RATE
        self._arming = few and not options.precise
        self._housekeeping: asyncio.TimerHandle | None = None
        self._housekeeping_interval = max(_HOUSEKEEPING / 10, min(_HOUSEKEEPING, options.timeout / 10))
        self._last_housekeeping = self._last_progress = 0.0
        self._progress_requests = self._progress_due = 0

    def _new_connector(self, target: Target) -> Connector:
        options = self.options
        if not options.http2:
            return Connector(self, target, options.timeout)
        try:
            from .http2 import Http2Connector
        except ImportError as error:
            raise MissingExtra(
                "Expected the library hpack, which is not installed", hint="pip install 'perfloop[http2]'"
            ) from error
        return Http2Connector(self, target, options.timeout, options.streams)

    # What an engine adds.

    connection_free: Callable[[Connection, float], None]
    """A response came, and its connection stays."""

    async def _open(self) -> None:
        """Open what is to be open before the clock starts."""
        raise NotImplementedError

    def _begin_sending(self, start: float) -> None:
        """Send the first requests; the clock starts now."""
        raise NotImplementedError

    def _tick(self) -> None:
        """Send what is due."""
        raise NotImplementedError

    def connection_spent(self, connection: Connection, now: float) -> None:
        """The connection's request is over and so is the connection."""
        raise NotImplementedError

    def idle_connection_lost(self, connection: Connection) -> None:
        """The connection ended while no request was on it."""
        raise NotImplementedError

    def retry(self, connection: Connection, now: float) -> bool:
        """Send the connection's request once more, if it was lost to a keep-alive connection closing under it."""
        raise NotImplementedError

    @property
    def in_flight(self) -> int:
        """Requests written and not answered yet, with those about to be sent again."""
        raise NotImplementedError

    @property
    def open_connections(self) -> int:
        """Connections that are open."""
        return len(self._live)

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
            await self._open()
            self._begin(_monotonic() if self.barrier is None else await self.barrier())
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

    def _begin(self, start: float) -> None:
        duration = _NEVER if self.options.lasts is None else self.options.lasts
        if self._arrival is not None:
            self._total, duration = self._arrival.plan(duration, self._total)
            self._ticker = open_ticker(self._loop, self._guarded(self._tick), spin=self.options.precise)
        self._start = self.recorder.start = start
        self.recorder.checkpoints = self.options.checkpoints()
        if self.options.scenario is not None:
            self.recorder.further = (self.groups,)
        self._deadline = start + duration
        self._last_housekeeping = self._last_progress = start
        self._watch = GeneratorWatch(start, spinning=self.options.precise)
        self._started = True
        # Every wake-up then does a part of it; those that are armed are for a request each, and may be far apart.
        self.recorder.gradual = self._ticker is not None and not self._arming
        self._schedule_housekeeping()
        self._begin_sending(start)

    async def _close(self) -> None:
        if self._ticker is not None:
            self._ticker.close()
        if self._housekeeping is not None:
            self._housekeeping.cancel()
        for connection in self._live:
            connection.close()
        for transport in list(self.transports):
            transport.abort()
        for _ in range(3):  # the loop closes aborted sockets in its next rounds
            await asyncio.sleep(0)

    def _opened(self, connection: Connection) -> None:
        """Another connection is open: one that was needed first now, or one in place of one that ended."""
        self._live.add(connection)
        if self._missing:
            self._missing -= 1
            if not connection.shared:
                self.events.add("reconnected", "")

    # The schedule.

    def _advance(self) -> None:
        following = self._sent + 1
        assert self._arrival is not None
        self._next_due = self._start + self._arrival.due(following) if following < self._total else _NEVER

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

    # Ending.

    def _nothing_more(self, now: float) -> bool:
        """No further request will be sent, but for retries."""
        closed = self._arrival is None or self._users is not None
        return self._next_due == _NEVER and (not closed or now >= self._deadline or self._sent >= self._total)

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
        ways = "streams" if self.options.http2 else "connections"
        why = f"but all {self.options.most_in_flight} {ways} were busy until then"
        while self._sent < total:
            first, self._sent = self._sent, min(total, self._sent + _GIVE_UP_AT_ONCE)
            dues = self._start + self._arrival.dues(first, self._sent)
            indices = np.fromiter(itertools.islice(self._order, len(dues)), dtype=np.int32, count=len(dues))
            self.recorder.add_never_sent(first + 1, dues, indices, now, why)

    def count_failure(self, kind: str, index: int, example: str) -> None:
        """Count a transport failure of the request of that index."""
        self.recorder.failures.add(kind, f"{self.prepared[index].label}: {example}")

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
        recorder, checkpoints = self.recorder, self.recorder.checkpoints
        # Of requests a checkpoint is taken whenever they are folded; what else counts has to be looked at in time.
        if checkpoints is not None and recorder.further and now - self._start >= checkpoints.next:
            recorder.full()
        if now - self._last_progress >= _PROGRESS_EVERY:
            self._report(now)
        if now >= self._deadline:
            if self._next_due < _NEVER and now >= self._deadline + timeout:
                self._give_up_backlog(now)
            self._check_finished(now)
        self._schedule_housekeeping()

    def _report(self, now: float) -> None:
        """Tell the progress, once all that has finished is folded."""
        since, self._last_progress = max(now - self._last_progress, 1e-3), now
        in_flight, elapsed = self.in_flight, now - self._start
        self.recorder.begin_fold(in_flight, elapsed, lambda: self._tell(in_flight, elapsed, since))
        if not self.recorder.gradual:
            self.recorder.finish_fold()

    def _tell(self, in_flight: int, elapsed: float, since: float) -> None:
        recorder = self.recorder
        finished, self._progress_requests = recorder.requests - self._progress_requests, recorder.requests
        if self._on_progress is None:
            return
        backlog, target_rate, planned = self._backlog(self._start + elapsed), None, None
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
                connections=self.open_connections,
                planned=planned,
            )
        )

    def _outcome(self, ended: float, partial: bool) -> LoadOutcome:
        options, recorder = self.options, self.recorder
        abandoned = self.in_flight if partial else 0
        self._report(ended)  # whoever watches has seen every request
        recorder.finish()
        elapsed = (ended if partial else recorder.last_done) - self._start
        if not partial and options.lasts is not None and self._sent != self._limit:
            elapsed = max(elapsed, options.lasts)
        checkpoints = recorder.checkpoints
        warm_up = WarmUp() if checkpoints is None else checkpoints.exclude(recorder, elapsed)
        facts = self._watch.facts(
            ended, open_model=self._arrival is not None, latency=recorder.latency, send_lag=recorder.send_lag
        )
        return conclude(
            recorder,
            facts.cpu,
            untrustworthy_reasons(facts),
            facts=facts,
            plan=options.plan(),
            elapsed=max(elapsed - warm_up.seconds, 1e-9),
            warm_up=warm_up,
            partial=partial,
            abandoned=abandoned,
            events=self.events,
            openings=self.openings,
        )
