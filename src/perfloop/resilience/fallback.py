"""Answers for a call that failed: with a value, another function, or what a cache still has."""

from __future__ import annotations

from threading import RLock
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Protocol, TypeVar

from ..clock import MONOTONIC
from ..exceptions import AsyncMisuse, CallRejected, InvalidValue
from ..telemetry import DEFAULT_REGISTRY
from ..telemetry.forks import renew_lock_in_forks
from .outcome import error_test, holds
from .part import Description, Part, refuse_coroutine, target_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from ..clock import Clock
    from ..telemetry import Registry
    from .outcome import ErrorTest

__all__ = ["AWAY", "Fallback", "StaleCache"]

P = ParamSpec("P")
R = TypeVar("R")
AWAY: Final = (CallRejected, TimeoutError, ConnectionError)
"""Errors that say that a service is not there just now; CallTimedOut is a TimeoutError."""
_NOTHING: Final = object()


class StaleCache(Protocol):
    """A cache that keeps answers after they are no longer fresh, as `MultiLevelCache` does.

    In event loops its `aget_stale` is awaited, if it has one.
    """

    def get_stale(self, key: Any, /) -> Any:
        """The answer, fresh or not, or None."""


class _Lookup(Protocol):
    """Answers that do not become stale: a dict. In event loops its `aget` is awaited, if it has one."""

    def get(self, key: Any, /) -> Any:
        """The answer, or None."""


class Fallback(Part):
    """Answers for calls that fail with the errors it names; others pass, and so do cancellations and interrupts.

    If the fallback fails, too, its own error is raised, with the call's as `__context__`.
    """

    kind = "fallback"
    results = ("successful", "fallback", "failed")

    def __init__(
        self,
        *,
        value: Any = _NOTHING,
        function: Callable[..., Any] | None = None,
        cache: StaleCache | _Lookup | None = None,
        key: Callable[..., Any] | None = None,
        errors: ErrorTest = AWAY,
        name: str = "",
        clock: Clock = MONOTONIC,
        registry: Registry = DEFAULT_REGISTRY,
    ) -> None:
        """A fallback to exactly one of `value`, `function` and `cache`.

        Args:
            value: the answer, the same object each time.
            function: is called with the error and then what the call was given; in event loops what it returns is
                awaited, if that can be.
            cache: has the answer under `key`; if it has None, the call's error is raised. One with a method
                `get_stale` is asked by it, any other by `get`.
            key: of the cache, from what the call was given.
            errors: which errors are answered for.

        Raises:
            InvalidValue: none or several of the three, a cache without a key.
        """
        if (value is not _NOTHING) + (function is not None) + (cache is not None) != 1:
            raise InvalidValue("Expected exactly one of value, function and cache", where="fallback")
        if (cache is None) != (key is None):
            raise InvalidValue("Expected a cache and a key, a function of what the call is given", where="cache, key")
        for each, where in ((function, "function"), (key, "key")):
            if each is not None and not callable(each):
                raise InvalidValue("Expected a function", got=each, where=where)
        self._get = "get_stale" if hasattr(cache, "get_stale") else "get"
        if cache is not None and not callable(getattr(cache, self._get, None)):
            raise InvalidValue(
                "Expected a cache with a method get_stale or get", got=type(cache).__name__, where="cache"
            )
        self._value, self._function, self._cache, self._key = value, function, cache, key
        self.errors = error_test(errors, "errors")
        self.sees_arguments = value is _NOTHING
        self._successful = self._answered = self._failed = 0
        self._lock = RLock()
        renew_lock_in_forks(self)
        super().__init__(name, clock=clock, registry=registry)

    def describe(self) -> Description:
        what = "value" if self._value is not _NOTHING else "function" if self._function is not None else "cache"
        return Description(self.kind, self.name, {"to": what, "errors": self.errors})

    def counts(self) -> Mapping[str, int]:
        """`fallback`: answered by it. `failed`: errors it does not answer for, or cannot."""
        return {"successful": self._successful, "fallback": self._answered, "failed": self._failed}

    def wrap(self, function: Callable[P, R], /) -> Callable[P, R]:
        """The function, or the answer instead of its error."""

        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                result = function(*args, **kwargs)
                if type(result) is CoroutineType:
                    refuse_coroutine(result)
            except Exception as error:
                answered = False
                try:
                    if not self._names(error):
                        raise
                    answer: R = self._ask(error, target_of(function, args)[1], kwargs, self._get)
                    if type(answer) is CoroutineType:
                        refuse_coroutine(answer)
                    if answer is None and self._cache is not None:
                        raise
                    answered = True
                    return answer
                finally:
                    self._count(error, answered)
            self._successful += 1
            return result

        return guarded

    def awrap(self, function: Callable[P, Awaitable[R]], /) -> Callable[P, Coroutine[Any, Any, R]]:
        """As `wrap`."""
        get = f"a{self._get}" if hasattr(self._cache, f"a{self._get}") else self._get

        async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                result = await function(*args, **kwargs)
            except Exception as error:
                answered = False
                try:
                    if not self._names(error):
                        raise
                    answer = self._ask(error, target_of(function, args)[1], kwargs, get)
                    if self._value is _NOTHING and hasattr(answer, "__await__"):
                        answer = await answer
                    if answer is None and self._cache is not None:
                        raise
                    answered = True
                    return answer  # type: ignore[no-any-return]
                finally:
                    self._count(error, answered)
            self._successful += 1
            return result

        return guarded

    def _names(self, error: Exception) -> bool:
        return not isinstance(error, AsyncMisuse) and holds(self.errors, error)

    def _ask(self, error: Exception, args: tuple[Any, ...], kwargs: dict[str, Any], get: str) -> Any:
        if self._function is not None:
            return self._function(error, *args, **kwargs)
        if self._key is not None:
            return getattr(self._cache, get)(self._key(*args, **kwargs))
        return self._value

    def _count(self, error: Exception, answered: bool) -> None:
        with self._lock:
            self._answered += answered
            self._failed += not answered
        if answered:
            self._emit("fallback", error=type(error).__name__)
