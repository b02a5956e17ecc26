"""Processes tell each other over a real Redis, and know when they cannot."""

from __future__ import annotations

import asyncio
import queue
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis as Client

from perfloop.caching import Invalidation
from perfloop.caching.backplane.redis import RedisBackplane
from perfloop.caching.effects import run, run_async
from perfloop.exceptions import LevelFailed

from ...servers.processes import free_port
from ...servers.redis import run_redis

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...servers.redis import Redis

PATIENCE = 30.0


class Ear:
    """A backplane and what it has told."""

    def __init__(self, url: str, namespace: str = "shop") -> None:
        self.backplane = RedisBackplane(url, namespace=namespace)
        self.told: queue.Queue[Any] = queue.Queue()
        self.backplane.listen(self.told.put, lambda: self.told.put("gap"), lambda: self.told.put("deaf"))

    def until(self, wanted: Any) -> list[Any]:
        found = [self.told.get(timeout=PATIENCE)]
        while found[-1] != wanted:
            found.append(self.told.get(timeout=PATIENCE))
        return found


@pytest.fixture
def ears(redis_server: Redis) -> Iterator[list[Ear]]:
    ears = [Ear(redis_server.url), Ear(redis_server.url), Ear(redis_server.url, "other")]
    for ear in ears:
        ear.until("gap")
    yield ears
    for ear in ears:
        ear.backplane.close()


def test_others_of_the_namespace_are_told(ears: list[Ear]) -> None:
    one, two, other = ears
    said = Invalidation(("a", "é\0"), ("tag",), expired=("b",))
    run(one.backplane.publish(said))
    assert two.until(said)
    asyncio.run(run_async(two.backplane.publish(Invalidation(all=True))))
    assert one.until(Invalidation(all=True))
    assert said not in list(other.told.queue)


def test_a_connection_that_is_cut_is_deaf_and_then_a_gap(redis_server: Redis, ears: list[Ear]) -> None:
    with Client.from_url(redis_server.url) as client:
        client.client_kill_filter(_type="pubsub")
    for ear in ears:
        assert "deaf" in ear.until("gap")
    run(ears[0].backplane.publish(Invalidation(("after",))))
    assert ears[1].until(Invalidation(("after",)))


def test_a_server_that_dies_and_comes_back() -> None:
    port = free_port()
    with run_redis(port=port) as server:
        one, two = Ear(server.url), Ear(server.url)
        one.until("gap")
        two.until("gap")
    one.until("deaf")
    two.until("deaf")
    with pytest.raises(LevelFailed, match="cannot be reached"):
        run(one.backplane.publish(Invalidation(("lost",))))
    with run_redis(port=port):
        one.until("gap")
        two.until("gap")
        run(one.backplane.publish(Invalidation(("heard",))))
        assert two.until(Invalidation(("heard",)))
        one.backplane.close()
        two.backplane.close()
