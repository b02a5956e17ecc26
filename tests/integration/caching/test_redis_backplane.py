"""Processes tell each other over a real Redis, and know when they cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis import Redis as Client

from perfloop.caching import Invalidation
from perfloop.caching.backplane.redis import RedisBackplane
from perfloop.caching.effects import run
from perfloop.exceptions import LevelFailed

from ...servers.processes import free_port
from ...servers.redis import run_redis
from .ears import Ear, assert_others_are_told

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...servers.redis import Redis


@pytest.fixture
def make_backplane(redis_server: Redis) -> Callable[[str], RedisBackplane]:
    return lambda namespace: RedisBackplane(redis_server.url, namespace=namespace)


def test_others_of_the_namespace_are_told(ears: list[Ear]) -> None:
    assert_others_are_told(ears)


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
        one, two = Ear(RedisBackplane(server.url)), Ear(RedisBackplane(server.url))
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
