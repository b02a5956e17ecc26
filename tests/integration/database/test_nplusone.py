"""N+1 in real requests on SQLite and PostgreSQL, found with line and loader; what only looks like one is left alone."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from benchmarks.nplus1.cases import is_planted, look_at, prepared_world
from benchmarks.nplus1.healthy import HEALTHY
from benchmarks.nplus1.planted import PLANTED

from perfloop.database import capture_statements
from perfloop.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.nplus1.planted import Planted
    from benchmarks.nplus1.world import World


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with prepared_world() as made:
        yield made


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
def test_planted(planted: Planted, world: World) -> None:
    found = look_at(planted.run, world)
    assert found
    assert all(is_planted(each) for each in found), found
    assert found[0].loader == planted.loader
    assert found[0].loop is not None
    assert found[0].statements_saved >= found[0].calls - 1


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy(name: str, world: World) -> None:
    assert look_at(HEALTHY[name], world) == []


def test_what_was_captured(world: World) -> None:
    with capture_statements(world.sqlite, world.psycopg) as captured:
        for number in (1, 2, 3):
            world.sqlite.execute("SELECT name FROM customer WHERE id = ?", (number,)).fetchone()
        world.psycopg.execute("SELECT name FROM customer WHERE id < %s", (3,))
    world.sqlite.execute("SELECT 1")
    world.psycopg.execute("SELECT 1")
    statements = captured.statements
    assert [each.statement for each in statements] == [
        *["SELECT name FROM customer WHERE id = ?"] * 3,
        "SELECT name FROM customer WHERE id < ?",
    ]
    assert {each.frames[0].function for each in statements} == {"test_what_was_captured"}
    assert (statements[3].rows, statements[3].seconds > 0, captured.dropped) == (2, True, 0)
    with pytest.raises(AssertionError, match=r"N\+1: 3 × SELECT name FROM customer") as failure:
        captured.assert_no_n_plus_one()
    assert "saves 2 statements; by round trip: 0.2 ms at 0.1 ms, 1 ms at 0.5 ms, 4 ms at 2 ms" in str(failure.value)
    captured.assert_no_n_plus_one(least=4)


def test_engines_are_left_as_they_were(world: World) -> None:
    with (
        capture_statements(world.engine) as outer,
        capture_statements(world.engine) as inner,
        world.engine.connect() as c,
    ):
        c.exec_driver_sql("SELECT count(*) FROM customer")
        c.exec_driver_sql("UPDATE customer SET name = ? WHERE id = ?", [("a", 1), ("b", 2)])
        with pytest.raises(Exception, match="no such column"):
            c.exec_driver_sql("SELECT missing FROM customer")
    assert not {name for name in vars(world.engine.dialect) if name.startswith("do_exec")}
    found = [(each.statement, each.rows) for each in inner.statements]
    assert found == [(each.statement, each.rows) for each in outer.statements]
    assert found[:2] == [("SELECT count(*) FROM customer", 0), ("UPDATE customer SET name = ? WHERE id = ?", 2)]


@pytest.mark.parametrize("sources", [(), (object(),), (sqlite3,)])
def test_what_cannot_be_watched(sources: tuple[Any, ...]) -> None:
    with pytest.raises(ConfigurationError, match="Expected"), capture_statements(*sources):
        pass


def test_no_value_of_a_parameter_is_kept(world: World) -> None:
    secret = "a name that nobody may read"
    with capture_statements(world.sqlite, world.psycopg, world.engine) as captured:
        world.sqlite.execute("SELECT id FROM customer WHERE name = ?", (secret,))
        world.psycopg.execute("SELECT id FROM customer WHERE name = %s", (secret,))
        with pytest.raises(psycopg.Error):
            world.psycopg.execute(f"SELECT missing FROM customer WHERE name = '{secret}'")
    assert len(captured.statements) == 3
    assert secret not in repr([vars(captured), captured.statements])
