"""The 32 requests, carried out and looked at."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import linecache
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import django_shop
from .healthy import HEALTHY
from .planted import PLANTED
from .world import World, make_world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from perfloop.records.nplusone import NPlusOne

__all__ = ["is_planted", "judge", "look_at", "prepared_world"]


@contextlib.contextmanager
def prepared_world() -> Iterator[World]:
    """The databases, Django's settings too."""
    with tempfile.TemporaryDirectory() as directory, make_world(Path(directory)) as world:
        django_shop.configure(Path(directory) / "shop.sqlite3")
        yield world


def look_at(case: Callable[[World], Any], world: World) -> list[NPlusOne]:
    """Carry a request out and give the N+1 found in it."""
    world.captured = None
    if inspect.iscoroutinefunction(case):
        asyncio.run(case(world))
    else:
        case(world)
    assert world.captured is not None
    assert world.captured.statements, case.__name__
    return world.captured.n_plus_one()


def is_planted(found: NPlusOne) -> bool:
    """It is issued where one was planted."""
    if found.place is None:
        return False
    if not found.place.file.endswith(".py"):
        return found.place.line == 3
    line = linecache.getline(str(Path(found.place.file).resolve()), found.place.line)
    return line.rstrip().endswith("# N+1")


def judge(world: World) -> dict[str, Any]:
    """Figures of all requests, with the names of those judged wrongly."""
    missed, misplaced, wrong_loader, false = [], [], [], []
    for planted in PLANTED:
        found = look_at(planted.run, world)
        right = [each for each in found if is_planted(each)]
        if not found:
            missed.append(planted.name)
        elif len(right) < len(found):
            misplaced.append(planted.name)
        if right and right[0].loader != planted.loader:
            wrong_loader.append(f"{planted.name}: {right[0].loader}")
    false = [name for name, case in HEALTHY.items() if look_at(case, world)]
    return {"missed": missed, "misplaced": misplaced, "wrong_loader": wrong_loader, "false": false}
