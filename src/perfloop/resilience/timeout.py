"""Bounds the time of one attempt, or of a whole call."""

from __future__ import annotations

from asyncio import AbstractEventLoop, CancelledError, Task, current_task, get_running_loop
from types import CoroutineType
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, TypeVar

from ..clock import MONOTONIC
from ..exceptions import AsyncMisuse, CallTimedOut, DeadlineExceeded
from ..telemetry import DEFAULT_REGISTRY
from .deadline import CURRENT, TimeLimit
from .expiry import Expiries, TimedCall, expiries_of
from .part import Description, Part, refuse_coroutine
from .settings import positive

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from ..clock import Clock
    from ..telemetry import Registry

__all__ = ["Deadline", "Timeout"]

P = ParamSpec("P")
R = TypeVar("R")


class Timeout(Part):
    """One attempt takes so long and no longer.

    In an event loop the call is cancelled then, as `asyncio.timeout` cancels it, and CallTimedOut raised. It counts
    from when the function is called: what a call waits for in the queue of a part further outside is no time of it.

    A thread cannot be interrupted. There the callee is told its time instead (`remaining()`, `check_deadline()`, and
    the header sent by HTTP clients in a Policy), and has to keep to it. What it returns too late is returned, and
    counted as `late`: the work is done, and to throw it away would have the caller do it twice. To leave it running in
    a thread of its own is a bulkhead's business.

    If a deadline round the call comes earlier, that one bounds the call and DeadlineExceeded is raised. Calls that
    clean up after a timeout have their own time.
    """

    kind = "timeout"
    results = ("successful", "failed", "late", "timeout")
    timed_call: ClassVar[type[TimedCall]] = TimedCall

    def __init__(
        self, seconds: float, *, name: str = "", clock: Clock = MONOTONIC, registry: Registry = DEFAULT_REGISTRY
    ) -> None:
        """Bounds calls to `seconds`, above 0.

        Raises:
            InvalidValue: not a finite number above 0.
        """
        self.seconds = positive(seconds, "seconds")
        self._successful = self._failed = self._late = self._timeout = 0
        self._known: tuple[AbstractEventLoop | None, Expiries | None] = (None, None)
        super().__init__(name, clock=clock, registry=registry)
        self._where = f"{self.kind} {self.name!r}"

    def describe(self) -> Description:
        return Description(self.kind, self.name, {"seconds": self.seconds})

    def counts(self) -> Mapping[str, int]:
        """`late`: returned, in a thread, after its time. `timeout`: gave up at the end of it."""
        return {
            "successful": self._successful,
            "failed": self._failed,
            "late": self._late,
            "timeout": self._timeout,
        }

    def awrap(self, function: Callable[P, Awaitable[R]], /) -> Callable[P, Coroutine[Any, Any, R]]:
        """The coroutine function, cancelled after `seconds`.

        Raises:
            CallTimedOut: by the call; it has been cancelled and has ended.
            DeadlineExceeded: likewise, because of a deadline round the call.
        """
        current, now, where, seconds, make = CURRENT, self._now, self._where, self.seconds, self.timed_call

        async def timed(*args: P.args, **kwargs: P.kwargs) -> R:
            loop = get_running_loop()
            task = current_task(loop)
            if task is None:
                raise AsyncMisuse("Expected to be awaited in a task of an event loop", where=where)
            outside = current.get()
            attempt = make(now, seconds, where, task)
            nearest: TimeLimit = attempt
            if outside is not None and not outside.expired and outside.remaining() < seconds:
                if not isinstance(outside, TimedCall) or outside.task is not task:
                    return await self._within(outside, task, function, *args, **kwargs)
                nearest = outside  # which ends the call by itself
            known, expiries = self._known
            if expiries is None or known is not loop:
                expiries = expiries_of(loop, now, seconds)
                self._known = loop, expiries
            expiries.running[attempt] = None
            if not expiries.armed:
                expiries.arm(loop)
            current.set(nearest)
            try:
                result = await function(*args, **kwargs)
            except BaseException as error:
                expiries.running.pop(attempt, None)
                timed_out = attempt.ended()
                if type(error) is not GeneratorExit:  # that one comes from anywhere: not into somebody else's context
                    current.set(outside)
                if timed_out and isinstance(error, CancelledError):
                    raise self._timed_out(attempt) from error
                if isinstance(error, Exception):
                    self._failed += 1
                raise
            if attempt.expired:
                attempt.ended()
            else:
                del expiries.running[attempt]
            current.set(outside)
            self._successful += 1
            return result

        return timed

    async def _within(
        self,
        outside: TimeLimit,
        task: Task[Any],
        function: Callable[P, Awaitable[R]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """The call, bounded by an earlier limit that nobody enforces here. Rare enough for a timer of its own."""
        left = outside.remaining()
        if left <= 0:
            raise self._inherited(outside)
        attempt = TimedCall(self._now, left, outside.where, task)
        timer = task.get_loop().call_later(left, attempt.expire)
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            timer.cancel()
            if attempt.ended() and isinstance(error, CancelledError):
                raise self._inherited(outside) from error
            if isinstance(error, Exception):
                self._failed += 1
            raise
        timer.cancel()
        attempt.ended()
        self._successful += 1
        return result

    def wrap(self, function: Callable[P, R], /) -> Callable[P, R]:
        """The function, told how long it may take.

        Raises:
            CallTimedOut: by the callee, if it asks `check_deadline()`.
            DeadlineExceeded: by the call, if a deadline round it is over before it begins.
        """
        current, now, where, seconds = CURRENT, self._now, self._where, self.seconds

        def timed(*args: P.args, **kwargs: P.kwargs) -> R:
            outside = current.get()
            limit: TimeLimit = _LIMITS[self.timed_call](now, seconds, where)
            if outside is not None and (left := outside.remaining()) < seconds:
                if left <= 0:
                    raise self._inherited(outside)
                limit = outside
            token = current.set(limit)
            try:
                result = function(*args, **kwargs)
                if type(result) is CoroutineType:
                    refuse_coroutine(result)
            except Exception as error:
                if isinstance(error, CallTimedOut) and limit.remaining() <= 0:
                    self._count_timeout(limit)
                else:
                    self._failed += 1
                raise
            finally:
                current.reset(token)
            if limit.remaining() < 0:
                self._late += 1
                self._emit("late", seconds=limit.seconds - limit.remaining())
            else:
                self._successful += 1
            return result

        return timed

    def _timed_out(self, limit: TimeLimit) -> CallTimedOut:
        self._count_timeout(limit)
        return limit.exceeded()

    def _inherited(self, limit: TimeLimit) -> CallTimedOut:
        """The same, of a limit further outside."""
        error = self._timed_out(limit)
        if isinstance(error, DeadlineExceeded):
            error.inherited = True
        return error

    def _count_timeout(self, limit: TimeLimit) -> None:
        self._timeout += 1
        self._emit("timeout", seconds=limit.seconds)


class _OfAttempt(TimeLimit):
    __slots__ = ()
    error = CallTimedOut


class _OfCall(TimedCall):
    __slots__ = ()
    error = DeadlineExceeded
    inherited = False


class _OfCallInThread(TimeLimit):
    __slots__ = ()
    inherited = False


class Deadline(Timeout):
    """The whole call, with all its attempts, takes so long and no longer: a Timeout that raises DeadlineExceeded.

    Goes round a Retry, which then begins no wait that would outlast it.
    """

    kind = "deadline"
    timed_call = _OfCall

    def has_ended(self, seconds: float) -> bool:
        """Whether this deadline is what cancels an attempt that ran for `seconds`, and that had half of its time or
        more: an attempt that began late says nothing of the service."""
        limit = CURRENT.get()
        if not isinstance(limit, _OfCall) or limit.where is not self._where:
            return False
        return limit.expired and seconds >= self.seconds / 2


_LIMITS: Mapping[type[TimedCall], type[TimeLimit]] = {TimedCall: _OfAttempt, _OfCall: _OfCallInThread}
