"""What is put in, and how long it stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...caching import Lease, LeaseState
from .scene import LONG, SHORT, Scene, expect, value

if TYPE_CHECKING:
    from ...caching.effects import Program

__all__ = ["CHECKS"]


def what_is_written_is_read(scene: Scene) -> Program[None]:
    expect("an empty level", (yield from scene.level.read(["key"])), [None])
    yield from scene.level.write({"key": value(b"value", "tag", "other tag")})
    stored = yield from scene.one("key")
    expect("data", stored.data, b"value")
    expect("tags", sorted(stored.tags), ["other tag", "tag"])


def a_batch_is_answered_key_by_key(scene: Scene) -> Program[None]:
    yield from scene.level.write({"a": value(b"1"), "b": value(b"2")})
    expect("order of keys", (yield from scene.data("b", "none", "a", "b")), [b"2", None, b"1", b"2"])
    yield from scene.level.delete(["a", "none", "a"])
    expect("a key named twice", (yield from scene.data("a", "b")), [None, b"2"])


def empty_batches_do_nothing(scene: Scene) -> Program[None]:
    level = scene.level
    yield from level.write({"key": value(b"kept", "tag")})
    yield from scene.asked("other", "one")
    expect("read nothing", (yield from level.read([])), [])
    expect("lease nothing", (yield from level.lease([], "one", LONG)), [])
    expect("fill nothing", (yield from level.fill({}, "one")), [])
    yield from level.abandon([], "one")
    yield from level.write({})
    yield from level.delete([])
    yield from level.expire([])
    yield from level.remove_tags([])
    yield from level.hold([], [], "one", LONG)
    yield from level.release([], [], "one")
    expect("what was there", (yield from scene.data("key")), [b"kept"])
    expect("the lease", (yield from scene.fill("other", "one", value(b"", "tag"))), True)


def values_of_every_size(scene: Scene) -> Program[None]:
    values = {"empty": b"", "bytes": bytes(range(256)), "large": bytes(3_000_000)}
    yield from scene.level.write({key: value(data, "tag") for key, data in values.items()})
    expect("data", (yield from scene.data(*values)), list(values.values()))


def a_write_replaces_all_of_the_former(scene: Scene) -> Program[None]:
    yield from scene.level.write({"key": value(b"old", "tag", fresh=-1.0)})
    yield from scene.level.write({"key": value(b"new")})
    yield from scene.level.remove_tags(["tag"])
    stored = yield from scene.one("key")
    expect("data and tags", (stored.data, stored.tags, stored.fresh > 0), (b"new", (), True))


def ages_are_told(scene: Scene) -> Program[None]:
    yield from scene.level.write({"key": value(fresh=LONG, kept=2 * LONG)})
    first = yield from scene.one("key")
    expect("seconds fresh", LONG * 0.5 < first.fresh <= LONG + 0.01, True)
    expect("seconds kept", LONG * 1.5 < first.kept <= 2 * LONG + 0.01, True)
    yield from scene.passes(4 * SHORT)  # a server's clock is known within a round trip, which may be slow
    second = yield from scene.one("key")
    expect("time passes for what is fresh", second.fresh < first.fresh - SHORT, True)
    expect("time passes for what is kept", second.kept < first.kept - SHORT, True)


def ages_are_those_of_a_lease_too(scene: Scene) -> Program[None]:
    yield from scene.level.write({"key": value()})
    lease = yield from scene.lease("key", "one")
    if lease.stored is None:
        raise AssertionError("Expected the value with the lease, got nothing")
    expect("seconds", (LONG / 2 < lease.stored.fresh <= LONG + 0.01, lease.stored.kept > LONG), (True, True))


def what_is_no_longer_fresh_is_kept(scene: Scene) -> Program[None]:
    yield from scene.level.write({"key": value(fresh=SHORT), "never": value(fresh=0.0), "past": value(fresh=-5.0)})
    yield from scene.passes(2 * SHORT)
    for key in ("key", "never", "past"):
        stored = yield from scene.one(key)
        expect(f"{key}: fresh", stored.fresh > 0, False)
        expect(f"{key}: data", stored.data, b"value")


def what_is_kept_no_longer_is_gone(scene: Scene) -> Program[None]:
    yield from scene.level.write({"key": value(fresh=SHORT, kept=SHORT)})
    yield from scene.passes(2 * SHORT)
    expect("read", (yield from scene.level.read(["key"])), [None])
    expect("lease", (yield from scene.lease("key", "one")), Lease(LeaseState.GRANTED, None))


def what_is_not_to_be_kept_removes_the_former(scene: Scene) -> Program[None]:
    yield from scene.level.write({"key": value(b"old")})
    yield from scene.level.write({"key": value(b"new", fresh=0.0, kept=0.0)})
    expect("read", (yield from scene.data("key")), [None])


def a_delete_removes(scene: Scene) -> Program[None]:
    yield from scene.level.write({"a": value(), "b": value()})
    yield from scene.level.delete(["a"])
    expect("read", (yield from scene.data("a", "b")), [None, b"value"])


def what_is_expired_is_kept(scene: Scene) -> Program[None]:
    yield from scene.level.write({"key": value(b"value", "tag"), "stale": value(fresh=-LONG)})
    yield from scene.level.expire(["key", "none", "stale", "key"])
    stored = yield from scene.one("key")
    expect("fresh", stored.fresh > 0, False)
    expect("the rest", (stored.data, stored.tags, stored.kept > LONG), (b"value", ("tag",), True))
    expect("what was stale", (yield from scene.one("stale")).fresh > 0, False)
    expect("what was not there", (yield from scene.data("none")), [None])
    expect("a lease", (yield from scene.ask("key", "one")), LeaseState.GRANTED)


def clear_removes_all(scene: Scene) -> Program[None]:
    yield from scene.level.write({"a": value(), "b": value(b"value", "tag")})
    yield from scene.level.clear()
    expect("read", (yield from scene.data("a", "b")), [None, None])
    yield from scene.level.write({"a": value(b"new")})
    expect("what is written afterwards", (yield from scene.data("a", "b")), [b"new", None])


CHECKS = (
    what_is_written_is_read,
    a_batch_is_answered_key_by_key,
    empty_batches_do_nothing,
    values_of_every_size,
    a_write_replaces_all_of_the_former,
    ages_are_told,
    ages_are_those_of_a_lease_too,
    what_is_no_longer_fresh_is_kept,
    what_is_kept_no_longer_is_gone,
    what_is_not_to_be_kept_removes_the_former,
    a_delete_removes,
    what_is_expired_is_kept,
    clear_removes_all,
)
