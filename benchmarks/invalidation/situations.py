"""Situations that chance would seldom bring about: what has happened, and what is still to come in any order."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from perfloop.caching.effects import Sleep

from .world import is_ready

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .world import Actor, Node, World

__all__ = ["SITUATIONS", "Event", "crash", "pass_time"]

Event: TypeAlias = tuple[str, "Callable[[], None]"]


def crash(world: World, node: Node) -> Event:
    """The process is to die."""
    world.will_crash = True
    return f"crash {node.number}", partial(world.crash, node)


def _change_and_crash(world: World, writer: Actor) -> Event:
    """Somebody who holds is to make his change, and to die before he says so; until then he waits."""
    world.will_crash = True
    world.actors.remove(writer)

    def happen() -> None:
        world.actors.append(writer)
        world.take(("go", writer))
        world.crash(writer.node)

    return f"change and crash {writer.node.number}", happen


def pass_time(world: World, seconds: float) -> Event:
    """Time is to pass."""
    return f"{seconds} s pass", partial(world.pass_time, seconds)


def _read(world: World, node: Node) -> Event:
    return "", partial(world.read, node, ["a"])


def _hold(world: World, node: Node, tags: Sequence[str] = ()) -> Actor:
    """Somebody has said that he will change the key, and has not done so yet."""
    world.write(node, "a", tags)
    actor = world.actors[-1]
    while not isinstance(actor.effect, Sleep):
        world.take(("go", actor))
    return actor


def _hold_outlived(world: World) -> list[Event]:
    writer, reader, _ = world.nodes
    _hold(world, writer, ["tag"])
    return [_read(world, reader), pass_time(world, 5.0), pass_time(world, 28.0), crash(world, writer)]


def _loaded_while_held(world: World) -> list[Event]:
    writer, reader, _ = world.nodes
    _hold(world, writer, ["tag"])
    world.pass_time(5.0)
    world.read(reader, ["a"])
    while not any(actor.loading for actor in world.actors):
        world.take(("go", next(actor for actor in world.actors if actor.node is reader and is_ready(actor))))
    return [pass_time(world, 28.0), crash(world, writer)]


def _released_by_one(world: World) -> list[Event]:
    one, other, reader = world.nodes
    _hold(world, one)
    _hold(world, other)
    _finish(world, one)
    _read_now(world, reader)
    return [_read(world, reader), crash(world, other)]


def _cut_off_message(world: World) -> list[Event]:
    writer, reader, _ = world.nodes
    _read_now(world, reader)
    world.change(writer, "a", "delete")
    world.take(("cancel", world.actors[-1]))
    return [_read(world, reader)]


def _hold_outlived_unheard(world: World) -> list[Event]:
    writer, reader, _ = world.nodes
    actor = _hold(world, writer, ["tag"])
    world.take(("lose", reader))
    world.pass_time(28.0)
    name, change = _change_and_crash(world, actor)

    def happen() -> None:
        change()
        world.pass_time(28.0)

    return [_read(world, reader), (f"{name}, 28 s pass", happen)]


def _two_holds(world: World) -> list[Event]:
    one, other, reader = world.nodes
    _hold(world, one)
    _hold(world, other)
    return [_read(world, reader), _read(world, one), crash(world, other)]


def _two_holds_unheard(world: World) -> list[Event]:
    """One of the two has changed it, and a third has heard of neither."""
    one, other, reader = world.nodes
    first, second = _hold(world, one), _hold(world, other)
    while first in world.actors:
        world.take(("go", first))
    while reader.inbox:
        world.take(("lose", reader))
    world.take(("notice", reader))
    world.read(reader, ["a"])
    read = world.actors[-1]
    while read in world.actors:
        world.take(("go", read))
    return [_read(world, reader), _change_and_crash(world, second)]


def _message_lost(world: World) -> list[Event]:
    writer, reader, _ = world.nodes
    _hold(world, writer)
    world.take(("lose", reader))
    return [_read(world, reader), crash(world, writer)]


def _untold(world: World) -> list[Event]:
    """Somebody has changed the key, could not tell a level, and does nothing more."""
    writer, reader, other = world.nodes
    _read_now(world, other)
    world.cut_off(writer, world.levels[0], done=False)
    world.change(writer, "a", "delete")
    _finish(world, writer)
    return [_read(world, reader), _read(world, other)]


def _read_meanwhile(world: World) -> list[Event]:
    """Whoever did not hear that the lowest level was not told fills the one above from it."""
    writer, reader, _ = world.nodes
    _read_now(world, reader)
    world.cut_off(writer, world.levels[-1], done=False)
    world.change(writer, "a", "delete")
    _finish(world, writer)
    world.take(("lose", reader))
    world.take(("notice", reader))
    _read_now(world, reader)
    return [_read(world, reader), ("mend", world.mend)]


def _left_idle(world: World) -> list[Event]:
    return [*_untold(world), ("mend", world.mend)]


def _left_dead(world: World) -> list[Event]:
    return [*_untold(world), crash(world, world.nodes[0])]


def _read_now(world: World, node: Node) -> None:
    world.read(node, ["a"])
    _finish(world, node)


def _finish(world: World, node: Node) -> None:
    while ready := [actor for actor in world.actors if actor.node is node and is_ready(actor)]:
        world.take(("go", ready[0]))


def _late_write(world: World) -> list[Event]:
    """Somebody has put a value in, and given it up before a level carried that out."""
    writer, reader, _ = world.nodes
    world.put(writer, "a")
    world.take(("give up", world.actors[-1]))
    _finish(world, writer)
    return [_read(world, reader), ("mend", world.mend), ("", partial(world.change, writer, "a", "delete"))]


def _read_while_held(world: World) -> list[Event]:
    writer, reader, _ = world.nodes
    _hold(world, writer)
    world.take(("lose", reader))
    world.take(("notice", reader))
    _read_now(world, reader)
    return [crash(world, writer)]


def _joined_later(world: World) -> list[Event]:
    """Who begins to listen only now has not heard of the hold; the level knows of it."""
    writer, reader, _ = world.nodes
    _hold(world, writer)
    reader.inbox.clear()
    _read_now(world, reader)
    return [crash(world, writer)]


def _held_by_the_others(world: World) -> list[Event]:
    """Somebody cannot tell the level that he is about to change the key, but another process that can."""
    writer, reader, other = world.nodes
    world.cut_off(writer, world.levels[0], done=False)
    _hold(world, writer)
    world.take(("arrive", reader))
    world.take(("recover", reader))
    _finish(world, reader)
    other.inbox.clear()
    _read_now(world, other)
    return [crash(world, writer), _read(world, other)]


def _one_process(world: World) -> list[Event]:
    node = world.nodes[0]
    return [_read(world, node), _read(world, node), ("", partial(world.change, node, "a", "delete"))]


SITUATIONS: list[tuple[int, Callable[[World], list[Event]]]] = [
    (0, _hold_outlived),
    (1, _hold_outlived),
    (1, _hold_outlived_unheard),
    (1, _two_holds),
    (1, _loaded_while_held),
    (1, _released_by_one),
    (0, _cut_off_message),
    (1, _two_holds_unheard),
    (1, _message_lost),
    (0, _read_while_held),
    (1, _read_while_held),
    (1, _joined_later),
    (1, _held_by_the_others),
    (2, _read_meanwhile),
    (1, _late_write),
    (2, _late_write),
    (1, _left_idle),
    (2, _left_idle),
    (1, _left_dead),
    (2, _left_dead),
    (0, _one_process),
    (1, _one_process),
]
"""The number of shared levels, and what makes the situation and gives what is to come."""
