"""Django's cache over ours."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from perfloop.caching.adapters.django import PerfloopCache
from perfloop.clock import MONOTONIC
from perfloop.exceptions import ConfigurationError, InvalidValue

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cache(request: pytest.FixtureRequest) -> PerfloopCache:
    return PerfloopCache("", {"KEY_PREFIX": request.node.name})


def test_values_come_and_go(cache: PerfloopCache) -> None:
    assert cache.get("k") is None
    assert cache.get("k", 5) == 5
    cache.set("k", {"a": [1, 2.5, "x", None, True, b"y"]})
    assert cache.get("k") == {"a": [1, 2.5, "x", None, True, b"y"]}
    cache.set("none", None)
    assert cache.get("none", 5) is None
    assert ("none" in cache, "other" in cache) == (True, False)
    assert (cache.delete("k"), cache.delete("k")) == (True, False)
    cache.set("k", 1)
    cache.set("k", 2, timeout=0)
    assert cache.get("k") is None
    cache.set("k", 3, timeout=None)
    assert cache.get("k") == 3
    cache.clear()
    assert cache.get("k") is None


def test_versions_and_many(cache: PerfloopCache) -> None:
    cache.set("k", 1)
    cache.set("k", 2, version=2)
    assert (cache.get("k"), cache.get("k", version=2)) == (1, 2)
    assert cache.set_many({"a": 1, "b": 2}) == []
    assert cache.get_many(["a", "b", "c"]) == {"a": 1, "b": 2}
    cache.delete_many(["a", "b"])
    assert cache.get_many(["a", "b"]) == {}
    assert cache.incr("k") == 2
    with pytest.raises(ValueError, match="not found"):
        cache.incr("nothing")
    assert cache.touch("k", 60)
    assert not cache.touch("nothing")


def test_add_succeeds_once(cache: PerfloopCache) -> None:
    added: list[bool] = []
    threads = [threading.Thread(target=lambda n=n: added.append(cache.add("k", n))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(added) == [False] * 7 + [True]


def test_one_makes_it_for_all(cache: PerfloopCache) -> None:
    made: list[int] = []

    def make() -> int:
        made.append(1)
        return 7

    assert [cache.get_or_set("k", make), cache.get_or_set("k", make), cache.get_or_set("j", 8)] == [7, 7, 8]
    assert len(made) == 1


def test_in_an_event_loop(cache: PerfloopCache) -> None:
    async def main() -> list[Any]:
        await cache.aset("k", 1)
        return [await cache.aget("k"), await cache.adelete("k"), await cache.aget("k", 5), await cache.aadd("k", 2)]

    assert asyncio.run(main()) == [1, True, 5, True]


@pytest.mark.parametrize("location", ["", "sqlite://{}/cache.sqlite"])
def test_touch_lasts_and_brings_nothing_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: str) -> None:
    cache = PerfloopCache(location.format(tmp_path), {"KEY_PREFIX": f"touch-{len(location)}"})
    assert not cache.touch("k", 60)
    cache.set("k", 1, 60)
    assert cache.touch("k", 10_000)
    entry = cache.cache._local.store.get(cache.make_key("k"))
    assert entry is not None
    assert entry.deadline - MONOTONIC.now() > 5000
    get = cache.cache.get

    def deleted_meanwhile(name: str, default: Any = None) -> Any:
        value = get(name, default)
        cache.cache.delete(name)
        return value

    with monkeypatch.context() as patch:
        patch.setattr(cache.cache, "get", deleted_meanwhile)
        assert cache.touch("k", 60)
    assert cache.get("k") is None
    cache.set("k", 1)
    assert (cache.touch("k", 0), cache.get("k")) == (True, None)


def test_what_django_would_pickle_is_refused(cache: PerfloopCache) -> None:
    for value in (object(), (1, 2), {1, 2}):
        with pytest.raises(InvalidValue, match="Expected"):
            cache.set("k", value)


def test_processes_share_levels(tmp_path: Path) -> None:
    location = f"sqlite://{tmp_path}/cache.sqlite"
    one, other = (PerfloopCache(location, {"OPTIONS": {"MAX_ENTRIES": most}}) for most in (10, 20))
    assert one.cache is not other.cache
    assert PerfloopCache(location, {"OPTIONS": {"MAX_ENTRIES": 10}}).cache is one.cache  # another thread's
    one.set("k", 1)
    assert other.get("k") == 1
    assert not other.add("k", 2)


def test_a_location_that_names_no_level() -> None:
    with pytest.raises(ConfigurationError, match=r"name levels.*'memcached'"):
        PerfloopCache("memcached://user:s3cret@host", {})
