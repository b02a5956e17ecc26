"""So many calls in so many seconds, of this process or of all of them; who comes too early may wait for its turn."""

from __future__ import annotations

import logging
from threading import RLock
from typing import TYPE_CHECKING, Any, Literal, get_args
from urllib.parse import quote

from ...clock import MONOTONIC
from ...coordination import FairSemaphore, QueueFull, WaitTimedOut
from ...coordination.effects import Program, Sleep, run, run_async
from ...coordination.forks import begin_anew_in_forks
from ...exceptions import InvalidValue, RateLimited
from ...telemetry import DEFAULT_REGISTRY
from ...telemetry.forks import renew_lock_in_forks
from ..deadline import remaining
from ..gate import Gate
from ..part import Description
from ..priority import PRIORITY
from ..settings import at_least, count, positive, share
from .algorithm import MICROSECONDS, Algorithm
from .gcra import GCRA
from .local import LocalLimits
from .outage import Outage
from .sliding_window import SlidingWindow
from .store import Store, StoreFailed
from .token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...clock import Clock
    from ...telemetry import Registry
    from ..outcome import Outcome

__all__ = ["ALGORITHMS", "RateLimiter", "StoreFailure"]

ALGORITHMS: dict[str, type[Algorithm[Any]]] = {each.name: each for each in (TokenBucket, GCRA, SlidingWindow)}
StoreFailure = Literal["fail_open", "fail_closed", "local_share"]
"""What holds while the store does not answer: no limit; no calls; a share of the limit, counted in this process."""
_LOG = logging.getLogger("perfloop.resilience")


class RateLimiter(Gate[bool]):
    """Admits calls at a rate. With `max_wait` calls that come too early wait in line, first come, first served, and
    more important ones first; a waiter that is cancelled takes nothing along.

    With `key` each key has its own budget: `key=tenant.get`, of a context variable, or an argument of `acquire`.
    """

    kind = "rate_limiter"
    results = ("successful_acquire", "failed_acquire", "unlimited")
    gauge_names = ("waiting_calls", "keys", "store_lost")

    def __init__(
        self,
        limit: int,
        per: float = 1.0,
        *,
        algorithm: Literal["token_bucket", "gcra", "sliding_window"] = "token_bucket",
        burst: int | None = None,
        max_wait: float = 0.0,
        max_waiting: int = 1_000,
        key: Callable[[], str] | None = None,
        max_keys: int = 100_000,
        store: Store | None = None,
        on_store_failure: StoreFailure = "local_share",
        local_share: float = 1.0,
        pause: float = 1.0,
        name: str = "",
        clock: Clock = MONOTONIC,
        registry: Registry = DEFAULT_REGISTRY,
    ) -> None:
        """A rate limiter.

        Args:
            limit: how many calls.
            per: in how many seconds.
            algorithm: "token_bucket" and "gcra" admit in any w seconds `burst + limit × w ÷ per` calls at most,
                "sliding_window" in any `per` seconds no more than `limit`.
            burst: how many at once after a pause: `limit` of a token bucket and 1 of GCRA, unless given.
            max_wait: seconds that a call may wait until it is admitted. 0: nobody waits.
            max_waiting: how many calls may wait, of all keys.
            key: whose call it is, asked before each; without it there is one budget for all calls.
            max_keys: how many have a budget of their own in this process; further ones share one until others are idle.
            store: where all limiters of this name and these settings count, in all processes; without it each counts
                for itself.
            on_store_failure: what holds while the store does not answer.
            local_share: of the limit, for this process, where that is "local_share": 1 ÷ the number of processes.
            pause: seconds for which a store that has failed is not asked again.
            name: as in `Part`, and so are the others.

        Raises:
            InvalidValue: a setting out of range.
        """
        if algorithm not in ALGORITHMS:
            raise InvalidValue(f"Expected one of {', '.join(ALGORITHMS)}", got=algorithm, where="algorithm")
        if on_store_failure not in get_args(StoreFailure):
            expected = ", ".join(get_args(StoreFailure))
            raise InvalidValue(f"Expected one of {expected}", got=on_store_failure, where="on_store_failure")
        if key is not None and not callable(key):
            raise InvalidValue("Expected a function that tells the key", got=key, where="key")
        self.algorithm: Algorithm[Any] = ALGORITHMS[algorithm](limit, per, burst)
        self._max_wait = at_least(max_wait, 0, "max_wait")
        self._max_waiting = count(max_waiting, "max_waiting")
        self._key = key
        self._store = store
        self._on_store_failure = on_store_failure
        own = self.algorithm.share(share(local_share, "local_share")) if store else self.algorithm
        self._local = LocalLimits(own, count(max_keys, "max_keys"), crowded=self._keys_crowded)
        unkeyed = self._local.unkeyed
        self._take = self._local.take
        self._take_unkeyed = None if unkeyed is None or key is not None else unkeyed.take
        self._outage = Outage(positive(pause, "pause"))
        self._lines: dict[str, _Line] = {}
        self._waiting = 0
        self._successful = self._failed = self._unlimited = 0
        self._clock = clock
        self._lock = RLock()
        renew_lock_in_forks(self)
        begin_anew_in_forks(self)
        super().__init__(name, clock=clock, registry=registry)
        # Without a colon, so that no key of one limiter is that of another.
        self._place = quote(self.name, safe="", errors="surrogatepass")

    def try_acquire(self, key: str | None = None) -> bool | None:
        """See `Gate`. A limiter with a store has to ask it, and never answers at once."""
        if self._store is not None:
            return None
        if key is None and self._take_unkeyed is not None:
            if "" in self._lines:
                return None
            wait = self._take_unkeyed(round(self._now() * MICROSECONDS))
        else:
            key = self._key_of(key)
            if key in self._lines:
                return None
            wait = self._take(key, round(self._now() * MICROSECONDS))
        if wait == 0:
            self._successful += 1
            return True
        if not self._max_wait:
            raise self._limited(wait)
        return None

    def acquire(self, key: str | None = None) -> bool:
        """See `Gate`.

        Args:
            key: whose call it is, where no `key` function tells.

        Raises:
            RateLimited: it would have to wait for longer than it may; `retry_after` says how long.
        """
        return run(self._admit(self._key_of(key)))

    async def aacquire(self, key: str | None = None) -> bool:
        return await run_async(self._admit(self._key_of(key)))

    def release(self, token: bool, outcome: Outcome, seconds: float) -> None:
        """Nothing: a call is counted when it begins."""

    def describe(self) -> Description:
        algorithm = self.algorithm
        settings: dict[str, Any] = {
            "limit": algorithm.limit,
            "per": algorithm.per / MICROSECONDS,
            "algorithm": algorithm.name,
            "burst": algorithm.burst,
            "max_wait": self._max_wait,
        }
        if self._store is not None:
            settings |= {"store": type(self._store).__name__, "on_store_failure": self._on_store_failure}
        return Description(self.kind, self.name, settings)

    def counts(self) -> Mapping[str, int]:
        return dict(zip(self.results, (self._successful, self._failed, self._unlimited), strict=True))

    def gauges(self) -> Mapping[str, float]:
        return {"waiting_calls": self._waiting, "keys": len(self._local), "store_lost": self._outage.lasts}

    def begin_anew(self) -> None:
        """In a forked child nobody waits."""
        self._lines.clear()
        self._waiting = 0

    def _admit(self, key: str) -> Program[bool]:
        """What a call does that is not admitted at once. Who is first in the line of its key asks, and sleeps."""
        patience = self._max_wait if (left := remaining()) is None else min(self._max_wait, left)
        give_up_at = self._now() + patience
        if key not in self._lines:
            wait = yield from self._ask(key)
            if wait == 0:
                return True
            self._check(wait, give_up_at)
        line = self._join(key, give_up_at)
        try:
            try:
                turn = yield _Turn(line.semaphore, give_up_at - self._now(), PRIORITY.get())
            except (QueueFull, WaitTimedOut):
                raise self._limited(self._wait_behind(key, line)) from None
            try:
                while wait := (yield from self._ask(key)):
                    self._check(wait, give_up_at)
                    yield Sleep(wait / MICROSECONDS)
                return True
            finally:
                line.semaphore.release(turn)
        finally:
            self._leave(key, line)

    def _ask(self, key: str) -> Program[int]:
        """The microseconds that a call of the key has to wait; 0: it is admitted, and counted."""
        if self._store is None:
            wait = self._local.take(key, self._ticks())
        elif not self._outage.may_ask(self._now()):
            return self._without_store(key)
        else:
            try:
                wait = yield _Asked(self._store, f"{self._place}:{key}", self.algorithm)
            except StoreFailed as failure:
                if self._outage.failed(self._now()):
                    instead = self._on_store_failure
                    self._emit("store_lost", error=str(failure), instead=instead)
                    _LOG.warning("%s %s: %s, for its store is lost: %s", self.kind, self.name, instead, failure)
                return self._without_store(key)
            else:
                if self._outage.answered():
                    self._emit("store_back")
        return self._counted(wait)

    def _without_store(self, key: str) -> int:
        if self._on_store_failure == "local_share":
            return self._counted(self._local.take(key, self._ticks()))
        if self._on_store_failure == "fail_open":
            self._unlimited += 1
            return 0
        raise self._limited(
            round(self._outage.left(self._now()) * MICROSECONDS),
            "Expected the store of the limit to answer: without it no call is let through (fail_closed)",
        )

    def _counted(self, wait: int) -> int:
        self._successful += wait == 0
        return wait

    def _join(self, key: str, give_up_at: float) -> _Line:
        """A place in the line, where there is hope."""
        line = self._lines.get(key)
        if line is not None:
            self._check(self._wait_behind(key, line), give_up_at)
        with self._lock:
            full = self._waiting >= self._max_waiting
            if not full:
                line = self._lines.get(key)
                if line is None:
                    line = self._lines[key] = _Line(FairSemaphore(1, self._max_waiting, clock=self._clock))
                line.users += 1
                self._waiting += 1
        if full or line is None:
            raise self._limited(self.algorithm.behind(1))
        return line

    def _leave(self, key: str, line: _Line) -> None:
        with self._lock:
            if self._lines.get(key) is line:  # else it was the parent's that has been forked
                self._waiting -= 1
                line.users -= 1
                if not line.users:
                    del self._lines[key]

    def _wait_behind(self, key: str, line: _Line) -> int:
        """Microseconds for one who comes now: exact where this process alone counts, else at least so many."""
        ahead = line.semaphore.ahead_of(PRIORITY.get()) + line.semaphore.used
        first = 0 if self._store is not None else self._local.wait(key, self._ticks())
        return first + self.algorithm.behind(ahead)

    def _check(self, wait: int, give_up_at: float) -> None:
        # What is exact in microseconds is not in the sum of two floats.
        if self._now() + (wait - 0.5) / MICROSECONDS > give_up_at:
            raise self._limited(wait)

    def _limited(self, wait: int, why: str | None = None) -> RateLimited:
        self._failed += 1
        if self._listeners:
            self._tell("failed_acquire", retry_after=wait / MICROSECONDS)
        algorithm = self.algorithm
        why = why or f"More than {algorithm.limit} calls in {algorithm.per / MICROSECONDS:g} s"
        error = RateLimited(why, where=f"{self.kind} {self.name}")
        error.retry_after = wait / MICROSECONDS
        return error

    def _key_of(self, key: str | None) -> str:
        if key is None:
            key = "" if self._key is None else self._key()
        if not isinstance(key, str):
            raise InvalidValue("Expected a text as key", got=key, where=f"{self.kind} {self.name}")
        return key

    def _ticks(self) -> int:
        return round(self._now() * MICROSECONDS)

    def _keys_crowded(self) -> None:
        self._emit("keys_crowded", keys=len(self._local))


class _Line:
    """Those who wait for one key: one of them at a time asks for a call, and sleeps in between."""

    __slots__ = ("semaphore", "users")

    def __init__(self, semaphore: FairSemaphore) -> None:
        self.semaphore = semaphore
        self.users = 0


class _Turn:
    """Wait until one is first in line."""

    __slots__ = ("_arguments", "_semaphore")

    def __init__(self, semaphore: FairSemaphore, timeout: float, priority: int) -> None:
        self._semaphore = semaphore
        self._arguments = (timeout, priority)

    def run(self) -> object:
        return self._semaphore.acquire(*self._arguments)

    async def run_async(self) -> object:
        return await self._semaphore.aacquire(*self._arguments)


class _Asked:
    """Ask the store."""

    __slots__ = ("_algorithm", "_key", "_store")

    def __init__(self, store: Store, key: str, algorithm: Algorithm[Any]) -> None:
        self._store, self._key, self._algorithm = store, key, algorithm

    def run(self) -> int:
        return self._store.take(self._key, self._algorithm)

    async def run_async(self) -> int:
        return await self._store.atake(self._key, self._algorithm)
