"""Which Python types become more, and which containers grow: two counts of the heap, and their difference.

Counting walks every object that the garbage collector tracks, and asks each what it refers to: about 0.15 µs an object,
in pieces during which other threads get their turn. No code of the program runs: lengths are read from the built-in
types themselves, and nothing is compared, hashed or printed.
"""

from __future__ import annotations

import gc
from collections import Counter, deque
from itertools import islice
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = [
    "Census",
    "GrowingContainer",
    "TypeGrowth",
    "growing_containers",
    "growing_types",
    "newest",
    "take_census",
    "type_name",
]

_LENGTHS: tuple[tuple[type, Callable[[Any], int]], ...] = (
    (dict, dict.__len__),
    (list, list.__len__),
    (set, set.__len__),
    (deque, deque.__len__),
)
# Shorter containers are too many to note, and no leak worth finding.
_LEAST_LENGTH = 32
# What an investigation itself creates is less.
_LEAST_GROWTH = 32
_PIECE = 2_000


class Census(Struct, frozen=True):
    """The heap at one moment: numbers only, it keeps no object alive."""

    types: dict[str, int]
    """Objects tracked by the collector, by type."""
    lengths: dict[int, tuple[int, type]]
    """Length and type of each longer container, by identity."""


class TypeGrowth(Struct, frozen=True, kw_only=True):
    """A type whose instances became more."""

    name: str
    """With its module: `shop.cart.Line`."""
    count: int
    """How many there are."""
    grew: int
    """How many more than before."""


class GrowingContainer(Struct, frozen=True, kw_only=True):
    """A container that became longer. Holds the container itself: let go of it soon."""

    container: Any
    length: int
    grew: int


def take_census() -> Census:
    """Count the heap now."""
    types, containers = _walk()
    return Census(types=types, lengths={id(each): (length, type(each)) for each, length in containers})


def growing_types(before: Census, after: Census, *, limit: int = 5) -> list[TypeGrowth]:
    """The types that grew most, in instances; a handful more, or few beside the first, says nothing and is left out.

    Args:
        before: the earlier count.
        after: the later one.
        limit: so many at most.
    """
    grown = Counter({name: count - before.types.get(name, 0) for name, count in after.types.items()})
    first = grown.most_common(limit)
    least = max(_LEAST_GROWTH, 0.1 * first[0][1]) if first else 0
    return [TypeGrowth(name=name, count=after.types[name], grew=grew) for name, grew in first if grew >= least]


def growing_containers(before: Census, *, limit: int = 5) -> tuple[Census, list[GrowingContainer]]:
    """Count the heap again; gives the later count, and the containers that grew most since, the longest gain first.

    One that was too short to be noted before, or did not exist, counts from the shortest length that is.
    """
    types, containers = _walk()
    grown: list[GrowingContainer] = []
    lengths: dict[int, tuple[int, type]] = {}
    for each, length in containers:
        lengths[id(each)] = (length, type(each))
        earlier, kind = before.lengths.get(id(each), (_LEAST_LENGTH, type(each)))
        grew = length - (earlier if kind is type(each) else _LEAST_LENGTH)
        if grew > 0 and each is not before.types and each is not before.lengths:
            grown.append(GrowingContainer(container=each, length=length, grew=grew))
    grown.sort(key=lambda each: -each.grew)
    return Census(types=types, lengths=lengths), grown[:limit]


def newest(container: Any, limit: int = 64) -> list[Any]:
    """Some elements of a container, those added last where it keeps an order; keys and values of a dictionary.

    Empty where other threads change it all the time.
    """
    for _ in range(3):
        try:
            if issubclass(type(container), dict):
                pairs = list(islice(reversed(dict.items(container)), limit))
                return [each for pair in pairs for each in pair]
            if issubclass(type(container), list):
                return list(list.__getitem__(container, slice(-limit, None)))
            if issubclass(type(container), deque):
                return list(islice(deque.__reversed__(container), limit))
            return list(islice(set.__iter__(container), limit))
        except RuntimeError:  # it changed while it was read
            continue
    return []


def _walk() -> tuple[dict[str, int], list[tuple[Any, int]]]:
    """How many objects of each type there are, and the longer containers with their lengths."""
    objects = gc.get_objects()
    types = Counter(map(type, objects))
    readers = {kind: reader for kind in types if (reader := _length_reader(kind)) is not None}
    found = [each for each in objects if type(each) in readers]
    found += _untracked_dictionaries(objects)
    readers.setdefault(dict, dict.__len__)
    containers = [(each, length) for each in found if (length := readers[type(each)](each)) >= _LEAST_LENGTH]
    own = {id(objects), id(found), id(containers), id(types), id(readers)}
    names: Counter[str] = Counter()
    for kind, count in types.items():
        names[type_name(kind)] += count
    return dict(names), [pair for pair in containers if id(pair[0]) not in own]


def _length_reader(kind: type) -> Callable[[Any], int] | None:
    return next((length for base, length in _LENGTHS if issubclass(kind, base)), None)


def _untracked_dictionaries(objects: Sequence[Any]) -> list[Any]:
    """Dictionaries of nothing but texts and numbers, which the collector need not track, found through their owners."""
    found: dict[int, Any] = {}
    for piece in _pieces(objects):
        for each in gc.get_referents(*piece):
            if type(each) is dict and not gc.is_tracked(each):
                found[id(each)] = each
    return list(found.values())


def _pieces(objects: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(objects), _PIECE):
        yield objects[start : start + _PIECE]


def type_name(kind: type) -> str:
    """The type with its module, `shop.cart.Line`; asks type itself, a metaclass may answer otherwise."""
    qualified = str(type.__dict__["__qualname__"].__get__(kind))
    try:
        module = type.__dict__["__module__"].__get__(kind)
    except AttributeError:
        module = "builtins"
    return qualified if module == "builtins" or not isinstance(module, str) else f"{module}.{qualified}"
