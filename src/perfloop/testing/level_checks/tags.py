"""What goes together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...caching import Lease, LeaseState
from .scene import Scene, expect, value

if TYPE_CHECKING:
    from ...caching.effects import Program

__all__ = ["CHECKS"]


def a_tag_removes_all_that_has_it(scene: Scene) -> Program[None]:
    entries = {"a": value(b"", "x"), "b": value(b"", "y", "x"), "c": value(b"", "y"), "d": value(b"")}
    yield from scene.level.write(entries)
    yield from scene.level.remove_tags(["none"])
    expect("a tag nobody has", (yield from scene.data(*entries)), [b"", b"", b"", b""])
    yield from scene.level.remove_tags(["x", "none", "x"])
    expect("read", (yield from scene.data(*entries)), [None, None, b"", b""])
    yield from scene.level.remove_tags(["y"])
    expect("read later", (yield from scene.data(*entries)), [None, None, None, b""])


def what_is_removed_is_not_given_with_a_lease(scene: Scene) -> Program[None]:
    yield from scene.level.write({"fresh": value(b"", "x"), "stale": value(b"", "x", fresh=-1.0)})
    yield from scene.level.remove_tags(["x"])
    leases = yield from scene.level.lease(["fresh", "stale"], "one", 60.0)
    expect("leases", leases, [Lease(LeaseState.GRANTED, None)] * 2)


def what_is_removed_does_not_come_back(scene: Scene) -> Program[None]:
    yield from scene.level.write({"key": value(b"old", "x")})
    yield from scene.level.remove_tags(["x"])
    yield from scene.level.expire(["key"])
    expect("expired", (yield from scene.data("key")), [None])
    yield from scene.asked("key", "one")
    yield from scene.level.abandon(["key"], "one")
    expect("leased", (yield from scene.data("key")), [None])


def what_comes_after_the_removal_stays(scene: Scene) -> Program[None]:
    yield from scene.level.remove_tags(["x"])
    yield from scene.level.write({"written": value(b"", "x")})
    yield from scene.asked("filled", "one")
    expect("fill", (yield from scene.fill("filled", "one", value(b"", "x"))), True)
    yield from scene.level.remove_tags(["y"])
    expect("read", (yield from scene.data("written", "filled")), [b"", b""])


def a_removal_voids_the_leases_of_what_turns_out_to_have_the_tag(scene: Scene) -> Program[None]:
    for key in ("one of its tags", "its tag", "another tag", "no tag"):
        yield from scene.asked(key, "one")
    yield from scene.level.remove_tags(["x"])
    entries = {
        "one of its tags": value(b"", "y", "x"),
        "its tag": value(b"", "x"),
        "another tag": value(b"", "y"),
        "no tag": value(b""),
    }
    expect("fill", (yield from scene.level.fill(entries, "one")), [False, False, True, True])
    expect("read", (yield from scene.data(*entries)), [None, None, b"", b""])


def asking_again_does_not_outlive_the_removal(scene: Scene) -> Program[None]:
    yield from scene.asked("key", "one")
    yield from scene.level.remove_tags(["x"])
    yield from scene.asked("key", "one")
    expect("fill", (yield from scene.fill("key", "one", value(b"", "x"))), False)
    yield from scene.asked("key", "two")
    expect("fill under a new lease", (yield from scene.fill("key", "two", value(b"", "x"))), True)


def what_was_looked_up_before_is_removed_by_the_other_tags_too(scene: Scene) -> Program[None]:
    yield from scene.asked("key", "one")
    yield from scene.level.remove_tags(["x"])
    expect("fill", (yield from scene.fill("key", "one", value(b"", "y"))), True)
    yield from scene.level.remove_tags(["y"])
    expect("read", (yield from scene.data("key")), [None])


def many_tags(scene: Scene) -> Program[None]:
    tags = [f"tag {number}" for number in range(500)]
    yield from scene.level.write(
        {"many": value(b"", *tags), "last": value(b"", tags[-1]), "first": value(b"", tags[0])}
    )
    expect("tags", len((yield from scene.one("many")).tags), 500)
    yield from scene.level.remove_tags(tags[1:])
    expect("read", (yield from scene.data("many", "last", "first")), [None, None, b""])


CHECKS = (
    a_tag_removes_all_that_has_it,
    what_is_removed_is_not_given_with_a_lease,
    what_is_removed_does_not_come_back,
    what_comes_after_the_removal_stays,
    a_removal_voids_the_leases_of_what_turns_out_to_have_the_tag,
    asking_again_does_not_outlive_the_removal,
    what_was_looked_up_before_is_removed_by_the_other_tags_too,
    many_tags,
)
