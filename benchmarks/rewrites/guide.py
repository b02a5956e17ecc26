"""The guide's rewrites on a shop of tens of thousands of rows, on PostgreSQL and SQLite: proven and measured."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from perfloop.database import open_database
from perfloop.database.rewrites import ProofOptions, prove

if TYPE_CHECKING:
    from pathlib import Path

    from perfloop.database import Database

__all__ = ["figures"]

_SCHEMA = """
CREATE TABLE users (id integer PRIMARY KEY, email varchar(60) NOT NULL, name varchar(60) NOT NULL, city varchar(20));
CREATE TABLE orders (id integer PRIMARY KEY, user_id integer REFERENCES users (id), total integer NOT NULL);
CREATE INDEX idx_user_email ON users (email);
CREATE INDEX idx_order_user_id ON orders (user_id);
"""
_USERS, _ORDERS = 20_000, 60_000

LIKE = (
    "SELECT * FROM users WHERE email LIKE '%@gmail.com'",
    "SELECT * FROM users WHERE email LIKE 'user%@gmail.com'",
)
DISTINCT_JOIN = (
    "SELECT * FROM users WHERE id IN (SELECT user_id FROM orders WHERE total > 1000)",
    "SELECT DISTINCT u.* FROM users u INNER JOIN orders o ON u.id = o.user_id WHERE o.total > 1000",
)
NOT_IN = (
    "SELECT id FROM users WHERE id NOT IN (SELECT user_id FROM orders)",
    "SELECT u.id FROM users u WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.user_id = u.id)",
)


def figures(directory: Path, dsn: str, *, full: bool) -> dict[str, Any]:
    """The verdicts, by database."""
    path = directory / "guide.sqlite3"
    _fill_sqlite(path)
    options = ProofOptions(rounds=31 if full else 15, seconds=20.0)
    with open_database(str(path), writable=True) as sqlite, open_database(dsn, writable=True) as postgresql:
        _fill_postgresql(postgresql)
        found: dict[str, Any] = {}
        for name, database in (("postgresql", postgresql), ("sqlite", sqlite)):
            like = prove(database, *LIKE, options=options)
            join = prove(database, *DISTINCT_JOIN, options=options)
            not_in = prove(database, *NOT_IN, options=options)
            found[f"{name}_like_rejected"] = int(like.verdict == "rejected" and like.counterexample is not None)
            found[f"{name}_like_counterexample"] = _email(like.counterexample)
            found[f"{name}_not_in_nulls_caught"] = int(not_in.verdict == "rejected" and _null(not_in.counterexample))
            found[f"{name}_in_to_distinct_join_verdict"] = join.verdict
            found[f"{name}_in_to_distinct_join_not_faster"] = int(join.verdict in ("no difference", "slower"))
            found[f"{name}_in_ms"] = join.before_ms
            found[f"{name}_distinct_join_ms"] = join.after_ms
            if join.ratio is not None:
                found[f"{name}_in_to_distinct_join_ratio"] = join.ratio[1]
        found["postgresql_in_buffers"], found["postgresql_distinct_join_buffers"] = _buffers(postgresql, options)
    for name in ("like_rejected", "not_in_nulls_caught", "in_to_distinct_join_not_faster"):
        found[name] = min(found[f"{engine}_{name}"] for engine in ("postgresql", "sqlite"))
    return found


def _buffers(postgresql: Database, options: ProofOptions) -> tuple[int | None, int | None]:
    proof = prove(postgresql, *DISTINCT_JOIN, options=options)
    return proof.before_buffers, proof.after_buffers


def _email(counterexample: Any) -> str:
    tables: dict[str, list[dict[str, str]]] = counterexample.tables if counterexample is not None else {}
    return next((row["email"] for rows in tables.values() for row in rows), "none")


def _null(counterexample: Any) -> bool:
    """The counterexample holds the NULL that makes NOT IN answer nothing."""
    return counterexample is not None and any(
        row.get("user_id") == "NULL" for rows in counterexample.tables.values() for row in rows
    )


def _email_of(number: int) -> str:
    return f"user{number}@{'gmail.com' if number % 5 < 2 else f'host{number % 50}.example'}"


def _fill_sqlite(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(_SCHEMA)
    connection.executemany(
        "INSERT INTO users VALUES (?, ?, ?, ?)",
        [(n, _email_of(n), f"name {n}", f"city {n % 100}") for n in range(_USERS)],
    )
    connection.executemany(
        "INSERT INTO orders VALUES (?, ?, ?)", [(n, n * 7919 % _USERS, n * 31 % 3000) for n in range(_ORDERS)]
    )
    connection.execute("ANALYZE")
    connection.commit()
    connection.close()


def _fill_postgresql(database: Database) -> None:
    connection = database.connection
    connection.execute(_SCHEMA)
    with connection.cursor() as cursor:
        with cursor.copy("COPY users FROM STDIN") as copy:
            for n in range(_USERS):
                copy.write_row((n, _email_of(n), f"name {n}", f"city {n % 100}"))
        with cursor.copy("COPY orders FROM STDIN") as copy:
            for n in range(_ORDERS):
                copy.write_row((n, n * 7919 % _USERS, n * 31 % 3000))
    connection.execute("ANALYZE")
