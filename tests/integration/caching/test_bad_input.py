"""What a cache over real servers makes of bad keys, loaders, values and servers: a clear error, or a miss that is
counted, and never a wrong value."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import random
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from perfloop.caching import EntryOptions, MultiLevelCache, SQLiteLevel
from perfloop.caching.backplane.redis import RedisBackplane
from perfloop.caching.levels.postgresql import PostgreSQLLevel
from perfloop.caching.levels.redis import RedisLevel, RedisOptions
from perfloop.exceptions import InvalidValue, LoadTimedOut

from ...servers.processes import free_port
from ...servers.redis import run_redis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from perfloop.caching import Level

    from ...servers.redis import Redis

PATIENT = RedisOptions(connect_timeout=20.0, answer_timeout=20.0)
SOON = EntryOptions(ttl=600.0, jitter=0.0, hard_timeout=0.05)


@pytest.fixture(params=["sqlite", "redis", "postgresql"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., MultiLevelCache[Any, Any]]]:
    """Caches of several processes over one server; `namespace` tells them apart."""
    with contextlib.ExitStack() as stack:
        prefix = secrets.token_hex(4)

        def level(namespace: str) -> Level:
            if request.param == "sqlite":
                made: Any = SQLiteLevel(tmp_path / "cache.sqlite3", namespace=namespace, timeout=30)
            elif request.param == "redis":
                url = request.getfixturevalue("redis_server").url
                made = RedisLevel(url, namespace=f"{prefix}{namespace}", options=PATIENT)
            else:
                url = request.getfixturevalue("postgresql").url
                made = PostgreSQLLevel(url, table="bad_input", namespace=f"{prefix}{namespace}", timeout=30)
            stack.callback(made.close)
            return made

        def make(kind: Any = str, namespace: str = "", **how: Any) -> MultiLevelCache[Any, Any]:
            return MultiLevelCache(kind, levels=[level(namespace)], **how)

        yield make


# Nothing of it can be compressed away.
NOISE = "".join(map(chr, random.Random(7).choices(range(0x4E00, 0x9FFF), k=10_000)))
KEYS = [
    "",
    " ",
    "\0",
    "\n",
    "a\r\nDEL b\r\n",
    "'; DROP TABLE bad_input; --",
    "%s {x} \\",
    "é",
    "e\u0301",
    "𝄞",
    "x" * 10_000,
]


async def close_in_loop(*caches: MultiLevelCache[Any, Any]) -> None:
    """The connections that the levels have in this event loop."""
    for cache in caches:
        aclose = getattr(cache._core.levels[0].level, "aclose", None)
        if aclose is not None:
            await aclose()


def test_every_text_is_a_key_of_its_own(make: Callable[..., MultiLevelCache[Any, Any]]) -> None:
    one, other = make(), make()
    one.set_many({key: f"value of {key}" for key in KEYS})
    assert other.get_many(KEYS) == {key: f"value of {key}" for key in KEYS}
    one.delete(*KEYS[::2])
    assert set(make().get_many(KEYS)) == set(KEYS[1::2])


def test_every_text_is_a_tag_of_its_own(make: Callable[..., MultiLevelCache[Any, Any]]) -> None:
    one, other = make(), make()
    one.set_many(dict.fromkeys(KEYS, "value"), EntryOptions(tags=("all",)))
    tagged = [f"of tag {number}" for number in range(len(KEYS))]
    for key, tag in zip(tagged, KEYS, strict=True):
        one.set(key, "value", EntryOptions(tags=(tag, "all")))
    one.remove_tags(*KEYS[::2])
    assert set(other.get_many(tagged)) == set(tagged[1::2])
    with one.writing(tags=KEYS[1::2]):
        assert other.get_or_load("held", lambda: "old", EntryOptions(tags=(NOISE, KEYS[1]))) == "old"
        assert make().get("held") is None
    assert make().get_many(tagged) == {}
    assert len(make().get_many(KEYS)) == len(KEYS)
    one.remove_tags("all")
    assert make().get_many(KEYS) == {}


def test_namespaces_and_tenants_never_meet(make: Callable[..., MultiLevelCache[Any, Any]]) -> None:
    texts = ["a", "a:", "a:b", "a:b:", ":a", "", "A", "a\0"]
    pairs = [(space, key) for space in texts for key in texts]
    caches = {space: make(namespace=space) for space in texts}
    for space in texts:
        caches[space].set_many({key: f"{space!r} {key!r}" for key in texts}, EntryOptions(tags=("t",)))
    found = {space: make(namespace=space).get_many(texts) for space in texts}
    assert all(found[space][key] == f"{space!r} {key!r}" for space, key in pairs)
    caches["a"].clear()
    caches["a:b"].remove_tags("t")
    caches["a:"].delete("b")
    left = {space: len(make(namespace=space).get_many(texts)) for space in texts}
    assert left == {space: 0 if space in ("a", "a:b") else len(texts) for space in texts}


def test_keys_of_tenants_as_tuples_never_meet(make: Callable[..., MultiLevelCache[Any, Any]]) -> None:
    cache = make(key=tuple[str, str])
    keys = [("a", "b:c"), ("a:b", "c"), ("a,b", "c"), ('a","b', "c"), ("", "a"), ("a", "")]
    cache.set_many({key: repr(key) for key in keys})
    assert make(key=tuple[str, str]).get_many(keys) == {key: repr(key) for key in keys}


def fail() -> str:
    raise KeyError("gone")


def test_a_loader_that_raises_holds_no_other_process_up(make: Callable[..., MultiLevelCache[Any, Any]]) -> None:
    one, other = make(), make(options=SOON)
    with pytest.raises(KeyError, match="gone"):
        one.get_or_load("k", fail)
    assert other.get_or_load("k", lambda: "loaded", EntryOptions()) == "loaded"
    assert one._report.counts["load failed", ""] == 1


@pytest.mark.parametrize("value", [object(), 5, "half \ud83d"])
def test_a_value_that_cannot_be_kept_is_refused_and_holds_nobody_up(
    make: Callable[..., MultiLevelCache[Any, Any]], value: Any
) -> None:
    one, other = make(), make()
    with pytest.raises(InvalidValue, match="Expected a value"):
        one.get_or_load("k", lambda: value)
    with pytest.raises(InvalidValue, match="Expected a value"):
        one.set("k", value)
    assert other.get_or_load("k", lambda: "loaded") == "loaded"


def test_what_a_loader_returns_after_a_delete_is_given_and_not_kept(
    make: Callable[..., MultiLevelCache[Any, Any]],
) -> None:
    one, other = make(), make()

    def load() -> str:
        other.delete("k")
        return "old"

    assert one.get_or_load("k", load) == "old"
    assert (other.get("k"), one.get("k")) == (None, None)


def test_a_loader_that_never_returns_is_not_waited_for(make: Callable[..., MultiLevelCache[Any, Any]]) -> None:
    one, other, begun, go = make(options=SOON), make(), threading.Event(), threading.Event()

    def load() -> str:
        begun.set()
        go.wait(60)
        return "late"

    try:
        for _ in range(2):
            with pytest.raises(LoadTimedOut, match="goes on in the background"):
                one.get_or_load("k", load)
        assert begun.wait(60)
        one.delete("k")  # voids its lease: whoever comes now loads
        assert other.get_or_load("k", lambda: "new") == "new"
    finally:
        go.set()
    for thread in list(one._core.tasks):
        thread.join(60)
    assert (one.get("k"), other.get("k")) == ("new", "new")


async def test_a_loader_that_is_cancelled_holds_nobody_up(make: Callable[..., MultiLevelCache[Any, Any]]) -> None:
    one, other, begun = make(), make(), asyncio.Event()

    async def load() -> str:
        begun.set()
        await asyncio.Event().wait()
        return "never"

    task = asyncio.create_task(one.aget_or_load("k", load))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await other.aget_or_load("k", lambda: "loaded") == "loaded"
    await close_in_loop(one, other)


def test_what_another_version_wrote_is_a_miss_and_said_to_be(
    make: Callable[..., MultiLevelCache[Any, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    old, new = make(version="1"), make(int, version="2", name="new")
    old.set("k", "7")
    assert new.get("k") is None
    assert new.get_or_load("k", lambda: 7) == 7
    assert make(int, version="2").get("k") == 7
    assert make(version="1").get("k") is None
    assert "cache new: an entry at level" in caplog.text
    assert new._report.counts["undecodable", new._core.levels[0].level.name] >= 1


def test_two_event_loops_and_threads_share_a_cache_and_a_load(make: Callable[..., MultiLevelCache[Any, Any]]) -> None:
    cache, calls, all_there = make(key=int), [], threading.Barrier(4)
    found: list[str] = []

    def load(key: int) -> str:
        calls.append(key)
        return f"value {key}"

    async def ask() -> None:
        for key in range(20):
            found.append(await cache.aget_or_load(key, lambda key=key: load(key)))
        await close_in_loop(cache)

    def work(number: int) -> None:
        all_there.wait(60)
        if number % 2:
            asyncio.run(ask())
        else:
            found.extend(cache.get_or_load(key, lambda key=key: load(key)) for key in range(20))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert sorted(found) == sorted([f"value {key}" for key in range(20)] * 4)
    assert sorted(calls) == list(range(20))


@pytest.mark.parametrize("ttl", [1e-9, 1e12, math.inf])
def test_any_ttl(make: Callable[..., MultiLevelCache[Any, Any]], ttl: float) -> None:
    make().set("k", "value", EntryOptions(ttl=ttl, stale_on_error=1e9))
    assert make().get("k") == (None if ttl < 1 else "value")
    assert make().get_or_load("k", lambda: "loaded") == ("loaded" if ttl < 1 else "value")


def test_a_wall_clock_that_jumps_is_not_looked_at(
    make: Callable[..., MultiLevelCache[Any, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, now = make(), time.time
    one.set("k", "value")
    for years in (1, -1):
        monkeypatch.setattr(time, "time", lambda years=years: now() + years * 365 * 86400)
        assert (one.get("k"), make().get("k")) == ("value", "value")


# A server that is there, and does not do what it should


def over(url: str) -> MultiLevelCache[str, str]:
    return MultiLevelCache(str, levels=[RedisLevel(url, namespace="shop", options=PATIENT)], name="shop")


@contextlib.contextmanager
def out_of_memory() -> Iterator[str]:
    with run_redis("--maxmemory", "1kb", "--maxmemory-policy", "noeviction") as server:
        yield server.url


@contextlib.contextmanager
def read_only() -> Iterator[str]:
    with run_redis("--replicaof", "127.0.0.1", str(free_port())) as server:
        yield server.url


@contextlib.contextmanager
def cluster() -> Iterator[str]:
    with run_redis("--cluster-enabled", "yes", "--cluster-port", str(free_port())) as server:
        yield server.url


@contextlib.contextmanager
def wrong_password() -> Iterator[str]:
    with run_redis("--requirepass", "right") as server:
        yield f"redis://:wr0ng-secret@127.0.0.1:{server.port}/0"


@contextlib.contextmanager
def nobody() -> Iterator[str]:
    yield f"redis://127.0.0.1:{free_port()}/0"


@pytest.mark.parametrize(
    ("server", "words"),
    [
        (out_of_memory, "out of memory"),
        (read_only, "read-only replica"),
        (cluster, "this is a cluster"),
        (wrong_password, "refuses this user and password"),
        (nobody, "cannot be reached"),
    ],
)
def test_a_cache_goes_on_without_a_server_that_is_of_no_use_and_says_why(
    server: Callable[[], contextlib.AbstractContextManager[str]], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    with server() as url:
        cache, rows = over(url), {"k": "old"}
        assert cache.get_or_load("k", lambda: rows["k"]) == "old"
        rows["k"] = "new"
        cache.delete("k")
        assert cache.get("k") is None
        assert cache.get_or_load("k", lambda: rows["k"]) == "new"
        with cache.writing("k", tags=["t"]):
            rows["k"] = "newest"
        assert asyncio.run(cache.aget_or_load("k", lambda: rows["k"])) == "newest"
        cache.set("other", "value")
        assert cache.get("k") in ("newest", None)
        [level] = [level for level in cache.statistics().levels if level.name == "redis"]
        assert level.failures >= 1
        cache.close()
    [said] = [text for text in caplog.messages if "cache shop: level redis failed" in text]
    assert words in said
    assert "wr0ng-secret" not in caplog.text


def test_a_value_over_the_servers_limit_is_given_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    with run_redis("--proto-max-bulk-len", "1mb") as server:
        noise = os.urandom(1 << 20).hex()
        cache, other = over(server.url), over(server.url)
        assert cache.get_or_load("small", lambda: "value") == "value"
        assert cache.get_or_load("k", lambda: noise) == noise
        assert other.get("k") is None
        [level] = [level for level in cache.statistics().levels if level.name == "redis"]
        assert (level.failures, other.get("small")) == (1, "value")
        assert "level redis failed" in caplog.text
        cache.close()


def test_a_forked_process_is_one_of_its_own(redis_server: Redis) -> None:
    namespace = secrets.token_hex(8)
    level = RedisLevel(redis_server.url, namespace=namespace, options=PATIENT)
    backplane = RedisBackplane(namespace=namespace, transport=level.transport)
    cache: MultiLevelCache[str, str] = MultiLevelCache(str, levels=[level], backplane=backplane)
    deadline = time.monotonic() + 60
    while not (cache.get_or_load("k", lambda: "old") and len(cache)):  # it hears by now, and keeps it itself
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            fine = len(cache) == 0 and cache.get("k") == "old"
            cache.delete("k")
            status = 0 if fine and cache.get_or_load("k", lambda: "new") == "new" else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    while cache.get("k") != "new":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    cache.close()
    level.close()
