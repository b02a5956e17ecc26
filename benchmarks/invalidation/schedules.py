"""What may happen in a world, drawn at random: who reads, changes and dies on which node, and whose step is next."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from perfloop.caching.levels import MemoryLevel
from perfloop.caching.levels.protocol import Lease, LeaseState, Stored
from perfloop.caching.local import Entry, Fence, LocalLevel

from .world import Node, World

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfloop.caching.core import Core
    from perfloop.caching.effects import Program

__all__ = ["NAIVE", "OURS", "Cache", "Verdict", "run_schedule"]

_MOST_STEPS = 400


@dataclass(frozen=True)
class Cache:
    """Which cache is put to the test."""

    level: type[MemoryLevel] = MemoryLevel
    local: type[LocalLevel] = LocalLevel


@dataclass(frozen=True)
class Verdict:
    """How a schedule ended."""

    steps: tuple[int, ...]
    """Its choices: two schedules of one seed's world are the same if these are."""
    lost: list[str]


class _NoLeases(MemoryLevel):
    """As most caches are: whoever has loaded puts it in."""

    def _lease(self, key: str, token: str, seconds: float, even_if_fresh: bool) -> Lease:
        lease = super()._lease(key, token, seconds, even_if_fresh)
        return lease if lease.state is LeaseState.FRESH else Lease(LeaseState.GRANTED, lease.stored)

    def _fill(self, key: str, stored: Stored, token: str) -> bool:
        self._put(key, stored, self._changes)
        return True


class _NoFences(LocalLevel):
    """Keeps whatever was looked up, whatever happened meanwhile."""

    def keep(self, fence: Fence, entry: Entry) -> bool:
        self.store.put(fence.key, entry)
        return True


OURS = Cache()
NAIVE = Cache(_NoLeases, _NoFences)


def run_schedule(seed: int, cache: Cache = OURS) -> Verdict:
    """One schedule, and what it lost."""
    draw = random.Random(seed)
    world = World(nodes=3, levels=draw.choice((0, 1, 2, 2)), level=cache.level, local=cache.local)
    to_come = _plan(draw, world)
    taken = []
    for _ in range(_MOST_STEPS):
        steps: list[Any] = world.steps()
        choices = len(steps) + bool(to_come)
        if not choices:
            break
        choice = draw.randrange(choices)
        taken.append(choice)
        if choice < len(steps):
            step = steps[choice]
            if step[0] == "arrive" and draw.random() < 0.15:
                step = ("lose", step[1])
            world.take(step)
        else:
            to_come.pop()()
    world.settle()
    return Verdict(tuple(taken), world.stale_reads + world.out_of_date())


def _plan(draw: random.Random, world: World) -> list[Callable[[], None]]:
    """Readers, at least one change, and now and then a death or an outage."""
    plan: list[Callable[[], None]] = []
    for _ in range(draw.randint(2, 5)):
        reads = draw.choice((world.read, world.read, world.read, world.peek, world.refresh))
        plan.append(partial(reads, draw.choice(world.nodes), draw.choice("aab")))
    changes = {draw.choice("aab"): (draw.choice(world.nodes), "put")} if draw.random() < 0.1 else {}
    drawn = [(key, draw.choice(world.nodes), draw.choice(CHANGES)) for key in draw.choices("aab", k=draw.randint(1, 3))]
    # Who puts values in has to be the only writer: another could overtake him before the cache hears of it.
    drawn = [each for each in drawn if each[0] not in changes] + [(key, *how) for key, how in changes.items()]
    plan += [partial(_change, world, node, key, kind) for key, node, kind in drawn]
    # Who does not say beforehand that he is about to change something must live to say so afterwards.
    mortal = [each for each in world.nodes if all(kind in HELD for _, node, kind in drawn if node is each)]
    if mortal and draw.random() < 0.3:
        plan.append(partial(world.take, ("crash", draw.choice(mortal))))
    elif world.levels and draw.random() < 0.3:
        level = draw.choice(world.levels)
        plan += [partial(world.take, ("down", level)), partial(world.take, ("up", level))]
    draw.shuffle(plan)
    return plan


HELD = ("write", "write tags")
CHANGES = ("delete", "tags", "clear", *HELD, "write")


def _change(world: World, node: Node, key: str, kind: str) -> None:
    if kind in HELD:
        world.write(node, key, ("tag",) if kind == "write tags" else ())
    elif kind == "put":
        world.put(node, key)
    else:
        requests: dict[str, Callable[[Core], Program[None]]] = {
            "delete": lambda core: core.delete([key]),
            "tags": lambda core: core.remove_tags(["tag"]),
            "clear": lambda core: core.clear(),
        }
        world.change(node, key, requests[kind])
