"""`perfloop db` on real databases."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
import psutil
import psycopg
import pytest

from perfloop.records import AdviceRecord, ComparisonRecord, PlanRecord, WorkloadRecord, load_record

from .conftest import PERFLOOP

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..servers.postgresql import PostgreSQL
    from .conftest import Perfloop

SERVED = """\
import sqlite3

database = sqlite3.connect(":memory:", check_same_thread=False)
database.executescript("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT);")
database.executemany("INSERT INTO item (name) VALUES (?)", [("x",)] * 9)

async def app(scope, receive, send):
    if scope["type"] == "http":
        for number in range(1, 7):
            database.execute("SELECT name FROM item WHERE id = ?", (number,)).fetchone()
        status = 404 if scope["path"] == "/gone" else 200
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"."})
"""
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
    assert "db advise" in run.stdout
    wrong = perfloop("db", "explane")
    assert wrong.returncode == 2
    assert "did you mean `perfloop db explain`?" in wrong.stderr


def test_a_workload_is_captured_of_a_service_and_of_a_file(perfloop: Perfloop, workplace: Path) -> None:
    assert "perfloop db capture --sql" in perfloop("db", "capture", "--help").stdout
    (workplace / "queries.sql").write_text("-- calls: 9\nSELECT * FROM orders WHERE email = 'a@example.com';")
    words = (
        "--sql",
        "queries.sql",
        "--dialect",
        "sqlite",
        "--output",
        "w.json",
        "--html",
        "w.html",
        "--report",
        "w.xml",
    )
    run = perfloop("db", "capture", *words)
    assert run.returncode == 0, run.stderr
    assert "9 calls" in run.stdout
    assert "a@example.com" not in run.stdout + (workplace / "w.json").read_text() + (workplace / "w.html").read_text()
    record = load_record(workplace / "w.json")
    assert isinstance(record, WorkloadRecord)
    assert (record.dialect, record.statements[0].calls, record.command[:3]) == (
        "sqlite",
        9,
        ["perfloop", "db", "capture"],
    )
    assert perfloop("report", "w.json").stdout.splitlines()[:8] == run.stdout.splitlines()[:8]
    with contextlib.closing(sqlite3.connect(workplace / "shop.sqlite3")) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, email TEXT)")
    advice = perfloop("db", "advise", "shop.sqlite3", "--workload", "w.json", "--json")
    assert advice.returncode == 0, advice.stderr
    assert msgspec.json.decode(advice.stdout, type=AdviceRecord).workload.calls == 9
    both = perfloop("db", "advise", "shop.sqlite3", "--workload", "w.json", "--sql", "queries.sql")
    assert (both.returncode, "not both" in both.stderr) == (2, True)

    (workplace / "served.py").write_text(SERVED)
    command = ("--duration", "1s", "--", sys.executable, "-m", "uvicorn", "served:app", "--port", "0")
    asked = ("--request", "GET /", "--request", "GET /gone")
    run = perfloop("db", "capture", *asked, "--json", "--output", "served.json", *command)
    assert run.returncode == 0, run.stderr
    found = msgspec.json.decode(run.stdout, type=WorkloadRecord)
    assert (found.source, found.dialect, found.requests > 0) == ("service", "sqlite", True)
    assert [each.partition(":")[0] for each in found.left_out] == ["what failed requests would have asked (status 404)"]
    assert "GET /gone" in found.left_out[0]
    assert "GET / " not in found.left_out[0]
    statement = found.statements[0]
    assert statement.fingerprint == "SELECT name FROM item WHERE id = ?"
    assert (statement.calls, statement.rows) == (6 * found.requests, 6 * found.requests)
    (use,) = statement.uses
    assert (use.route, use.per_request_p50, use.place.file if use.place else "") == (
        "GET (unmatched)",
        6.0,
        "served.py",
    )
    (repeated,) = found.n_plus_one
    assert (repeated.calls, repeated.loader, repeated.statements_saved) == (6, "batch", 5)
    assert repeated.loop is not None
    assert repeated.loop.source == "for number in range(1, 7):"

    with contextlib.closing(sqlite3.connect(workplace / "shop.sqlite3")) as connection:
        connection.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)")
    words = ("--workload", "served.json", "--output", "advice.json", "--html", "advice.html")
    run = perfloop("db", "advise", "shop.sqlite3", *words)
    assert run.returncode == 0, run.stderr
    advice_record = load_record(workplace / "advice.json")
    assert isinstance(advice_record, AdviceRecord)
    assert advice_record.n_plus_one == found.n_plus_one
    for shown in (run.stdout, (workplace / "advice.html").read_text()):
        text = " ".join(shown.split())
        assert "for number in range(1, 7):" in text
        assert "5 statements a request; by round trip" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Expected one source"),
        (("--sql", "a.sql", "--log", "b.log"), "Expected one source"),
        (("--sql", "gone.sql"), "cannot be read"),
        (("--sql", "a.sql", "--dialect", "oracle"), "Expected one of postgresql, sqlite"),
        (("--dsn", "postgresql://127.0.0.1:1/x", "--parameters"), "Expected no --parameters with --dsn"),
        (("--dsn", "shop.sqlite3"), "Expected a workload"),
    ],
)
def test_a_workload_that_cannot_be_captured(
    words: tuple[str, ...], said: str, perfloop: Perfloop, shop_file: str
) -> None:
    run = perfloop("db", "capture", *words)
    assert run.returncode == 2
    assert said in run.stderr


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


WORKLOAD = """\
-- calls: 500
SELECT * FROM orders WHERE customer_id = 77 ORDER BY id DESC LIMIT 10;
SELECT * FROM orders ORDER BY id LIMIT 20 OFFSET 10000;
SELECT * FRM orders x y;
"""


@pytest.mark.services
def test_advice_carries_its_proof_and_becomes_a_migration(perfloop: Perfloop, shop: str, workplace: Path) -> None:
    (workplace / "queries.sql").write_text(WORKLOAD)
    words = ("--sql", "queries.sql", "--output", "advice.json", "--html", "advice.html", "--migration", "indexes.sql")
    run = perfloop("db", "advise", shop, *words, timeout=110)
    assert run.returncode == 0, run.stderr
    assert "✓ starting a private PostgreSQL" in run.stderr
    assert max(len(line) for line in run.stdout.splitlines()) <= 80
    record = load_record(workplace / "advice.json")
    assert isinstance(record, AdviceRecord)
    assert record.indexes is not None
    assert any("customer_id" in key for each in record.indexes.advised for key in each.keys)
    [page] = [each for each in record.queries if each.rewrite is not None]
    assert page.proof is not None
    assert page.proof.verdict == "faster"
    assert any("FRM orders" in line for line in record.left_out)
    assert "OFFSET reads and throws away" in run.stdout
    assert "OFFSET reads and throws away" in (workplace / "advice.html").read_text()

    before = indexes(shop)
    built = len(before) + len(record.indexes.advised)
    for script, expected in (("indexes.sql", built), ("indexes.down.sql", len(before))):
        with psycopg.connect(shop, autocommit=True) as connection:
            for statement in (workplace / script).read_text().split(";\n"):
                connection.execute(statement)  # type: ignore[call-overload]
        assert len(indexes(shop)) == expected
    again = perfloop("db", "advise", shop, "--sql", "queries.sql", "--migration", "indexes.sql")
    assert again.returncode == 2
    assert "may have been carried out" in again.stderr


def indexes(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [name for (name,) in connection.execute("SELECT indexname FROM pg_indexes WHERE tablename = 'orders'")]


@pytest.mark.services
def test_nothing_is_left_behind_when_advice_is_killed(perfloop: Perfloop, shop: str, workplace: Path) -> None:
    (workplace / "queries.sql").write_text(WORKLOAD)
    words = [PERFLOOP, "db", "advise", shop, "--sql", "queries.sql"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        line = next(line for line in running.stderr if "reading the schema" in line)
        assert line
        started = psutil.Process(running.pid).children(recursive=True)
        assert any("postgres" in process.name() for process in started)
        running.kill()
    _, alive = psutil.wait_procs(started, timeout=30)
    assert alive == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "SQLite keeps no statistics of statements"),
        (("--sql", "missing.sql"), "missing.sql"),
        (("--sql", "empty.sql"), "there is none"),
        (("--sql", "queries.sql", "--clone-dsn", "postgresql://127.0.0.1/x"), "no server for the clone"),
        (("--sql", "queries.sql", "--migration", "indexes.txt"), "ends in .sql"),
        (("--sql", "queries.sql", "--migration", "django:indexes.py"), "0002_indexes.py"),
        (("--sql", "queries.sql", "--migration", "alembic:nowhere/indexes.py"), "directory that exists"),
        (("--sql", "queries.sql", "--clone-rows", "few"), "whole number"),
    ],
)
def test_advice_that_cannot_be_given_says_why(
    perfloop: Perfloop, shop_file: str, workplace: Path, words: tuple[str, ...], message: str
) -> None:
    (workplace / "queries.sql").write_text("SELECT * FROM orders WHERE customer_id = 7;")
    (workplace / "empty.sql").write_text("-- nothing\n")
    run = perfloop("db", "advise", shop_file, *words)
    assert run.returncode == 2
    assert message in run.stderr
    assert "Traceback" not in run.stderr


def test_indexes_for_a_file_with_a_migration_that_is_carried_out_and_taken_back(
    perfloop: Perfloop, workplace: Path, shop_file: str
) -> None:
    with contextlib.closing(sqlite3.connect(workplace / shop_file)) as connection:
        rows = [(number % 500, "n" * 60) for number in range(5_000)]
        connection.executemany("INSERT INTO orders (customer_id, note) VALUES (?, ?)", rows)
        connection.commit()
        (workplace / "queries.sql").write_text(f"-- calls: 90\n{QUERY};")
        asked = ("db", "advise", shop_file, "--sql", "queries.sql")
        run = perfloop(*asked, "--migration", "indexes.sql")
        assert run.returncode == 0, run.stderr
        assert "build an index on orders (customer_id)" in run.stdout.lower()
        assert "of SQLite's steps with it, counted" in " ".join(run.stdout.split())
        assert "an insert" in run.stdout
        script = (workplace / "indexes.sql").read_text()
        assert "CONCURRENTLY" not in script
        connection.executescript(script)
        used = connection.execute(f"EXPLAIN QUERY PLAN {QUERY}").fetchone()[3]
        assert used == "SEARCH orders USING INDEX orders_customer_id_idx (customer_id=?)"
        assert perfloop(*asked, "--json").returncode == 0
        connection.executescript((workplace / "indexes.down.sql").read_text())
        assert connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'").fetchall() == []

        connection.execute("BEGIN EXCLUSIVE")
        locked = perfloop(*asked)
        assert (locked.returncode, "stayed locked" in locked.stderr) == (2, True), locked.stderr
