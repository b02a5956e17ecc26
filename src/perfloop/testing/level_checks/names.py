"""Keys, tags and namespaces of every kind, none taken for another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...caching import LeaseState
from .scene import LONG, Scene, expect, value

if TYPE_CHECKING:
    from ...caching.effects import Program

__all__ = ["CHECKS"]

NAMES = (
    *(
        "",
        " ",
        "  ",
        "key with spaces",
        "new\nline",
        "\0",
        "a\0",
        "a\0b",
        "a",
        "A",
        "é",
        "e\u0301",
        "😀",
        "日本語",
        "ß",
        "ss",
    ),
    *(
        "{brace}",
        "%",
        "%s %d",
        "_",
        "*",
        "?",
        "[a]",
        "a:b",
        "a:",
        ":b",
        "'; DROP TABLE x; --",
        "\\",
        '"',
        "\x7f",
        "\x80",
    ),
    *("k" * 10_000, "k" * 9_999 + "l", "k" * 255, "k" * 256),
)


def keys_of_every_kind(scene: Scene) -> Program[None]:
    values = {key: str(number).encode() for number, key in enumerate(NAMES)}
    yield from scene.level.write({key: value(data) for key, data in values.items()})
    expect("read", (yield from scene.data(*values)), list(values.values()))
    yield from scene.level.delete(NAMES[::2])
    left = [None if number % 2 == 0 else data for number, data in enumerate(values.values())]
    expect("read what is not deleted", (yield from scene.data(*values)), left)


def leases_and_holds_of_every_kind(scene: Scene) -> Program[None]:
    leases = yield from scene.level.lease(NAMES[::2], "one", LONG)
    expect("leases", {lease.state for lease in leases}, {LeaseState.GRANTED})
    yield from scene.level.hold(NAMES[1::2], (), "holder", LONG)
    expect("fill", (yield from scene.level.fill(dict.fromkeys(NAMES[::2], value()), "one")), [True] * len(NAMES[::2]))
    leases = yield from scene.level.lease(NAMES[1::2], "one", LONG)
    expect("holds", {lease.state for lease in leases}, {LeaseState.HELD})


def tags_of_every_kind(scene: Scene) -> Program[None]:
    yield from scene.level.write({f"key {number}": value(b"", tag) for number, tag in enumerate(NAMES)})
    stored = yield from scene.level.read([f"key {number}" for number in range(len(NAMES))])
    expect("tags", [each and each.tags for each in stored], [(tag,) for tag in NAMES])
    yield from scene.level.remove_tags(NAMES[::2])
    found = yield from scene.data(*(f"key {number}" for number in range(len(NAMES))))
    expect("read", found, [None if number % 2 == 0 else b"" for number in range(len(NAMES))])


def a_key_is_no_tag(scene: Scene) -> Program[None]:
    yield from scene.level.write({"x": value(b"x"), "y": value(b"y", "x")})
    yield from scene.level.delete(["x"])
    expect("the tag of a deleted key", (yield from scene.data("x", "y")), [None, b"y"])
    yield from scene.level.hold(["y"], [], "holder", LONG)
    yield from scene.level.write({"x": value(b"x", "y")})
    expect("the tag of a held key", (yield from scene.data("x")), [b"x"])


def namespaces_do_not_collide(scene: Scene) -> Program[None]:
    one, two = scene.other("a"), scene.other("a:b")
    yield from one.level.write({"b:c": value(b"one", "tag"), "held": value(b"one")})
    yield from two.level.write({"c": value(b"two", "tag"), "held": value(b"two")})
    expect("read", (yield from one.data("b:c", "c")), [b"one", None])
    expect("read the other", (yield from two.data("c", "b:c")), [b"two", None])
    yield from scene.asked("b:c", "one")
    yield from one.asked("b:c", "one", even_if_fresh=True)
    yield from two.asked("c", "two", even_if_fresh=True)
    yield from one.level.delete(["b:c"])
    expect("its lease", (yield from two.fill("c", "two", value(b"new", "tag"))), True)
    yield from one.level.remove_tags(["tag"])
    yield from one.level.hold(["held"], ["tag"], "holder", LONG)
    expect("its tag and hold", (yield from two.data("c", "held")), [b"new", b"two"])
    expect("its key is free", (yield from two.ask("held", "two", even_if_fresh=True)), LeaseState.GRANTED)


def clear_leaves_other_namespaces(scene: Scene) -> Program[None]:
    scenes = [scene, scene.other("a"), scene.other("a:b"), scene.other("b")]
    for each in scenes:
        yield from each.level.write({"key": value(b"value", "tag")})
        yield from each.asked("leased", "one")
    yield from scenes[1].level.clear()
    for each in (scenes[0], *scenes[2:]):
        expect("read", (yield from each.data("key")), [b"value"])
        expect("lease", (yield from each.fill("leased", "one", value())), True)
    expect("the namespace itself", (yield from scenes[1].data("key")), [None])


CHECKS = (
    keys_of_every_kind,
    leases_and_holds_of_every_kind,
    tags_of_every_kind,
    a_key_is_no_tag,
    namespaces_do_not_collide,
    clear_leaves_other_namespaces,
)
