"""What may happen in a world, drawn at random: who reads, changes and dies on which node, and whose step is next."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from perfloop.caching.effects import Call, Load
from perfloop.caching.flights import Wait
from perfloop.caching.options import EntryOptions

from .situations import SITUATIONS, crash, pass_time
from .world import CHANGES, OPTIONS, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .situations import Event
    from .world import Node

__all__ = ["Verdict", "enumerate_schedules", "run_schedule"]

_MOST_STEPS = 400
_AGE = 2e6
_POLICIES = (
    OPTIONS,
    OPTIONS,
    EntryOptions(ttl=1e6, jitter=0, tags=("tag",), stale_while_revalidate=1e6, refresh_early=1),
    EntryOptions(ttl=1e6, jitter=0, tags=("tag",), stale_on_error=1e7, soft_timeout=1, hard_timeout=2),
)


@dataclass(frozen=True)
class Verdict:
    """How a schedule ended."""

    trace: int
    """Tells it from all others."""
    lost: list[str]
    story: list[str]
    """What happened, step by step."""


def run_schedule(seed: int, in_situations: float = 0.15) -> Verdict:
    """One schedule, and what it lost.

    Args:
        in_situations: the share of schedules that begin in one of the situations.
    """
    draw = random.Random(seed)
    plan: list[Event]
    if draw.random() < in_situations:
        which, policy, mishaps = draw.randrange(len(SITUATIONS)), 0, 0.0
        levels, prepare = SITUATIONS[which]
        world = World(nodes=3, levels=levels)
        world.trace.append(f"situation {which}")
        plan = prepare(world)
        draw.shuffle(plan)
    else:
        policy = draw.randrange(len(_POLICIES))
        world = World(nodes=3, levels=draw.choice((0, 1, 2, 2)), options=_POLICIES[policy])
        plan, mishaps = _plan(draw, world)
    for _ in range(_MOST_STEPS):
        steps: list[Any] = [step for step in world.steps() if step[0] != "late" or draw.random() < 0.3]
        choices = len(steps) + bool(plan)
        if not choices:
            break
        choice = draw.randrange(choices)
        if choice < len(steps):
            world.take(_mishap(draw, world, steps[choice]) if draw.random() < mishaps else steps[choice])
        else:
            name, event = plan.pop()
            world.trace.append(name)
            event()
        if world.deserted and draw.random() < 0.5:
            world.cancel_deserted()
    world.settle()
    return _judge(world, f"{len(world.levels)} {policy}")


def enumerate_schedules(levels: int, begin: Callable[[World], None]) -> Iterator[Verdict]:
    """All interleavings of what begins in a world of two nodes, depth first."""
    to_try = [list[int]()]
    while to_try:
        choices = to_try.pop()
        world = World(nodes=2, levels=levels)
        taken: list[int] = []
        begin(world)
        while steps := world.steps():
            choice = choices[len(taken)] if len(taken) < len(choices) else 0
            if len(taken) >= len(choices):
                to_try += [[*taken, other] for other in range(1, len(steps))]
            taken.append(choice)
            world.take(steps[choice])
        world.settle()
        yield _judge(world, f"all {levels}")


def _judge(world: World, name: str) -> Verdict:
    digest = hashlib.blake2b("\n".join([name, *world.trace]).encode(), digest_size=8).digest()
    return Verdict(int.from_bytes(digest), world.stale_reads + world.out_of_date(), world.trace)


def _mishap(draw: random.Random, world: World, step: tuple[str, Any]) -> tuple[str, Any]:
    """What may happen in a step's place: a message is lost, a loader fails, a task is cancelled, somebody waits too
    long, a level does not answer until its asker has given up, time passes."""
    kind, what = step
    if kind == "arrive":
        return "lose", what
    if kind != "go":
        return step
    mishaps: list[str] = ["time"]
    if isinstance(what.effect, Load) and what.loading:
        mishaps += ["fail", "fail"]
    if isinstance(what.effect, Wait) and what.effect.timeout is not None:
        mishaps += ["time out"]
    if isinstance(what.effect, Call) and not (world.will_crash and what.changes):
        mishaps += ["cancel", "do and cancel"]
        if world.is_asked(what.effect):
            mishaps += ["give up", "give up"]
    mishap = draw.choice(mishaps)
    if mishap == "time":
        world.trace.append("time passes")
        world.time.seconds += draw.choice((5.0, 20.0, 31.0))
        return step
    return mishap, what


def _plan(draw: random.Random, world: World) -> tuple[list[Event], float]:
    """Readers, at least one change, and now and then a death or an outage; and how often a step goes wrong."""
    plan: list[Event] = []

    def add(name: str, event: Callable[..., None], *arguments: Any, **named: Any) -> None:
        plan.append((name, partial(event, *arguments, **named)))

    nodes = world.nodes[: draw.choice((1, 2, 2, 3, 3))]
    kinds, keys_changed = draw.choice(((KINDS, "aab"), (KINDS, "aab"), (HELD, "a")))
    for _ in range(draw.randint(2, 5)):
        node, keys = draw.choice(nodes), draw.choice((["a"], ["a"], ["b"], ["a", "b"], ["b", "a"]))
        reads = draw.choice((world.read, world.read, world.read, world.peek, None))
        if reads is None:
            add("", world.refresh, node, keys[0])
        else:
            add("", reads, node, keys)
    changes = {draw.choice("aab"): (draw.choice(nodes), "put")} if draw.random() < 0.1 else {}
    drawn = [(key, draw.choice(nodes), draw.choice(kinds)) for key in draw.choices(keys_changed, k=draw.randint(1, 3))]
    # Who puts values in has to be the only writer: another could overtake him before the cache hears of it.
    drawn = [each for each in drawn if each[0] not in changes] + [(key, *how) for key, how in changes.items()]
    for key, node, kind in drawn:
        if kind in HELD:
            add("", world.write, node, key, ("tag",) if kind == "write tags" else ())
        elif kind == "put":
            add("", world.put, node, key)
        else:
            add("", world.change, node, key, kind)
    # Who does not say beforehand that he is about to change something must live to say so afterwards.
    mortal = [each for each in world.nodes if all(kind in HELD for _, node, kind in drawn if node is each)]
    happens = draw.random()
    if mortal and happens < 0.3:
        dead = draw.choice(mortal)
        plan.append(crash(world, dead))
    elif world.levels and happens < 0.6:
        level, done = draw.choice(world.levels), draw.random() < 0.3
        cut: list[Node] = world.nodes if draw.random() < 0.5 else [draw.choice(world.nodes)]
        for node in cut:
            add(f"cut {node.number} {level.name} {done}", world.cut_off, node, level, done=done)
        add("mend", world.mend)
    elif happens < 0.7:
        plan.append(pass_time(world, _AGE))
    draw.shuffle(plan)
    return plan, draw.choice((0.0, 0.05, 0.15))


HELD = ("write", "write tags")
KINDS = (*CHANGES, *HELD, "write")
