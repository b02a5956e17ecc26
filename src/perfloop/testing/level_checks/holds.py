"""While somebody is about to change what values are loaded from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...caching import LeaseState
from .scene import LONG, SHORT, Scene, expect, value

if TYPE_CHECKING:
    from ...caching.effects import Program

__all__ = ["CHECKS"]

GRANTED, HELD = LeaseState.GRANTED, LeaseState.HELD


def a_hold_deletes_and_removes_tags(scene: Scene) -> Program[None]:
    entries = {"key": value(), "tagged": value(b"value", "a", "tag"), "other": value(b"value", "a")}
    yield from scene.level.write(entries)
    yield from scene.level.hold(["key"], ["tag"], "holder", LONG)
    expect("read", (yield from scene.data("key", "tagged", "other")), [None, None, b"value"])


def a_held_key_is_not_leased(scene: Scene) -> Program[None]:
    yield from scene.level.hold(["key", "key"], [], "holder", LONG)
    expect("lease", (yield from scene.ask("key", "one")), HELD)
    expect("lease even if fresh", (yield from scene.ask("key", "one", even_if_fresh=True)), HELD)
    expect("fill", (yield from scene.fill("key", "one", value())), False)
    expect("read", (yield from scene.data("key")), [None])
    expect("another key", (yield from scene.ask("other", "one")), GRANTED)


def a_held_tag_is_not_filled_in(scene: Scene) -> Program[None]:
    yield from scene.level.hold([], ["tag"], "holder", LONG)
    yield from scene.asked("key", "one")
    yield from scene.asked("other", "one")
    expect("fill", (yield from scene.fill("key", "one", value(b"value", "a", "tag"))), False)
    expect("fill with another tag", (yield from scene.fill("other", "one", value(b"value", "a"))), True)
    expect("read", (yield from scene.data("key", "other")), [None, b"value"])


def what_was_loaded_while_a_tag_was_held_is_not_filled_in_later(scene: Scene) -> Program[None]:
    yield from scene.level.hold([], ["tag"], "holder", 2 * SHORT)
    yield from scene.asked("key", "one")
    yield from scene.passes(4 * SHORT)
    expect("fill", (yield from scene.fill("key", "one", value(b"old", "tag"))), False)
    expect("read", (yield from scene.data("key")), [None])


def what_is_held_is_not_written(scene: Scene) -> Program[None]:
    yield from scene.level.hold(["key"], ["tag"], "holder", LONG)
    yield from scene.level.write({"tagged": value(b"old"), "other": value(b"other", "a")})
    yield from scene.level.write({"key": value(b"new"), "tagged": value(b"new", "tag")})
    expect("read", (yield from scene.data("key", "tagged", "other")), [None, None, b"other"])


def a_release_ends_the_hold(scene: Scene) -> Program[None]:
    yield from scene.level.hold(["key"], ["tag"], "holder", LONG)
    yield from scene.level.release(["key"], ["tag"], "holder")
    yield from scene.asked("key", "one")
    expect("fill", (yield from scene.fill("key", "one", value(b"new", "tag"))), True)
    expect("read", (yield from scene.data("key")), [b"new"])


def what_was_loaded_before_the_release_is_not_filled_in(scene: Scene) -> Program[None]:
    yield from scene.asked("key", "one")
    yield from scene.asked("tagged", "one")
    yield from scene.level.hold(["key"], ["tag"], "holder", LONG)
    yield from scene.asked("late", "one")
    yield from scene.level.release(["key"], ["tag"], "holder")
    entries = {"key": value(), "tagged": value(b"value", "tag"), "late": value(b"value", "tag")}
    expect("fill", (yield from scene.level.fill(entries, "one")), [False, False, False])
    expect("read", (yield from scene.data(*entries)), [None, None, None])


def a_release_deletes_once_more(scene: Scene) -> Program[None]:
    yield from scene.level.hold(["key"], ["tag"], "holder", SHORT)
    yield from scene.passes(2 * SHORT)
    yield from scene.level.write({"key": value(), "tagged": value(b"value", "tag")})
    yield from scene.level.release(["key"], ["tag"], "holder")
    expect("read", (yield from scene.data("key", "tagged")), [None, None])


def holds_of_two_overlap(scene: Scene) -> Program[None]:
    level = scene.level
    yield from level.hold(["key"], ["tag"], "one", LONG)
    yield from level.hold(["key"], ["tag"], "two", LONG)
    yield from level.release(["key"], ["tag"], "one")
    expect("one has released", (yield from scene.ask("key", "reader")), HELD)
    yield from scene.asked("tagged", "reader")
    expect("its tag", (yield from scene.fill("tagged", "reader", value(b"", "tag"))), False)
    yield from level.release(["key"], ["tag"], "nobody")
    expect("somebody else has released", (yield from scene.ask("key", "reader")), HELD)
    yield from level.release(["key"], ["tag"], "two")
    expect("both have released", (yield from scene.ask("key", "reader")), GRANTED)
    yield from scene.asked("tagged", "reader")
    expect("their tag", (yield from scene.fill("tagged", "reader", value(b"", "tag"))), True)


def a_hold_ends_by_itself(scene: Scene) -> Program[None]:
    yield from scene.level.hold(["key"], ["tag"], "dead", SHORT)
    yield from scene.passes(2 * SHORT)
    yield from scene.asked("key", "one")
    expect("fill", (yield from scene.fill("key", "one", value(b"value", "tag"))), True)
    expect("read", (yield from scene.data("key")), [b"value"])


def a_long_hold_outlasts_a_short_one(scene: Scene) -> Program[None]:
    yield from scene.level.hold(["key"], ["tag"], "one", LONG)
    yield from scene.level.hold(["key"], ["tag"], "two", SHORT)
    yield from scene.passes(2 * SHORT)
    expect("lease", (yield from scene.ask("key", "reader")), HELD)
    yield from scene.asked("tagged", "reader")
    expect("fill", (yield from scene.fill("tagged", "reader", value(b"", "tag"))), False)


def a_hold_may_be_made_longer(scene: Scene) -> Program[None]:
    yield from scene.level.hold(["key"], [], "one", SHORT)
    yield from scene.level.hold(["key"], [], "one", LONG)
    yield from scene.passes(2 * SHORT)
    expect("lease", (yield from scene.ask("key", "reader")), HELD)


def clear_leaves_holds(scene: Scene) -> Program[None]:
    yield from scene.level.hold(["key"], ["tag"], "holder", LONG)
    yield from scene.level.clear()
    expect("lease", (yield from scene.ask("key", "one")), HELD)
    yield from scene.asked("tagged", "one")
    expect("fill", (yield from scene.fill("tagged", "one", value(b"", "tag"))), False)


def changes_leave_holds(scene: Scene) -> Program[None]:
    yield from scene.level.hold(["key"], ["tag"], "holder", LONG)
    yield from scene.level.write({"key": value()})
    yield from scene.level.expire(["key"])
    yield from scene.level.delete(["key"])
    yield from scene.level.remove_tags(["tag"])
    yield from scene.level.abandon(["key"], "holder")
    expect("lease", (yield from scene.ask("key", "one")), HELD)
    yield from scene.asked("tagged", "one")
    expect("fill", (yield from scene.fill("tagged", "one", value(b"", "tag"))), False)


CHECKS = (
    a_hold_deletes_and_removes_tags,
    a_held_key_is_not_leased,
    a_held_tag_is_not_filled_in,
    what_was_loaded_while_a_tag_was_held_is_not_filled_in_later,
    what_is_held_is_not_written,
    a_release_ends_the_hold,
    what_was_loaded_before_the_release_is_not_filled_in,
    a_release_deletes_once_more,
    holds_of_two_overlap,
    a_hold_ends_by_itself,
    a_long_hold_outlasts_a_short_one,
    a_hold_may_be_made_longer,
    clear_leaves_holds,
    changes_leave_holds,
)
