"""`@cached`: a function whose results are kept, and forgotten by the arguments they were made of."""

from __future__ import annotations

import functools
import inspect
import typing
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

import msgspec

from ..exceptions import ConfigurationError, InvalidValue
from .call_keys import Template, key_template, read_template
from .multilevel import MultiLevelCache
from .options import EntryOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence

__all__ = ["AsyncCached", "Cached", "cached"]

P = ParamSpec("P")
Q = ParamSpec("Q")
V = TypeVar("V")


class _Decorated(Generic[P, V]):
    """What both kinds of decorated functions have in common."""

    def __init__(
        self,
        function: Callable[P, Any],
        cache: MultiLevelCache[str, V],
        options: EntryOptions,
        key: Template,
        tags: Sequence[Template],
    ) -> None:
        self.cache = cache
        """Where the results are."""
        self._function = function
        self._options = options
        self._key = key
        self._tags = tags
        self._find, self._given = cache._find, cache._given
        self._shareable, self._now = cache._shareable, cache._now
        functools.update_wrapper(self, function)  # type: ignore[arg-type]

    def key(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """The key of a call."""
        return self._key(args, kwargs)

    def _options_of(self, args: Any, kwargs: Any) -> EntryOptions:
        if not self._tags:
            return self._options
        return msgspec.structs.replace(self._options, tags=tuple(tag(args, kwargs) for tag in self._tags))

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Of a method: bound to its object, which is an argument like any other."""
        call: Any = self
        return self if instance is None else _Bound(call, instance)


class _Bound(functools.partial[Any]):
    """The decorated method of an object."""

    @property
    def cache(self) -> MultiLevelCache[str, Any]:
        """Where the results are."""
        cache: MultiLevelCache[str, Any] = self.func.cache  # type: ignore[attr-defined]
        return cache

    def key(self, *args: Any, **kwargs: Any) -> str:
        """The key of a call."""
        key: str = self.func.key(*self.args, *args, **kwargs)  # type: ignore[attr-defined]
        return key

    def invalidate(self, *args: Any, **kwargs: Any) -> Any:
        """Forget the result for these arguments of this object."""
        return self.func.invalidate(*self.args, *args, **kwargs)  # type: ignore[attr-defined]


class Cached(_Decorated[P, V]):
    """A function whose results are kept."""

    if TYPE_CHECKING:  # of an object, it lacks the first argument

        @overload
        def __get__(self, instance: None, owner: type | None = None) -> Cached[P, V]: ...
        @overload
        def __get__(
            self: Cached[Concatenate[Any, Q], V], instance: object, owner: type | None = None
        ) -> Cached[Q, V]: ...
        def __get__(self, instance: object, owner: type | None = None) -> Any: ...

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> V:
        key = self._key(args, kwargs)
        entry = self._find(key)
        if entry is not None and entry.deadline > self._now():  # as in hits.py, a call less
            entry.hits += 1
            value: V = entry.value if self._shareable else self._given(entry)
            return value
        load = functools.partial(self._function, *args, **kwargs)
        return self.cache.get_or_load(key, load, self._options_of(args, kwargs))

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Forget the result for these arguments, in all processes."""
        self.cache.delete(self._key(args, kwargs))


class AsyncCached(_Decorated[P, V]):
    """A coroutine function whose results are kept."""

    if TYPE_CHECKING:  # of an object, it lacks the first argument

        @overload
        def __get__(self, instance: None, owner: type | None = None) -> AsyncCached[P, V]: ...
        @overload
        def __get__(
            self: AsyncCached[Concatenate[Any, Q], V], instance: object, owner: type | None = None
        ) -> AsyncCached[Q, V]: ...
        def __get__(self, instance: object, owner: type | None = None) -> Any: ...

    # Frameworks ask whether this is a coroutine function.
    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> V:
        key = self._key(args, kwargs)
        entry = self._find(key)
        if entry is not None and entry.deadline > self._now():  # as in hits.py, a call less
            entry.hits += 1
            value: V = entry.value if self._shareable else self._given(entry)
            return value
        load = functools.partial(self._function, *args, **kwargs)
        return await self.cache.aget_or_load(key, load, self._options_of(args, kwargs))

    async def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Forget the result for these arguments, in all processes."""
        await self.cache.adelete(self._key(args, kwargs))


class _Decorator:
    """What `cached(…)` returns: one for functions, one for coroutine functions."""

    def __init__(self, make: Callable[[Callable[..., Any]], Any]) -> None:
        self._make = make

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, V]]) -> AsyncCached[P, V]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, function: Callable[P, V]) -> Cached[P, V]: ...
    def __call__(self, function: Callable[..., Any]) -> Any:
        return self._make(function)


def cached(
    ttl: float = 60.0,
    key: str | None = None,
    tags: Sequence[str] | Callable[[Any], Iterable[str]] = (),
    namespace: str | None = None,
    *,
    options: EntryOptions | None = None,
    cache: MultiLevelCache[str, Any] | None = None,
    **how: Any,
) -> _Decorator:
    """Keep a function's results.

    Args:
        ttl: seconds for which a result is fresh.
        key: a template of the key, `user:{user_id}`, with the names of arguments. All arguments by default: one that is
            left out must not matter to the result.
        tags: templates of tags, by which results can be removed together: `company:{company_id}`; or a
            function of the result that gives them.
        namespace: in front of the key; the function's module and name by default, or nothing if a `key` is given.
        options: all policies; `ttl` is not used then.
        cache: where to keep the results; by default a cache of its own, made with `how`.
        how: what `MultiLevelCache` takes: `levels`, `max_entries`, `backplane` …

    Raises:
        ConfigurationError: a template that names no argument, what is no function, or one that does not declare what it
            returns; tags that are one text.
    """
    policies = options or EntryOptions(ttl=ttl)
    if isinstance(tags, str):
        raise InvalidValue("Expected tags in a list", got=tags, hint=f"write  tags=[{tags!r}]")
    if callable(tags):
        policies, tags = msgspec.structs.replace(policies, tags=tags), ()
    templates = tags

    def make(function: Callable[..., Any]) -> Cached[..., Any] | AsyncCached[..., Any]:
        if not callable(function):
            raise ConfigurationError(
                f"Expected a function to decorate, got a {type(function).__name__}",
                hint="write  @cached(ttl=60)  with its parentheses, below @classmethod and @property",
            )
        signature = inspect.signature(function)
        name = f"{function.__module__}.{function.__qualname__}"
        prefix = namespace if namespace is not None else "" if key is not None else name
        template = key_template(signature, prefix) if key is None else read_template(key, signature, prefix)
        arguments = ",".join(f"{{{each}}}" for each in signature.parameters) if key is None else key
        written = ":".join(filter(None, (prefix, arguments)))
        kept = cache if cache is not None else MultiLevelCache(_result(function), name=name, **how)
        kept.describe_keys(written)
        kind = AsyncCached if inspect.iscoroutinefunction(function) else Cached
        return kind(function, kept, policies, template, [read_template(tag, signature) for tag in templates])

    return _Decorator(make)


def _result(function: Callable[..., Any]) -> Any:
    """The type of what the function returns."""
    try:
        kind = typing.get_type_hints(function).get("return", typing.Any)
    except NameError as error:
        raise ConfigurationError(
            f"Expected a return type of {function.__qualname__} that can be looked up: {error}",
            hint="import the type outside TYPE_CHECKING, or pass a cache of your own: cache=MultiLevelCache(…)",
        ) from error
    if kind is typing.Any:
        raise ConfigurationError(
            f"Expected {function.__qualname__} to declare what it returns: values are copied and encoded by their type",
            hint="write  -> User  behind its arguments, or pass a cache of your own: cache=MultiLevelCache(…)",
        )
    return kind
