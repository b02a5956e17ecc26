"""Which cookies go where."""

from __future__ import annotations

from perfloop.loadtest.scenario.cookies import CookieJar


def test_cookies_are_kept_replaced_and_forgotten() -> None:
    jar = CookieJar("shop.example")
    assert jar.take(["id=1; Path=/; HttpOnly", "seen=yes"], "/a/b?q=1") == 0
    assert jar.values("/a/c") == {"id": "1", "seen": "yes"}
    assert jar.header("/a") == b"id=1; seen=yes"
    assert jar.header("/ab") == b"id=1"
    jar.take(["id=2; Path=/", "seen=; Max-Age=0; Path=/a"], "/")
    assert jar.values("/a") == {"id": "2"}
    jar.take(["id=3; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], "/")
    assert not jar
    jar.set("own", "1")
    assert jar.header("/x") == b"own=1"
    jar.clear()
    assert len(jar) == 0


def test_only_the_targets_own_cookies_are_taken() -> None:
    jar = CookieJar("shop.example")
    jar.take(["a=1; Domain=other.example", "b=2; Domain=.example", "c=3; Domain=SHOP.example", "d=4; Secure"], "/")
    assert jar.values() == {"b": "2", "c": "3"}
    assert not CookieJar("h", secure=True).take(["d=4; Secure"], "/")


def test_what_cannot_be_read_is_counted() -> None:
    assert CookieJar("h").take(["", "{}", "a=1"], "/") == 2


def test_the_longer_path_wins() -> None:
    jar = CookieJar("h")
    jar.set("a", "short", "/")
    jar.set("a", "long", "/x")
    assert (jar.values("/x/y"), jar.values("/y")) == ({"a": "long"}, {"a": "short"})
