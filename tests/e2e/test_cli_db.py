"""`perfloop db` on real databases."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

import psycopg
import pytest

from perfloop.records import ComparisonRecord, PlanRecord, load_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..servers.postgresql import PostgreSQL
    from .conftest import Perfloop

QUERY = "SELECT * FROM orders WHERE customer_id = 7"


@pytest.fixture
def shop(postgresql: PostgreSQL) -> Iterator[str]:
    """The URL of a database with customers and their orders."""
    with psycopg.connect(postgresql.url, autocommit=True) as server:
        server.execute("CREATE DATABASE cli_shop")
        url = postgresql.url.replace("/postgres", "/cli_shop")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE orders(id serial PRIMARY KEY, customer_id int, note text)")
            connection.execute(
                "INSERT INTO orders(customer_id, note) "
                "SELECT i % 2000, repeat('x', 90) FROM generate_series(1, 40000) i"
            )
            connection.execute("ANALYZE")
        yield url
        server.execute("DROP DATABASE cli_shop WITH (FORCE)")


@pytest.fixture
def shop_file(workplace: Path) -> str:
    with sqlite3.connect(workplace / "shop.sqlite3") as connection:
        connection.executescript("CREATE TABLE orders(id INTEGER PRIMARY KEY, customer_id INTEGER, note TEXT)")
    connection.close()
    return "shop.sqlite3"


def test_the_group_shows_its_commands(perfloop: Perfloop) -> None:
    run = perfloop("db")
    assert run.returncode == 0
    assert "db explain" in run.stdout
    wrong = perfloop("db", "explane")
    assert wrong.returncode == 2
    assert "did you mean `perfloop db explain`?" in wrong.stderr


@pytest.mark.services
def test_a_plan_is_explained_written_and_compared(perfloop: Perfloop, shop: str, workplace: Path) -> None:
    run = perfloop("db", "explain", shop, QUERY, "--analyze", "--output", "before.json", "--html", "before.html")
    assert run.returncode == 0, run.stderr
    assert "▶" in run.stdout
    assert "Seq Scan on orders" in run.stdout
    assert "39,980 of 40,000 rows read were thrown away" in run.stdout
    assert max(len(line) for line in run.stdout.splitlines()) <= 80
    assert "Seq Scan on orders" in (workplace / "before.html").read_text()
    before = load_record(workplace / "before.json")
    assert isinstance(before, PlanRecord)
    assert before.command[:3] == ["perfloop", "db", "explain"]
    assert "perfloop@" not in before.command[3]
    assert before.command[4] == "SELECT * FROM orders WHERE customer_id = ?"

    with psycopg.connect(shop, autocommit=True) as connection:
        connection.execute("CREATE INDEX by_customer ON orders(customer_id)")
    (workplace / "slow.sql").write_text(QUERY + ";\n")
    after = perfloop("db", "explain", shop, "slow.sql", "--analyze", "-o", "after.json", "--against", "before.json")
    assert after.returncode == 0, after.stderr
    assert "orders: Seq Scan → Bitmap Heap Scan by by_customer" in after.stdout
    compared = perfloop("compare", "before.json", "after.json", "--output", "comparison.json")
    assert compared.returncode == 0, compared.stderr
    assert "B is faster than A: pages touched" in compared.stdout
    assert isinstance(load_record(workplace / "comparison.json"), ComparisonRecord)
    assert perfloop("compare", "after.json", "before.json", "--fail-if-slower").returncode == 1


@pytest.mark.services
def test_values_are_recorded_only_when_asked(perfloop: Perfloop, shop: str) -> None:
    words = (
        "db",
        "explain",
        shop,
        "SELECT * FROM orders WHERE note = $1 AND id = 4711",
        "--parameter",
        "ann@example.com",
    )
    hidden = perfloop(*words, "--analyze", "--json")
    assert hidden.returncode == 0, hidden.stderr
    assert "ann@example.com" not in hidden.stdout
    assert "4711" not in hidden.stdout
    shown = perfloop(*words, "--values", "--json")
    assert "ann@example.com" in json.dumps(json.loads(shown.stdout)["root"])
    assert "4711" in json.loads(shown.stdout)["sql"]


def test_a_statement_comes_from_standard_input(perfloop: Perfloop, shop_file: str) -> None:
    run = perfloop("db", "explain", shop_file, "-", stdin=QUERY.encode())
    assert run.returncode == 0, run.stderr
    assert "SCAN orders" in run.stdout
    assert "no costs" in run.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nowhere.sqlite3", "SELECT 1"), "there is none"),
        (("mysql://root:s3cret@localhost/shop", "SELECT 1"), "PostgreSQL or SQLite"),
        (("shop.sqlite3", "SELEC 1"), "syntax error"),
        (("shop.sqlite3", ""), "got none"),
        (("shop.sqlite3", "missing.sql"), "no such file"),
        (("shop.sqlite3", QUERY, "--against", "shop.sqlite3"), "Expected a perfloop record"),
        (("shop.sqlite3", QUERY, "--statement-timeout", "soon"), "Expected a duration"),
        (("shop.sqlite3", "SELECT ?", "--parameter", "1", "--parameter", "2"), "not more"),
        (("shop.sqlite3", QUERY, "--html", "nowhere/plan.html"), "directory that exists"),
    ],
)
def test_what_cannot_be_used_is_said(perfloop: Perfloop, shop_file: str, words: tuple[str, ...], message: str) -> None:
    run = perfloop("db", "explain", *words)
    assert run.returncode == 2
    assert message in run.stderr
    assert run.stdout == ""
    assert "s3cret" not in run.stderr
    assert "Traceback" not in run.stderr
