from __future__ import annotations

from collections import OrderedDict, deque
from typing import Any

import pytest

from perfloop.monitoring.memory.growth import growing_containers, growing_types, newest, take_census, type_name


class Line:
    def __init__(self, number: int) -> None:
        self.number = number


class Owner:
    def __init__(self) -> None:
        self.texts: dict[str, str] = {}


class Subclass(dict[Any, Any]):
    def __len__(self) -> int:
        raise AssertionError("code of the program ran")


class Lying:
    """Says that it is a dictionary."""

    __class__ = dict  # type: ignore[assignment]


KEPT: list[Any] = []


@pytest.mark.parametrize("kind", [list, deque, set, dict, OrderedDict, Subclass])
def test_the_container_that_grows_is_found(kind: type[Any]) -> None:
    container = kind()
    KEPT[:] = [container, Lying()]
    before = take_census()
    for number in range(2_000):
        if hasattr(container, "append"):
            container.append(number)
        elif isinstance(container, set):
            container.add(number)
        else:
            dict.__setitem__(container, number, (number,))
    _, grown = growing_containers(before)
    assert grown[0].container is container
    assert (grown[0].length, grown[0].grew) == (2_000, 1_968)


def test_a_dictionary_of_texts_is_found_though_the_collector_does_not_track_it() -> None:
    owner = Owner()
    before = take_census()
    owner.texts.update((str(number), "text") for number in range(3_000))
    _, grown = growing_containers(before)
    assert any(each.container is owner.texts and each.grew == 2_968 for each in grown)


def test_types_that_grow_are_named_with_their_module() -> None:
    before = take_census()
    kept = [Line(number) for number in range(500)]
    types = growing_types(before, take_census())
    assert any(each.name == f"{__name__}.Line" and each.grew == len(kept) for each in types)
    assert all(each.grew >= 32 for each in types)


def test_nothing_grows_between_two_counts() -> None:
    before = take_census()
    assert all(each.name != f"{__name__}.Line" for each in growing_types(before, take_census()))


def test_a_census_keeps_nothing_alive() -> None:
    import weakref

    line = Line(1)
    gone = weakref.ref(line)
    census = take_census()
    del line
    assert gone() is None
    assert census.types


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ([1, 2, 3], [2, 3]),
        (deque([1, 2, 3]), [3, 2]),
        ({"a": 1, "b": 2, "c": 3}, ["c", 3, "b", 2]),
        (OrderedDict(a=1, b=2, c=3), ["c", 3, "b", 2]),
        ({5}, [5]),
        ([], []),
    ],
)
def test_the_newest_elements(container: Any, expected: list[Any]) -> None:
    assert newest(container, 2) == expected


class Meta(type):
    __qualname__ = "hidden"  # type: ignore[assignment]


class WithMeta(metaclass=Meta):
    pass


@pytest.mark.parametrize(
    ("kind", "name"), [(dict, "dict"), (OrderedDict, "collections.OrderedDict"), (WithMeta, f"{__name__}.WithMeta")]
)
def test_a_type_has_its_module_in_its_name(kind: type, name: str) -> None:
    assert type_name(kind) == name
