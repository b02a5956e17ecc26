"""Equal calls at the same time are made once, and all callers get what it gives."""

from __future__ import annotations

import asyncio
import contextvars
import os
import weakref
from threading import TIMEOUT_MAX, Event, RLock
from types import CoroutineType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from ..clock import MONOTONIC
from ..exceptions import DeadlineExceeded, InvalidValue
from ..telemetry import DEFAULT_REGISTRY
from ..telemetry.forks import renew_lock_in_forks
from .deadline import CURRENT, check_deadline, remaining
from .part import Description, Part, refuse_coroutine, target_of
from .tasks import end

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task
    from collections.abc import Awaitable, Callable, Coroutine, Hashable, Mapping
    from types import TracebackType

    from ..clock import Clock
    from ..telemetry import Registry

__all__ = ["Collapse"]

P = ParamSpec("P")
R = TypeVar("R")


class Collapse(Part):
    """Calls of one function with one key share an execution while it runs; nothing is kept when it has ended.

    All get the same object, or the same error.

    In an event loop the work is a task of its own: a caller who is cancelled leaves the others be, and when the last
    one has left, the work is cancelled, too. It has no deadline but those of its callers.

    Of threads the first one does the work, with its deadline; the others wait, each until its own. If the first one
    gives up because of its deadline, or is interrupted, one of the others begins anew.

    A call that makes an equal one from inside is not shared: it would wait for itself.
    """

    kind = "collapsing"
    results = ("executed", "shared")
    gauge_names = ("in_flight",)
    sees_arguments = True

    def __init__(
        self,
        key: Callable[..., Hashable],
        *,
        name: str = "",
        clock: Clock = MONOTONIC,
        registry: Registry = DEFAULT_REGISTRY,
    ) -> None:
        """Collapses calls by their key.

        Args:
            key: gives what makes two calls equal, from what they were given; calls of different functions never are.

        Raises:
            InvalidValue: no function.
        """
        if not callable(key):
            raise InvalidValue("Expected a function of what the call is given", got=key, where="key")
        self._key = key
        self._flights: dict[Hashable, _Flight] = {}
        self._loops: weakref.WeakKeyDictionary[AbstractEventLoop, dict[Hashable, _TaskFlight]] = (
            weakref.WeakKeyDictionary()
        )
        self._executed = self._shared = 0
        self._lock = RLock()
        renew_lock_in_forks(self)
        _collapses.add(self)
        super().__init__(name, clock=clock, registry=registry)

    def describe(self) -> Description:
        return Description(self.kind, self.name, {"key": getattr(self._key, "__qualname__", repr(self._key))})

    def counts(self) -> Mapping[str, int]:
        """Calls by whether they did the work or had it from another."""
        return {"executed": self._executed, "shared": self._shared}

    def gauges(self) -> Mapping[str, float]:
        """`in_flight`: executions that run."""
        return {"in_flight": len(self._flights) + sum(len(flights) for flights in list(self._loops.values()))}

    def wrap(self, function: Callable[P, R], /) -> Callable[P, R]:
        """The function, for threads.

        Raises:
            DeadlineExceeded: by a call that waits for another's, at the end of its deadline.
        """

        def collapsed(*args: P.args, **kwargs: P.kwargs) -> R:
            key = self._key_of(function, args, kwargs)
            while True:
                own = _Flight()
                try:
                    flight = self._flights.setdefault(key, own)  # without a lock: comparing keys is the user's code
                    if flight is own:
                        self._count(executed=1)
                        return self._fly(key, flight, function, *args, **kwargs)
                except BaseException:
                    self._land(key, own)  # wherever it was interrupted, nobody waits for it for ever
                    raise
                if flight in _INSIDE.get():
                    self._count(executed=1)
                    return function(*args, **kwargs)
                flight.ended.wait(None if (left := remaining()) is None else min(left, TIMEOUT_MAX))
                if not flight.ended.is_set():
                    check_deadline()
                elif not flight.abandoned:
                    self._count(shared=1)
                    return flight.outcome()  # type: ignore[no-any-return]

        return collapsed

    def _fly(self, key: Hashable, flight: _Flight, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        token = _INSIDE.set((*_INSIDE.get(), flight))
        try:
            result = function(*args, **kwargs)
            if type(result) is CoroutineType:
                refuse_coroutine(result)
            flight.returned(result)
            return result
        except Exception as error:
            flight.raised(error)
            raise
        finally:
            _INSIDE.reset(token)
            self._land(key, flight)

    def _land(self, key: Hashable, flight: _Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        flight.ended.set()

    def awrap(self, function: Callable[P, Awaitable[R]], /) -> Callable[P, Coroutine[Any, Any, R]]:
        """As `wrap`, for an event loop; calls of several loops are not shared."""

        async def collapsed(*args: P.args, **kwargs: P.kwargs) -> R:
            key = self._key_of(function, args, kwargs)
            loop = asyncio.get_running_loop()
            flights = self._loops.get(loop)
            if flights is None:
                flights = self._loops.setdefault(loop, {})
            flight = flights.get(key)
            if flight is not None and flight in _INSIDE.get():
                self._count(executed=1)
                return await function(*args, **kwargs)
            if flight is None:
                self._count(executed=1)
                flight = flights[key] = _TaskFlight()
                context = contextvars.copy_context()
                context.run(CURRENT.set, None)
                context.run(_INSIDE.set, (*_INSIDE.get(), flight))
                work = flight.work(flights, key, function, *args, **kwargs)
                flight.task = loop.create_task(work, context=context)
            else:
                self._count(shared=1)
            return await flight.join(flights, key)  # type: ignore[no-any-return]

        return collapsed

    def _count(self, *, executed: int = 0, shared: int = 0) -> None:
        with self._lock:
            self._executed += executed
            self._shared += shared

    def _key_of(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hashable:
        target, own = target_of(function, args)
        key = (target, self._key(*own, **kwargs))
        try:
            hash(key)
        except TypeError as error:
            raise InvalidValue("Expected a key that can be hashed", got=key[1], where="key") from error
        return key


class _Outcome:
    """What an execution gave, for each of its callers."""

    __slots__ = ("_error", "_result", "_traceback")

    def __init__(self) -> None:
        self._error: Exception | None = None
        self._traceback: TracebackType | None = None
        self._result: Any = None

    def returned(self, result: Any) -> None:
        self._result = result

    def raised(self, error: Exception) -> None:
        self._error, self._traceback = error, error.__traceback__

    def outcome(self) -> Any:
        if self._error is not None:
            # Each caller's frames would be added to those of the callers before.
            raise self._error.with_traceback(self._traceback)
        return self._result


class _Flight(_Outcome):
    """One execution in a thread."""

    __slots__ = ("abandoned", "ended")

    def __init__(self) -> None:
        super().__init__()
        self.ended = Event()
        self.abandoned = True
        """Ended without anything that is another caller's, too."""

    def returned(self, result: Any) -> None:
        super().returned(result)
        self.abandoned = False

    def raised(self, error: Exception) -> None:
        super().raised(error)
        self.abandoned = isinstance(error, DeadlineExceeded)


class _TaskFlight(_Outcome):
    """One execution in a task, and how many wait for it."""

    __slots__ = ("_waiters", "task")

    task: Task[None]

    def __init__(self) -> None:
        super().__init__()
        self._waiters = 0

    async def work(
        self,
        flights: dict[Hashable, _TaskFlight],
        key: Hashable,
        function: Callable[P, Awaitable[Any]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        try:
            self.returned(await function(*args, **kwargs))
        except Exception as error:
            self.raised(error)
        finally:
            self._leave(flights, key)

    async def join(self, flights: dict[Hashable, _TaskFlight], key: Hashable) -> Any:
        self._waiters += 1
        try:
            await asyncio.wait([self.task])
        except asyncio.CancelledError:
            self._waiters -= 1
            if not self._waiters and not self.task.done():
                self._leave(flights, key)  # whoever comes now begins anew
                await end([self.task])
            raise
        self.task.result()  # raises if it was cancelled by somebody else
        return self.outcome()

    def _leave(self, flights: dict[Hashable, _TaskFlight], key: Hashable) -> None:
        if flights.get(key) is self:
            del flights[key]


_INSIDE: contextvars.ContextVar[tuple[_Outcome, ...]] = contextvars.ContextVar(
    "perfloop.resilience.flights", default=()
)
_collapses: weakref.WeakSet[Collapse] = weakref.WeakSet()


def _after_fork() -> None:
    for each in list(_collapses):
        each._flights = {}  # by threads that this process does not have


if hasattr(os, "register_at_fork"):  # not on Windows, which has no forks
    os.register_at_fork(after_in_child=_after_fork)
