"""The bulkhead with threads of its own: a caller may give up, and what it began still counts until it has ended."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from concurrent.futures import Future, ThreadPoolExecutor
from threading import TIMEOUT_MAX
from types import CoroutineType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from ...clock import MONOTONIC
from ...coordination.forks import begin_anew_in_forks
from ...exceptions import AsyncMisuse, CallTimedOut
from ...telemetry import DEFAULT_REGISTRY
from ..deadline import CURRENT, remaining
from ..part import Description, Part, refuse_coroutine
from ..settings import count, positive
from .admission import GAUGES, MOST_PERMITS, RESULTS, Admission

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from ...clock import Clock
    from ...exceptions import BulkheadFull, BulkheadTimedOut
    from ...telemetry import Registry

__all__ = ["ThreadPoolBulkhead"]

P = ParamSpec("P")
R = TypeVar("R")


class ThreadPoolBulkhead(Part):
    """Runs plain functions in threads that no other calls use: as many as may run at one time.

    Called from a thread or from an event loop. A caller that is cancelled, interrupted or out of patience leaves at
    once; nothing can stop the thread, so its permit is given back when the thread has ended, and until then it is one
    of `gauges()["abandoned"]`. Context variables, and with them deadline and priority, go along into the thread.

    At exit the interpreter waits for calls that still run, as it does for every ThreadPoolExecutor.
    """

    kind = "thread_pool_bulkhead"
    results = (*RESULTS, "abandoned")
    gauge_names = (*GAUGES, "abandoned")

    def __init__(
        self,
        max_concurrency: int,
        timeout: float = 1.0,
        *,
        max_queue: int | None = None,
        call_timeout: float | None = None,
        name: str = "",
        clock: Clock = MONOTONIC,
        registry: Registry = DEFAULT_REGISTRY,
    ) -> None:
        """A bulkhead with its own threads.

        Args:
            max_concurrency: how many calls may run at one time, those that were abandoned among them.
            timeout: seconds that a call may wait for its turn. 0: nobody waits.
            max_queue: how many calls may wait, as many as may run unless given.
            call_timeout: seconds after which a caller gives up a call that runs. A deadline that the caller is inside
                of ends its waiting, too; without either it waits until the end.
            name: as in `Part`, and so are the others.

        Raises:
            InvalidValue: a setting out of range.
        """
        self._admission = Admission(max_concurrency, timeout, max_queue, clock)
        self._call_timeout = None if call_timeout is None else positive(call_timeout, "call_timeout")
        self._abandoned: dict[_Call, float] = {}  # when each was
        self._abandoned_ever = 0
        self.begin_anew()
        begin_anew_in_forks(self)
        super().__init__(name, clock=clock, registry=registry)

    def begin_anew(self) -> None:
        """In a forked child none of the threads exists."""
        self._abandoned.clear()
        self._threads = self._pool()

    def wrap(self, function: Callable[P, R], /) -> Callable[P, R]:
        """The function, run in a thread of this bulkhead while the calling thread waits.

        Raises:
            CallTimedOut: it takes longer than `call_timeout`; it runs on, as one of the abandoned.
            DeadlineExceeded: it takes longer than the deadline allows; likewise.
        """
        try_acquire, acquire = self._admission.try_acquire, self._admission.acquire

        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            token = try_acquire()
            if token is None:
                token = acquire(self._rejected)
            call = self._begin(token, functools.partial(function, *args, **kwargs))
            future: Future[R] = call.future
            try:
                return future.result(self._patience())
            except TimeoutError:
                if future.done():  # the function's own error, or it has ended in this very moment
                    return future.result()
                self._give_up(call)
                raise self._over() from None
            except BaseException:
                self._give_up(call)
                raise

        return guarded

    def awrap(self, function: Callable[P, Any], /) -> Callable[P, Coroutine[Any, Any, Any]]:
        """The plain function, run in a thread of this bulkhead while the calling task waits.

        Raises:
            AsyncMisuse: a coroutine function: it would run in the wrong thread.
        """
        if asyncio.iscoroutinefunction(function):
            raise AsyncMisuse(
                "Expected a plain function to run in a thread, got a coroutine function",
                got=getattr(function, "__qualname__", function),
                hint="Bulkhead limits coroutines",
            )
        try_acquire, acquire = self._admission.try_acquire, self._admission.aacquire

        async def guarded(*args: P.args, **kwargs: P.kwargs) -> Any:
            token = try_acquire()
            if token is None:
                token = await acquire(self._rejected)
            call = self._begin(token, functools.partial(_in_loop, function, *args, **kwargs))
            waiting = asyncio.wrap_future(call.future)
            try:
                await asyncio.wait((waiting,), timeout=self._patience())
            except BaseException:
                self._give_up(call)
                waiting.cancel()
                raise
            if not waiting.done():
                self._give_up(call)
                waiting.cancel()
                raise self._over()
            return waiting.result()

        return guarded

    async def aexecute(self, function: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Run the plain function in a thread of this bulkhead, and await it."""
        return await self.awrap(function)(*args, **kwargs)

    def resize(self, max_concurrency: int) -> None:
        """Another limit, at run time. Calls that run go on: a lower limit holds as soon as enough of them have ended.

        Raises:
            InvalidValue: a limit below 1.
        """
        before = self._admission.semaphore.permits.limit
        self._admission.semaphore.resize(count(max_concurrency, "max_concurrency", most=MOST_PERMITS))
        before_threads, self._threads = self._threads, self._pool()
        before_threads.shutdown(wait=False)
        self._emit("resized", before=before, after=max_concurrency)

    def close(self) -> None:
        """End the threads that are idle, and the others when their calls are done. A later call starts new ones."""
        threads, self._threads = self._threads, self._pool()
        threads.shutdown(wait=False)

    def describe(self) -> Description:
        permits = self._admission.semaphore.permits
        settings = {
            "max_concurrency": permits.limit,
            "timeout": self._admission.timeout,
            "max_queue": permits.max_queue,
            "call_timeout": self._call_timeout,
        }
        return Description(self.kind, self.name, settings)

    def counts(self) -> Mapping[str, int]:
        return {**self._admission.counts(), "abandoned": self._abandoned_ever}

    def gauges(self) -> Mapping[str, float]:
        return {**self._admission.gauges(), "abandoned": len(self._abandoned)}

    def _pool(self) -> ThreadPoolExecutor:
        # It starts a thread only when none is idle.
        return ThreadPoolExecutor(self._admission.semaphore.permits.limit, thread_name_prefix="perfloop-bulkhead")

    def _begin(self, token: object, work: Callable[[], Any]) -> _Call:
        call = _Call(self._admission, token, work, contextvars.copy_context())
        while True:
            threads = self._threads
            try:
                call.future = threads.submit(call.run)
            except BaseException:
                if threads is not self._threads:  # shut down by `resize` or `close` in this very moment
                    continue
                call.withdraw()
                raise
            break
        call.future.add_done_callback(lambda _: self._ended(call))
        return call

    def _give_up(self, call: _Call) -> None:
        """Nobody waits for it any more: it never begins, or is abandoned if it runs."""
        if call.future.cancel():
            call.withdraw()
        elif not call.future.done():
            self._abandoned_ever += 1
            self._abandoned[call] = self._now()
            self._emit("abandoned", running=len(self._abandoned))
            if call.future.done():
                self._ended(call)

    def _ended(self, call: _Call) -> None:
        since = self._abandoned.pop(call, None)
        if since is not None:
            error = call.future.exception()
            how = {} if error is None else {"error": type(error).__name__}
            self._emit("abandoned_ended", seconds=self._now() - since, **how)

    def _rejected(self, result: str) -> BulkheadFull | BulkheadTimedOut:
        if self._listeners:
            self._tell("call_rejected", result=result)
        return self._admission.rejection(result, f"{self.kind} {self.name}")

    def _patience(self) -> float | None:
        """Seconds that the caller waits for the result: until the deadline it is inside of, too."""
        left = remaining()
        if left is None and self._call_timeout is None:
            return None
        return min(each for each in (left, self._call_timeout, TIMEOUT_MAX) if each is not None)

    def _over(self) -> CallTimedOut:
        limit = CURRENT.get()
        if limit is not None and limit.remaining() <= 0:
            return limit.exceeded()
        return CallTimedOut(
            f"Expected a result within {self._call_timeout:g} s; the thread runs on",
            where=f"{self.kind} {self.name}",
            hint="a timeout inside the function, which ends the work too",
        )


class _Call:
    """Work that has a permit. It is given back once: when the work has ended, or when it will never begin."""

    __slots__ = ("_admission", "_context", "_permit", "_work", "future")

    def __init__(
        self, admission: Admission, token: object, work: Callable[[], Any], context: contextvars.Context
    ) -> None:
        self.future: Future[Any]
        self._admission = admission
        self._permit = [token]
        self._work = work
        self._context = context

    def run(self) -> Any:
        """In the thread."""
        try:
            token = self._permit.pop()
        except IndexError:  # withdrawn: the pool could not start a thread, and kept it all the same
            return None
        try:
            result = self._context.run(self._work)
            if type(result) is CoroutineType:
                refuse_coroutine(result)
            return result
        finally:
            self._admission.end(token)

    def withdraw(self) -> None:
        """It will not begin."""
        try:
            token = self._permit.pop()
        except IndexError:
            return
        self._admission.end(token)


def _in_loop(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call it. No future of asyncio takes a StopIteration: its task would wait for ever."""
    try:
        return function(*args, **kwargs)
    except StopIteration as error:
        raise RuntimeError("the function raised StopIteration") from error
