from __future__ import annotations

import functools
import gc
from collections import deque
from typing import TYPE_CHECKING, Any

import pytest

from perfloop.monitoring.memory import retaining_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module", autouse=True)
def own_heap() -> None:
    """Paths lead through modules, which must not be out of the collector's sight."""
    gc.unfreeze()


class Store:
    def __init__(self, bound: int | None = None) -> None:
        self.entries: dict[str, Any] = {}
        if bound is not None:
            self.maxsize = bound


class Slotted:
    __slots__ = ("empty", "rows")

    def __init__(self) -> None:
        self.rows = [[1], [2]]


class Registry:
    known: list[Any] = [[], []]  # noqa: RUF012  # what leaks do


class Application:
    """Its capacity bounds something else."""

    def __init__(self) -> None:
        self.capacity = 5
        self.part = Slotted()
        self.part.rows = [Store()]  # type: ignore[list-item]


STORE, BOUNDED, SLOTTED, APPLICATION = Store(), Store(bound=100), Slotted(), Application()
NESTED = {"customer-4217": {"password": [[1]]}}
LATEST: deque[Any] = deque(maxlen=50)


def collecting() -> Callable[[Any], None]:
    kept: list[Any] = [[]]

    def keep(each: Any) -> None:
        kept.append(each)

    return keep


KEEP = collecting()


@functools.lru_cache(maxsize=128)
def looked_up(key: int) -> list[int]:
    return [key]


def walking() -> Iterator[list[Any]]:
    rows = [[1], [2], [3]]
    yield rows
    yield rows


WALK = walking()


@pytest.mark.parametrize(
    ("held", "path", "bound"),
    [
        (lambda: STORE.entries, "STORE.entries", None),
        (lambda: BOUNDED.entries, "BOUNDED.entries", 100),
        (lambda: SLOTTED.rows, "SLOTTED.rows", None),
        (lambda: Registry.known, "Registry.known", None),
        (lambda: NESTED["customer-4217"]["password"], "NESTED[…][…]", None),
        (lambda: LATEST, "LATEST", 50),
        (lambda: KEEP.__closure__[0].cell_contents, "KEEP (closure of collecting.<locals>.keep)", None),  # type: ignore[attr-defined]
        (lambda: looked_up(3), "looked_up (lru_cache)[…]", 128),
        (lambda: next(WALK), "WALK (local of walking)", None),
        (lambda: APPLICATION.part.rows[0].entries, "APPLICATION.part.rows[…].entries", None),  # type: ignore[attr-defined]
    ],
    ids=["attribute", "bounded", "slot", "class", "data", "deque", "closure", "lru_cache", "generator", "far bound"],
)
def test_the_path_from_the_module(held: Callable[[], Any], path: str, bound: int | None) -> None:
    found = retaining_path(held())
    assert found.text == f"{__name__}.{path}"
    assert (found.complete, found.bound) == (True, bound)


def test_keys_of_data_are_never_shown() -> None:
    """They may be names of customers, or tokens."""
    text = retaining_path(NESTED["customer-4217"]["password"]).text
    assert "4217" not in text
    assert "password" not in text


def test_a_local_variable_is_not_found_and_that_is_said() -> None:
    local: list[Any] = [[1]]
    found = retaining_path(local)
    assert (found.text, found.complete) == ("<list>", False)
    assert local


def test_a_reference_of_the_callers_does_not_count() -> None:
    held: list[Any] = [[1]]
    mine = [held]
    found = retaining_path(held, [mine])
    assert not found.complete


def test_a_cycle_that_nobody_holds_ends() -> None:
    first: list[Any] = []
    second: list[Any] = [first]
    first.append(second)
    assert not retaining_path(first).complete


class Hostile:
    """Raises whatever it is asked."""

    def __init__(self) -> None:
        object.__setattr__(self, "rows", [[1]])

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError("code of the program ran")

    def __eq__(self, other: object) -> bool:
        raise AssertionError("code of the program ran")

    def __hash__(self) -> int:
        raise AssertionError("code of the program ran")


HOSTILE = Hostile()


def test_no_code_of_the_program_runs() -> None:
    rows = object.__getattribute__(HOSTILE, "__dict__")["rows"]
    assert retaining_path(rows).text == f"{__name__}.HOSTILE.rows"
