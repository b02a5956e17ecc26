"""Who may fill in, and what voids that."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from ...caching import LeaseState
from .scene import LONG, SHORT, Scene, expect, value

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...caching.effects import Program

__all__ = ["CHECKS"]

GRANTED, FRESH, BUSY = LeaseState.GRANTED, LeaseState.FRESH, LeaseState.BUSY


def a_lease_lets_fill_in_once(scene: Scene) -> Program[None]:
    yield from scene.asked("key", "one")
    expect("fill", (yield from scene.fill("key", "one", value(b"1", "tag"))), True)
    expect("read", (yield from scene.data("key")), [b"1"])
    expect("fill again", (yield from scene.fill("key", "one", value(b"2"))), False)
    expect("read again", (yield from scene.data("key")), [b"1"])


def nothing_is_filled_in_without_a_lease(scene: Scene) -> Program[None]:
    expect("no lease", (yield from scene.fill("key", "one", value())), False)
    yield from scene.asked("key", "one")
    expect("another's lease", (yield from scene.fill("key", "two", value())), False)
    expect("another key's lease", (yield from scene.fill("other", "one", value())), False)
    expect("read", (yield from scene.data("key", "other")), [None, None])
    expect("the lease is still there", (yield from scene.fill("key", "one", value())), True)


def only_one_has_the_lease(scene: Scene) -> Program[None]:
    yield from scene.asked("key", "one")
    expect("another", (yield from scene.ask("key", "two")), BUSY)
    expect("another, even if fresh", (yield from scene.ask("key", "two", even_if_fresh=True)), BUSY)
    expect("the same again", (yield from scene.ask("key", "one")), GRANTED)
    expect("another key", (yield from scene.ask("other", "two")), GRANTED)
    expect("fill", (yield from scene.fill("key", "one", value())), True)


def a_lease_given_back_is_free(scene: Scene) -> Program[None]:
    yield from scene.asked("key", "one")
    yield from scene.level.abandon(["key", "none"], "two")
    expect("given back by another", (yield from scene.ask("key", "two")), BUSY)
    yield from scene.level.abandon(["key", "key"], "one")
    expect("fill after it", (yield from scene.fill("key", "one", value())), False)
    expect("another", (yield from scene.ask("key", "two")), GRANTED)


def a_fresh_value_needs_no_lease(scene: Scene) -> Program[None]:
    yield from scene.level.write({"key": value(b"old")})
    lease = yield from scene.lease("key", "one")
    expect("state", (lease.state, lease.stored and lease.stored.data), (FRESH, b"old"))
    expect("fill", (yield from scene.fill("key", "one", value(b"new"))), False)
    expect("read", (yield from scene.data("key")), [b"old"])


def a_fresh_value_is_replaced_when_asked(scene: Scene) -> Program[None]:
    yield from scene.level.write({"key": value(b"old")})
    yield from scene.asked("key", "one", even_if_fresh=True)
    expect("meanwhile", (yield from scene.data("key")), [b"old"])
    expect("others meanwhile", (yield from scene.ask("key", "two")), FRESH)
    expect("fill", (yield from scene.fill("key", "one", value(b"new"))), True)
    expect("read", (yield from scene.data("key")), [b"new"])


def a_stale_value_comes_with_the_lease(scene: Scene) -> Program[None]:
    yield from scene.level.write({"key": value(b"old", "tag", fresh=-1.0)})
    for token, state in (("one", GRANTED), ("two", BUSY)):
        lease = yield from scene.lease("key", token)
        expect(state.value, (lease.state, lease.stored and lease.stored.data), (state, b"old"))
        expect("tags", lease.stored and lease.stored.tags, ("tag",))
    expect("fill", (yield from scene.fill("key", "one", value(b"new"))), True)


def a_change_voids_the_lease(scene: Scene) -> Program[None]:
    level = scene.level
    changes: dict[str, Callable[[str], Program[None]]] = {
        "write": lambda key: level.write({key: value(b"written")}),
        "delete": lambda key: level.delete(["other", key]),
        "expire": lambda key: level.expire(["other", key]),
        "clear": lambda _: level.clear(),
        "hold": lambda key: level.hold([key], [], "holder", LONG),
        "release": lambda key: level.release([key], [], "holder"),
    }
    for there in (None, value(b"stale", fresh=-1.0), value(b"fresh")):
        for name, change in changes.items():
            key = f"{name}, {there.data.decode() if there else 'nothing'} there"
            if there is not None:
                yield from level.write({key: there})
            yield from scene.asked(key, "one", even_if_fresh=True)
            yield from change(key)
            kept = {"write": b"written", "expire": there and there.data}.get(name)
            expect(f"fill after {key}", (yield from scene.fill(key, "one", value(b"filled"))), False)
            expect(f"read after {key}", (yield from scene.data(key)), [kept])


def a_write_carried_out_late_brings_nothing_back(scene: Scene) -> Program[None]:
    level = scene.level
    for late in itertools.count():
        key = f"request {late}"
        yield from level.write({key: value(b"older", "tag")})
        writing = level.write({key: value(b"old", "tag")})
        try:
            request = next(writing)
            for _ in range(late):
                request = writing.send((yield request))
        except StopIteration:
            return
        yield from level.delete([key])
        yield request
        expect(f"read after request {late} of a write came after a delete", (yield from scene.data(key)), [None])


def after_a_change_others_may_have_the_lease(scene: Scene) -> Program[None]:
    level = scene.level
    changes: dict[str, Callable[[], Program[None]]] = {
        "delete": lambda: level.delete(["key"]),
        "expire": lambda: level.expire(["key"]),
        "clear": level.clear,
    }
    for name, change in changes.items():
        yield from scene.asked("key", "one")
        yield from change()
        expect(f"another after {name}", (yield from scene.ask("key", "two")), GRANTED)
        expect("the former's fill", (yield from scene.fill("key", "one", value(b"old"))), False)
        expect("its own fill", (yield from scene.fill("key", "two", value(b"new"))), True)
        expect("read", (yield from scene.data("key")), [b"new"])
        yield from level.delete(["key"])


def a_void_lease_may_be_asked_for_anew(scene: Scene) -> Program[None]:
    yield from scene.asked("key", "one")
    yield from scene.level.delete(["key"])
    yield from scene.asked("key", "one")
    expect("fill", (yield from scene.fill("key", "one", value())), True)


def a_lease_ends_by_itself(scene: Scene) -> Program[None]:
    yield from scene.asked("key", "one", seconds=SHORT)
    yield from scene.asked("other", "one", seconds=SHORT)
    yield from scene.passes(2 * SHORT)
    expect("fill when it has ended", (yield from scene.fill("other", "one", value())), False)
    expect("another", (yield from scene.ask("key", "two")), GRANTED)
    expect("the former's fill", (yield from scene.fill("key", "one", value(b"old"))), False)
    expect("its own fill", (yield from scene.fill("key", "two", value(b"new"))), True)


def a_lease_asked_for_again_lasts_longer(scene: Scene) -> Program[None]:
    yield from scene.asked("key", "one", seconds=SHORT)
    yield from scene.asked("key", "one", seconds=LONG)
    yield from scene.passes(2 * SHORT)
    expect("another", (yield from scene.ask("key", "two")), BUSY)
    expect("fill", (yield from scene.fill("key", "one", value())), True)


def leases_of_a_batch_are_each_its_own(scene: Scene) -> Program[None]:
    level = scene.level
    yield from level.write({"fresh": value(b"fresh")})
    yield from scene.asked("busy", "other")
    yield from level.hold(["held"], [], "holder", LONG)
    keys = ["fresh", "free", "busy", "held", "free", "gone"]
    states = [lease.state for lease in (yield from level.lease(keys, "one", LONG))]
    expect("states", states, [FRESH, GRANTED, BUSY, LeaseState.HELD, GRANTED, GRANTED])
    yield from level.delete(["gone"])
    entries = {key: value(b"filled") for key in ("gone", "free", "busy", "held", "fresh")}
    expect("fill", (yield from level.fill(entries, "one")), [False, True, False, False, False])
    found = yield from scene.data("fresh", "free", "busy", "held", "gone")
    expect("read", found, [b"fresh", b"filled", None, None, None])


CHECKS = (
    a_lease_lets_fill_in_once,
    nothing_is_filled_in_without_a_lease,
    only_one_has_the_lease,
    a_lease_given_back_is_free,
    a_fresh_value_needs_no_lease,
    a_fresh_value_is_replaced_when_asked,
    a_stale_value_comes_with_the_lease,
    a_change_voids_the_lease,
    a_write_carried_out_late_brings_nothing_back,
    after_a_change_others_may_have_the_lease,
    a_void_lease_may_be_asked_for_anew,
    a_lease_ends_by_itself,
    a_lease_asked_for_again_lasts_longer,
    leases_of_a_batch_are_each_its_own,
)
