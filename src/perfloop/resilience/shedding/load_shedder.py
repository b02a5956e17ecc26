"""Lets in what a service can do, makes a burst wait a little, and turns away the rest, the least important first."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from threading import TIMEOUT_MAX, Lock, RLock
from typing import TYPE_CHECKING

from ...clock import MONOTONIC
from ...coordination import waking_future
from ...coordination.forks import begin_anew_in_forks
from ...exceptions import InvalidValue, LoadShed
from ...telemetry import DEFAULT_REGISTRY
from ..adaptive_limit import usable
from ..gate import EVERY_EXCEPTION, Gate
from ..gradient import Gradient
from ..outcome import FAILURE, IGNORED, Outcome
from ..part import Description
from ..priority import PRIORITY
from ..settings import count, positive, share
from .criticality import Criticality
from .line import Line

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...clock import Clock
    from ...telemetry import Registry
    from ..adaptive_limit import LimitAlgorithm
    from ..outcome import Classification
    from .line import Waiter

__all__ = ["LoadShedder"]

SHARES = {
    Criticality.CRITICAL_PLUS: 1.0,
    Criticality.CRITICAL: 0.95,
    Criticality.SHEDDABLE_PLUS: 0.8,
    Criticality.SHEDDABLE: 0.6,
}


class LoadShedder(Gate[int]):
    """Sheds load by how important it is, by calls in flight and by how long they wait.

        shedder = LoadShedder()                     # finds its own limit: a gradient
        with priority(Criticality.SHEDDABLE):
            shedder.execute(rebuild_index)          # goes first when it gets tight

    Calls of each criticality may fill their share of the limit, so that the less important ones are turned away before
    the others feel anything. A call that finds no place waits for a short time; see `Line`.
    """

    kind = "load_shedder"
    results = ("successful", "failed", "ignored", *(f"shed_{each.name.lower()}" for each in Criticality))
    gauge_names = ("limit", "in_flight", "waiting")

    def __init__(
        self,
        limit: LimitAlgorithm | int | None = None,
        *,
        priority: Callable[[], int] = PRIORITY.get,
        shares: Mapping[Criticality, float] = SHARES,
        max_waiting: int = 100,
        target: float = 0.005,
        interval: float = 0.1,
        retry_after: float = 1.0,
        classification: Classification = EVERY_EXCEPTION,
        random: Callable[[], float] = random.random,
        name: str = "",
        clock: Clock = MONOTONIC,
        registry: Registry = DEFAULT_REGISTRY,
    ) -> None:
        """A shedder.

        Args:
            limit: calls in flight, or what decides it: `Gradient()` unless given. Each shedder needs its own.
            priority: tells how important the call is that wants in, a Criticality; what `with priority(…)` says unless
                given.
            shares: of the limit, that calls of each criticality may fill, above 0 and at most 1; one call always may.
            max_waiting: calls that may wait; 0: none.
            target: seconds a call may wait while calls have been waiting for longer than `interval`.
            interval: seconds a call may wait otherwise.
            retry_after: seconds that a call turned away is told to wait, on average; from half to one and a half times
                as many, so that not all come back together.
            random: gives numbers from 0 to below 1.
            name, classification, clock, registry: as in `Gate`.

        Raises:
            InvalidValue: a value out of range; a target above the interval; a criticality without a share.
        """
        self._algorithm: LimitAlgorithm = (
            _Fixed(limit) if isinstance(limit, int) else usable(Gradient() if limit is None else limit)
        )
        if not isinstance(shares, Mapping) or set(shares) != set(Criticality):
            raise InvalidValue("Expected a share for each criticality", got=shares, where="shares")
        self._shares = {each: share(shares[each], f"shares[{each.name}]") for each in Criticality}
        if not callable(priority):
            raise InvalidValue("Expected a function that tells a priority", got=priority, where="priority")
        self._priority = priority
        if positive(target, "target") > positive(interval, "interval"):
            raise InvalidValue("Expected a target of at most the interval", got=(target, interval), where="target")
        self._max_waiting = count(max_waiting, "max_waiting", least=0)
        self._target, self._interval = target, interval
        self._line = self._new_line()
        self._retry_after = positive(retry_after, "retry_after")
        self._random = random
        self._inflight = self._generation = 0
        self._ended = [0, 0, 0]
        self._shed = dict.fromkeys(Criticality, 0)
        self._lock = RLock()
        begin_anew_in_forks(self)
        super().__init__(name, classification=classification, clock=clock, registry=registry)

    def _new_line(self) -> Line:
        return Line(size=self._max_waiting, target=self._target, interval=self._interval)

    def try_acquire(self) -> int | None:
        """Admit a call. None: it may wait for a place.

        Raises:
            LoadShed: there is no place, and nobody less important waits that could be turned away for it.
        """
        criticality = Criticality.of(self._priority())
        with self._lock:
            first = self._line.first()
            if (first is None or criticality > first) and self._has_place(criticality):
                self._inflight += 1
                return self._generation
            if self._max_waiting:
                return None
            self._shed[criticality] += 1
        raise self._told_rejection(criticality)

    def acquire(self) -> int:
        """Admit a call; its thread waits for a place, for a short time.

        Raises:
            LoadShed: no place became free in time.
        """
        lock = Lock()
        lock.acquire()
        waiter = self._join(lock.release)
        try:
            if lock.acquire(timeout=min(self._interval, TIMEOUT_MAX)):
                return self._settle(waiter)
        except BaseException:
            self._give_up(waiter)
            raise
        return self._time_out(waiter)

    async def aacquire(self) -> int:
        """As `acquire`, in an event loop. Cancelled, it has admitted nothing."""
        woken, wake = waking_future()
        waiter = self._join(wake)
        timer = asyncio.get_running_loop().call_later(self._interval, wake)
        try:
            await woken
        except BaseException:
            self._give_up(waiter)
            raise
        finally:
            timer.cancel()
        return self._settle(waiter) if waiter.over else self._time_out(waiter)

    def release(self, token: int, outcome: Outcome, seconds: float) -> None:
        """The call ended: what it took moves the limit, and its place goes to who waits."""
        with self._lock:
            self._ended[outcome] += 1
            if token != self._generation:  # it was let in before this process was forked
                return
            inflight = self._inflight
            self._inflight -= 1  # first: an algorithm of somebody else's may raise
            if outcome != IGNORED:
                self._algorithm.update(self._now(), seconds, inflight, outcome == FAILURE)
            woken = self._fill()
        if woken:
            self._wake(woken)

    def describe(self) -> Description:
        """What decides the limit, the shares, the waiting."""
        shares = {each.name.lower(): share for each, share in self._shares.items()}
        kind = "fixed" if isinstance(self._algorithm, _Fixed) else type(self._algorithm).__name__
        algorithm = {"algorithm": kind, **self._algorithm.describe()}
        waiting = {"max_waiting": self._max_waiting, "target": self._target, "interval": self._interval}
        return Description(self.kind, self.name, {**algorithm, **waiting, **shares})

    def counts(self) -> Mapping[str, int]:
        """Calls by how they ended, and those turned away by how important they were."""
        return dict(zip(self.results, (*self._ended, *self._shed.values()), strict=True))

    def gauges(self) -> Mapping[str, float]:
        """The limit, what is in flight, and who waits."""
        return {"limit": self._algorithm.limit, "in_flight": self._inflight, "waiting": len(self._line)}

    def begin_anew(self) -> None:
        """This process is a fork: what is in flight or waits in its parent ends there."""
        self._lock = RLock()
        self._inflight = 0
        self._generation += 1
        self._line = self._new_line()

    def _has_place(self, criticality: Criticality) -> bool:
        return self._inflight < max(1, int(self._algorithm.limit * self._shares[criticality]))

    def _join(self, wake: Callable[[], object]) -> Waiter:
        """Wait in the line; `wake` is called when that is over, from any thread."""
        criticality, waiter = Criticality.of(self._priority()), None
        try:
            with self._lock:
                now = self._now()
                gone = self._expire(now)
                waiter, evicted = self._line.join(now, criticality)
                if evicted is not None:
                    self._shed[evicted.criticality] += 1
                    gone.append(evicted)
                if waiter is None:
                    self._shed[criticality] += 1
                else:
                    waiter.wake = wake
                    gone += self._fill()  # a place may have become free meanwhile
            self._wake(gone)
        except BaseException:  # a signal: nobody would ever give its place back
            if waiter is not None:
                self._give_up(waiter)
            raise
        if waiter is None:
            raise self._told_rejection(criticality)
        return waiter

    def _fill(self) -> list[Waiter]:
        """Give free places to who waits; all that need wait no more. With the lock held."""
        if not self._line:
            return []
        now = self._now()
        gone = self._expire(now)
        while (first := self._line.first()) is not None and self._has_place(first):
            gone.append(self._line.next(now, self._generation))
            self._inflight += 1
        return gone

    def _expire(self, now: float) -> list[Waiter]:
        gone = self._line.expired(now)
        for waiter in gone:
            self._shed[waiter.criticality] += 1
        return gone

    def _wake(self, waiters: list[Waiter]) -> None:
        """Without the lock."""
        for waiter in waiters:
            try:
                waiter.wake()
            except RuntimeError:  # its event loop is closed, with the call that waited in it
                self._give_up(waiter)

    def _settle(self, waiter: Waiter) -> int:
        """It was woken: let in, or turned away."""
        if waiter.admitted is None:
            raise self._told_rejection(waiter.criticality)
        return int(waiter.admitted)

    def _time_out(self, waiter: Waiter) -> int:
        """It has waited for as long as it may; it may have been let in at the last moment."""
        with self._lock:
            gone = self._expire(self._now())
            if not waiter.over:
                self._line.leave(waiter)
                self._shed[waiter.criticality] += 1
        self._wake(gone)
        return self._settle(waiter)

    def _give_up(self, waiter: Waiter) -> None:
        """Whoever waited is gone: its place, if it had got one, is the next one's."""
        with self._lock:
            self._line.leave(waiter)
            woken: list[Waiter] = []
            if waiter.admitted == self._generation:
                self._inflight -= 1
                woken = self._fill()
            waiter.admitted = None
        self._wake(woken)

    def _told_rejection(self, criticality: Criticality) -> LoadShed:
        if self._listeners:
            self._tell("not_permitted", criticality=criticality.name.lower())
        error = LoadShed(f"Expected less load: {self.name!r} has no place for a {criticality.name.lower()} call")
        error.retry_after = self._retry_after * (0.5 + self._random())
        return error


class _Fixed:
    """A limit that stays."""

    def __init__(self, limit: int) -> None:
        self.limit = count(limit, "limit")

    def update(self, now: float, rtt: float, inflight: int, dropped: bool) -> None:
        """Nothing moves it."""

    def describe(self) -> Mapping[str, float]:
        """The limit."""
        return {"limit": self.limit}
