"""The bulkhead for calls that run where their caller is: in its thread, or in its event loop."""

from __future__ import annotations

from types import CoroutineType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from ...clock import MONOTONIC
from ...telemetry import DEFAULT_REGISTRY
from ..gate import Gate
from ..part import Description, refuse_coroutine
from ..settings import count
from .admission import GAUGES, MOST_PERMITS, RESULTS, Admission

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from ...clock import Clock
    from ...exceptions import BulkheadFull, BulkheadTimedOut
    from ...telemetry import Registry
    from ..outcome import Outcome

__all__ = ["Bulkhead"]

P = ParamSpec("P")
R = TypeVar("R")


class Bulkhead(Gate[object]):
    """Lets so many calls run at one time; a few more wait in line, the others are rejected at once.

    First come, first served; more important ones first (`with priority(10):`), and where the queue is full they take
    the place of the least important that came last. Threads and tasks of any event loop wait in the same line. A permit
    is out for as long as the call runs: work that a call leaves behind in a thread is not counted, unless the thread is
    a ThreadPoolBulkhead's. A forked child begins with all permits free.
    """

    kind = "bulkhead"
    results = RESULTS
    gauge_names = GAUGES

    def __init__(
        self,
        max_concurrency: int,
        timeout: float = 1.0,
        *,
        max_queue: int | None = None,
        name: str = "",
        clock: Clock = MONOTONIC,
        registry: Registry = DEFAULT_REGISTRY,
    ) -> None:
        """A bulkhead.

        Args:
            max_concurrency: how many calls may run at one time.
            timeout: seconds that a call may wait for its turn; how long it then runs is not limited. 0: nobody waits.
            max_queue: how many calls may wait, as many as may run unless given.
            name: as in `Part`, and so are the others.

        Raises:
            InvalidValue: a setting out of range.
        """
        self._admission = Admission(max_concurrency, timeout, max_queue, clock)
        super().__init__(name, clock=clock, registry=registry)

    def try_acquire(self) -> object | None:
        return self._admission.try_acquire()

    def acquire(self) -> object:
        """See `Gate`.

        Raises:
            BulkheadFull: as many calls wait as may, or a more important one has taken this one's place.
            BulkheadTimedOut: no call ended in time.
        """
        return self._admission.acquire(self._rejected)

    async def aacquire(self) -> object:
        return await self._admission.aacquire(self._rejected)

    def release(self, token: object, outcome: Outcome, seconds: float) -> None:
        self._admission.end(token)

    def wrap(self, function: Callable[P, R], /) -> Callable[P, R]:
        try_acquire, acquire, end = self._admission.try_acquire, self.acquire, self._admission.end

        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            token = try_acquire()
            if token is None:
                token = acquire()
            try:
                result = function(*args, **kwargs)
                if type(result) is CoroutineType:
                    refuse_coroutine(result)
                return result
            finally:
                end(token)

        return guarded

    def awrap(self, function: Callable[P, Awaitable[R]], /) -> Callable[P, Coroutine[Any, Any, R]]:
        # What `try_acquire` and `end` do, written out: as calls they would be a third of what a bulkhead adds.
        admission, acquire, settle = self._admission, self.aacquire, self._admission.semaphore.settle
        permits = admission.semaphore.permits
        take, give_back = permits.free.pop, permits.free.append

        async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            token = None
            if not permits.crowded:
                try:
                    token = take()
                except IndexError:
                    pass
            if token is None:
                token = await acquire()
            try:
                return await function(*args, **kwargs)
            finally:
                admission.finished += 1
                if token is permits.token:
                    give_back(token)
                if permits.crowded:
                    settle()

        return guarded

    def resize(self, max_concurrency: int) -> None:
        """Another limit, at run time. Calls that run go on: a lower limit holds as soon as enough of them have ended.

        Raises:
            InvalidValue: a limit below 1.
        """
        before = self._admission.semaphore.permits.limit
        self._admission.semaphore.resize(count(max_concurrency, "max_concurrency", most=MOST_PERMITS))
        self._emit("resized", before=before, after=max_concurrency)

    def describe(self) -> Description:
        permits = self._admission.semaphore.permits
        settings = {
            "max_concurrency": permits.limit,
            "timeout": self._admission.timeout,
            "max_queue": permits.max_queue,
        }
        return Description(self.kind, self.name, settings)

    def counts(self) -> Mapping[str, int]:
        return self._admission.counts()

    def gauges(self) -> Mapping[str, float]:
        return self._admission.gauges()

    def _rejected(self, result: str) -> BulkheadFull | BulkheadTimedOut:
        if self._listeners:
            self._tell("call_rejected", result=result)
        return self._admission.rejection(result, f"{self.kind} {self.name}")
