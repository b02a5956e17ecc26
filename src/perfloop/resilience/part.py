"""What every part of a policy has: a name, ways to be called, counts, gauges and events."""

from __future__ import annotations

import functools
import inspect
import logging
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from types import CoroutineType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, ParamSpec, TypeVar, overload

from ..clock import MONOTONIC
from ..exceptions import AsyncMisuse, InvalidValue
from ..telemetry import DEFAULT_REGISTRY
from .instruments import publish
from .parts import register

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from ..clock import Clock
    from ..telemetry import Registry

__all__ = ["Description", "Part", "PartEvent", "Target", "maker", "refuse_coroutine", "refuse_plain", "target_of"]

P = ParamSpec("P")
R = TypeVar("R")
_LOG = logging.getLogger("perfloop.resilience")
_HERE = str(Path(__file__).parent)


@dataclass(frozen=True, slots=True)
class PartEvent:
    """Something that happened to a part: a state transition, a rejection, a retry."""

    at: float
    """Seconds of the part's clock."""
    kind: str
    name: str
    event: str
    """In resilience4j's terms: `state_transition`, `not_permitted`, `error`, `success`, `reset`, …"""
    attributes: Mapping[str, str | float | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Description:
    """What a part is and how it is set."""

    kind: str
    name: str
    settings: Mapping[str, Any]

    def __str__(self) -> str:
        settings = ", ".join(f"{key}={value}" for key, value in self.settings.items())
        return f"{self.kind} {self.name!r}: {settings}"


class Part(ABC):
    """One pattern round a call. Used alone, as a decorator or by `execute` and `aexecute`, or in a Policy."""

    kind: ClassVar[str]
    """In snake_case; part of metric names."""
    results: ClassVar[tuple[str, ...]] = ()
    """Keys of `counts`."""
    gauge_names: ClassVar[tuple[str, ...]] = ()
    """Keys of `gauges`; `gauge_meanings` describes them."""
    states: ClassVar[tuple[str, ...]] = ()
    """Where `state` is among the gauges: what its numbers stand for."""
    sees_arguments: bool = False
    """Whether it looks at what calls are given: a key, which method. It has to tell them apart by `target_of`."""

    def __init__(self, name: str = "", *, clock: Clock = MONOTONIC, registry: Registry = DEFAULT_REGISTRY) -> None:
        """A part.

        Args:
            name: what metrics and events call it, the kind unless given; parts of one name are counted together.
            clock: seconds that never go backwards.
            registry: where its instruments are.

        Raises:
            InvalidValue: a name that is no text.
        """
        if not isinstance(name, str):
            raise InvalidValue("Expected a name", got=name, where="name")
        self.name = name or self.kind
        self.made_at = maker()
        """File and line that made it, as `shop.py:12`."""
        self._now = clock.now
        self._registry = registry
        self._listeners: tuple[Callable[[PartEvent], object], ...] = ()
        self._events = registry.event("perfloop.resilience.events", "What happened to parts of policies.")
        register(self)
        publish(self, registry)

    @functools.cached_property
    def _execute(self) -> Callable[..., Any]:
        return self.wrap(_call)

    @functools.cached_property
    def _aexecute(self) -> Callable[..., Coroutine[Any, Any, Any]]:
        return self.awrap(_acall)

    @abstractmethod
    def wrap(self, function: Callable[P, R], /) -> Callable[P, R]:
        """The function with this part round it, for threads. Called once; what it returns is called often."""

    @abstractmethod
    def awrap(self, function: Callable[P, Awaitable[R]], /) -> Callable[P, Coroutine[Any, Any, R]]:
        """As `wrap`, for an event loop."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    @abstractmethod
    def describe(self) -> Description:
        """Kind, name and settings; no state."""

    def counts(self) -> Mapping[str, int]:
        """How often calls ended in which way since the part was made; each only rises."""
        return {}

    def gauges(self) -> Mapping[str, float]:
        """Numbers of now that a dashboard shows: state, permits free, calls waiting."""
        return {}

    def execute(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function in this thread.

        Raises:
            CallRejected: the part did not let the call begin.
            AsyncMisuse: the function returned a coroutine: it belongs in `aexecute`.
        """
        if self.sees_arguments:
            function = Target(function)
        result: R = self._execute(function, *args, **kwargs)
        return result

    async def aexecute(self, function: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call and await the function.

        Raises:
            CallRejected: the part did not let the call begin.
            AsyncMisuse: the function returned nothing to await: it belongs in `execute`.
        """
        if self.sees_arguments:
            function = Target(function)
        result: R = await self._aexecute(function, *args, **kwargs)
        return result

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Callable[P, Coroutine[Any, Any, R]]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]: ...
    def __call__(self, function: Callable[..., Any], /) -> Callable[..., Any]:
        """The part as a decorator, of plain and of coroutine functions.

        Raises:
            AsyncMisuse: a generator function: its body runs long after the call of it has returned.
            InvalidValue: no function.
        """
        if not callable(function) or isinstance(function, staticmethod):
            raise InvalidValue(
                "Expected a function", got=function, hint="put @classmethod or @staticmethod above the part, not below"
            )
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise AsyncMisuse(
                "Expected a function or a coroutine function, not a generator function",
                got=getattr(function, "__qualname__", function),
                hint="put the part round the calls inside it",
            )
        wrapped: Callable[..., Any] = self.awrap(function) if _is_async(function) else self.wrap(function)
        return functools.update_wrapper(wrapped, function)

    def on_event(self, listener: Callable[[PartEvent], object], /) -> Callable[[], None]:
        """Call `listener` with each event, in the thread or task it happens in; what it raises is logged.

        Returns:
            a function that ends it.

        Raises:
            InvalidValue: no function.
        """
        if not callable(listener):
            raise InvalidValue("Expected a function of an event", got=listener, where="listener")
        self._listeners = (*self._listeners, listener)

        def end() -> None:
            self._listeners = tuple(each for each in self._listeners if each is not listener)

        return end

    def _emit(self, event: str, **attributes: str | float | bool) -> None:
        """Something rare happened: keep it, and tell listeners. Never with a lock held."""
        self._events.record(kind=self.kind, name=self.name, event=event, **attributes)
        if self._listeners:
            self._tell(event, **attributes)

    def _tell(self, event: str, **attributes: str | float | bool) -> None:
        """Tell listeners only: for what happens at every call. Ask `_listeners` first."""
        told = PartEvent(self._now(), self.kind, self.name, event, attributes)
        for listener in self._listeners:
            try:
                listener(told)
            except Exception:
                _LOG.exception("a listener of %s %r raised on %r", self.kind, self.name, event)


class Target(Generic[P, R]):
    """The function given to `execute`, which is the first argument of what the parts are round."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[P, R]) -> None:
        self.function = function

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return repr(self.function)


def target_of(wrapped: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The function that is called in the end and its own arguments, where a part is round `wrapped`.

    In a Policy that decorates, the function is not known: what the part is round stands for it.
    """
    if args and type(args[0]) is Target:
        return args[0].function, args[1:]
    return wrapped, args


def maker() -> str:
    """File and line of the nearest caller outside this package."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def refuse_coroutine(coroutine: Any) -> NoReturn:
    """A function called in a thread gave a coroutine: nobody would await it, and it would count as a success.

    Raises:
        AsyncMisuse: always.
    """
    coroutine.close()
    raise AsyncMisuse(
        "Expected a function that returns its result, not a coroutine",
        got=coroutine.__qualname__,
        hint="use aexecute, or decorate the coroutine function itself",
    )


def refuse_plain(function: Callable[..., Any]) -> NoReturn:
    """A function called in an event loop gave nothing to await.

    Raises:
        AsyncMisuse: always.
    """
    raise AsyncMisuse(
        "Expected a function that returns something to await",
        got=getattr(function, "__qualname__", function),
        hint="use execute for plain functions",
    )


def _call(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    result = function(*args, **kwargs)
    if type(result) is CoroutineType:
        refuse_coroutine(result)
    return result


async def _acall(function: Callable[..., Awaitable[Any]], /, *args: Any, **kwargs: Any) -> Any:
    awaitable = function(*args, **kwargs)
    if not hasattr(awaitable, "__await__"):
        refuse_plain(function)
    return await awaitable


def _is_async(function: Callable[..., Any]) -> bool:
    # A partial of a coroutine function is one; so is an object whose __call__ is.
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004
