"""Who holds an object: one path from a module's name down to it, and whether a bounded cache is on it.

Each step asks the collector who refers to the objects of the last one, which walks the heap once: 10 to 50 ms for a
million objects, during which no other thread runs. So the path has a bound. Names of modules, classes, attributes and
variables are shown; keys and contents of the program's data never are.
"""

from __future__ import annotations

import gc
import re
import sys
from itertools import islice
from types import (
    AsyncGeneratorType,
    CellType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    MethodType,
    ModuleType,
)
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from .growth import type_name

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["RetainingPath", "retaining_path"]

_DEPTH = 8
# Referrers looked at in a step: a popular object has thousands, and one path is enough.
_BREADTH = 64
_SCANNED = 10_000
_SUSPENDED = (AsyncGeneratorType, CoroutineType, GeneratorType)
_BOUND = re.compile(r"(?:^|_)(?:max_?size|max_?len|max_?length|max_?entries|max_?items|capacity)$")


class RetainingPath(Struct, frozen=True, kw_only=True):
    """Why an object is still there."""

    text: str
    """From a module down: `shop.cache._STORE.entries[…]`; from as far up as was found where no module was reached."""
    complete: bool
    """It begins at a module. Otherwise a local variable or native code holds what it begins with."""
    bound: int | None
    """The most entries its container takes, where a cache on the path tells so; None otherwise."""


def retaining_path(held: Any, ignored: Sequence[Any] = ()) -> RetainingPath:
    """One shortest path from a module to an object.

    Args:
        held: the object; a container that the collector does not track is found as well.
        ignored: objects whose references do not count, such as lists of the caller's.
    """
    modules = {id(ModuleType.__getattribute__(each, "__dict__")): name for name, each in _modules()}
    own = {id(held), id(modules), *map(id, ignored)}
    parents: dict[int, tuple[Any, Any]] = {}
    """By identity: an object on the way, and the one below it."""
    step: list[Any] = [held]
    own.add(id(step))
    top: Any = held
    for _ in range(_DEPTH):
        if id(top) in modules:
            break
        above = _referrers(step, own)
        if not above:
            break
        step = _fresh(above, step, own, parents)
        if not step:
            break
        own.update(map(id, step))
        own.add(id(step))
        top = min(step, key=lambda each: (id(each) not in modules, _rank(each)))
    return _described(top, parents, modules)


def _modules() -> list[tuple[str, ModuleType]]:
    # __main__ is also there under its name; types other than modules stand in sys.modules as well.
    return [(name, each) for name, each in list(sys.modules.items()) if type(each) is ModuleType]


def _referrers(step: list[Any], own: set[int]) -> list[Any]:
    found = gc.get_referrers(*step)
    own.add(id(found))
    here = sys._getframe()
    while here is not None:
        own.add(id(here))
        here = here.f_back  # type: ignore[assignment]
    return [each for each in found if id(each) not in own]


def _fresh(above: list[Any], step: list[Any], own: set[int], parents: dict[int, tuple[Any, Any]]) -> list[Any]:
    """The best of those above, each noted with what it holds."""
    below = {id(each): each for each in step}
    own.update((id(above), id(below), id(parents)))
    chosen = sorted(above, key=_rank)[:_BREADTH]
    for each in chosen:
        for target in gc.get_referents(each):
            if id(target) in below:
                parents[id(each)] = (each, below[id(target)])
                break
    own.update(id(pair) for pair in parents.values())
    return [each for each in chosen if id(each) in parents]


def _rank(each: Any) -> int:
    """What explains most comes first: namespaces, then objects, then frames and other machinery."""
    if type(each) is dict:
        return 0
    if _is_a(each, (FrameType, CellType, FunctionType, MethodType, *_SUSPENDED)):
        return 2
    return 1


def _is_a(each: Any, kinds: tuple[type, ...]) -> bool:
    """As isinstance, without asking the object what it says it is."""
    return issubclass(type(each), kinds)


def _described(top: Any, parents: dict[int, tuple[Any, Any]], modules: dict[int, str]) -> RetainingPath:
    complete = id(top) in modules
    text = modules[id(top)] if complete else f"<{type_name(type(top))}>"
    chain = [top]
    while (pair := parents.get(id(chain[-1]))) is not None:
        text += _edge(*pair, namespace=len(chain) == 1 and complete)
        chain.append(pair[1])
    # The container itself, its owner's namespace and its owner: what stands further up bounds something else.
    bounds = [_bound(each) for each in chain[-3:]]
    return RetainingPath(
        text=text, complete=complete, bound=next((each for each in reversed(bounds) if each is not None), None)
    )


def _edge(holder: Any, held: Any, *, namespace: bool) -> str:
    """How the holder refers to it: `.name` where it is a name, `[…]` where it is data."""
    if type(holder) is dict:
        name = _key(holder, held)
        return f".{name}" if name is not None and (namespace or _is_namespace(holder)) else "[…]"
    if type(held) is CellType or _is_a(holder, (CellType, MethodType)):
        return ""
    if _is_a(holder, _SUSPENDED):
        return f" (local of {holder.__qualname__})"
    if _is_a(holder, (FunctionType,)):
        return f" (closure of {holder.__qualname__})"
    if _is_a(holder, (dict, list, tuple, set, frozenset)):
        return "[…]"
    kind = type_name(type(holder))
    if kind == "functools._lru_cache_wrapper":
        return " (lru_cache)[…]"
    if _is_a(holder, (type,)):
        return "" if type(held) is dict else f".{_key(type.__dict__['__dict__'].__get__(holder), held) or '…'}"
    attribute = _attribute(holder, held)
    return "" if attribute is None else f".{attribute}"


def _attribute(holder: Any, held: Any) -> str | None:
    """The attribute of an instance; None for its own namespace, whose key follows."""
    try:
        names = object.__getattribute__(holder, "__dict__")
    except (AttributeError, TypeError):
        names = None
    if names is held:
        return None
    if type(names) is dict and (name := _key(names, held)) is not None:
        return name
    for base in type.__dict__["__mro__"].__get__(type(holder)):
        for name, slot in list(type.__dict__["__dict__"].__get__(base).items()):
            if type(slot).__name__ == "member_descriptor":
                try:
                    if slot.__get__(holder) is held:
                        return str(name)
                except AttributeError:  # not set
                    continue
    return "…"


def _key(names: Any, held: Any) -> str | None:
    try:
        return next((key for key, value in islice(names.items(), _SCANNED) if value is held and type(key) is str), None)
    except RuntimeError:  # another thread changed it meanwhile
        return None


def _is_namespace(names: dict[Any, Any]) -> bool:
    """Whether a dictionary is the attributes of some object or class, whose keys are names and no data."""
    return any(
        _is_a(each, (type,)) or (not _is_a(each, (dict, list, tuple)) and _namespace_of(each) is names)
        for each in gc.get_referrers(names)
    )


def _namespace_of(each: Any) -> Any:
    try:
        return object.__getattribute__(each, "__dict__")
    except (AttributeError, TypeError):
        return None


def _bound(holder: Any) -> int | None:
    """The most entries a cache takes, as functools, deque and the usual attribute names tell it."""
    if type_name(type(holder)) == "functools._lru_cache_wrapper":
        return _whole(holder.cache_parameters().get("maxsize"))
    if type_name(type(holder)) == "collections.deque":
        return _whole(holder.maxlen)
    names = holder if type(holder) is dict else _namespace_of(holder)
    if type(names) is not dict:
        return None
    try:
        pairs = list(islice(names.items(), 100))
    except RuntimeError:
        return None
    return next(
        (_whole(value) for key, value in pairs if type(key) is str and _BOUND.search(key) and _whole(value)), None
    )


def _whole(value: Any) -> int | None:
    return value if type(value) is int and value > 0 else None
