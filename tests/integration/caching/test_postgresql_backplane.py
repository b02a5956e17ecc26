"""Processes tell each other over PostgreSQL, in the transaction that changes something where they like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from perfloop.caching import Invalidation
from perfloop.caching.backplane.postgresql import PostgreSQLBackplane
from perfloop.caching.effects import run
from perfloop.exceptions import LevelFailed

from .ears import Ear, assert_others_are_told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers.postgresql import PostgreSQL


@pytest.fixture
def make_backplane(postgresql: PostgreSQL) -> Callable[[str], PostgreSQLBackplane]:
    return lambda namespace: PostgreSQLBackplane(postgresql.url, namespace=namespace)


@pytest.fixture
def direct(postgresql: PostgreSQL) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgresql.url, autocommit=True) as connection:
        yield connection


def test_others_of_the_namespace_are_told(ears: list[Ear]) -> None:
    assert_others_are_told(ears)


def test_more_than_a_notification_holds_comes_in_parts_or_as_all(ears: list[Ear]) -> None:
    one, two, _ = ears
    keys = {f"{number} {'k' * 3_000}" for number in range(20)}
    run(one.backplane.publish(Invalidation(tuple(keys))))
    run(one.backplane.publish(Invalidation(("k" * 10_000,))))
    told = two.until(Invalidation(all=True))
    assert {key for said in told if isinstance(said, Invalidation) for key in said.keys} == keys


def test_a_transaction_tells_when_it_is_committed_and_only_then(
    ears: list[Ear], direct: psycopg.Connection[Any]
) -> None:
    one, two, _ = ears
    assert isinstance(one.backplane, PostgreSQLBackplane)
    with direct.transaction():
        direct.execute(*one.backplane.statement(["rolled back"]))
        raise psycopg.Rollback
    with direct.transaction():
        direct.execute(*one.backplane.statement(["key"], ["tag"]))
        run(one.backplane.publish(Invalidation(("before the commit",))))
        assert two.until(Invalidation(("before the commit",))) == [Invalidation(("before the commit",))]
    expected = Invalidation(("key",), ("tag",))
    assert two.until(expected) == [expected], "neither a gap nor what was rolled back"
    assert expected in one.until(expected)
    keys = [f"{number} {'k' * 3_000}" for number in range(5)]
    direct.execute(*one.backplane.statement(keys))
    told: list[str] = []
    while len(told) < len(keys):
        told += two.told.get(timeout=30).keys
    assert sorted(told) == sorted(keys)


def test_a_connection_that_is_ended_is_deaf_and_then_a_gap(ears: list[Ear], direct: psycopg.Connection[Any]) -> None:
    direct.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND pid <> pg_backend_pid()"
    )
    for ear in ears:
        assert "deaf" in ear.until("gap")
    run(ears[0].backplane.publish(Invalidation(("after",))))
    assert ears[1].until(Invalidation(("after",)))


def test_what_is_no_message_is_a_gap(ears: list[Ear], direct: psycopg.Connection[Any]) -> None:
    assert isinstance(ears[0].backplane, PostgreSQLBackplane)
    direct.execute("SELECT pg_notify(%s, 'é, hello')", [ears[0].backplane._channel])
    assert ears[0].until("gap")


def test_nobody_listens_and_no_password_is_told() -> None:
    backplane = PostgreSQLBackplane("postgresql://user:s3cret@127.0.0.1:1/shop")
    with pytest.raises(LevelFailed, match="cannot be reached") as raised:
        run(backplane.publish(Invalidation(("a",))))
    assert "s3cret" not in f"{raised.value}{raised.value.hint}"
    backplane.close()
