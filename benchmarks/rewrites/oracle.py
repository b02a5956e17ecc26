"""An answer of its own to the question whether two queries are the same, which shares nothing with the proof.

Every database of at most one row a table over a small domain (a sample of them where there are too many), and many
random ones of up to five rows, and a few of sixty for pages. Rows are made here, run here and compared here.
"""

from __future__ import annotations

import itertools
import random
import re
import sqlite3
from typing import TYPE_CHECKING, Any

from .queries import SCHEMA, TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

__all__ = ["Oracle", "PostgreSQLOracle", "SQLiteOracle", "confirm"]

Rows = dict[str, list[dict[str, Any]]]

_VALUES: dict[str, tuple[Any, ...]] = {
    "integer": (0, 1, 2, 3, 4, -1),
    "text": ("a", "b", "A", "ab", "ba", "", "aab"),
    "timestamp": (
        "2024-02-28 23:59:59",
        "2024-02-29 00:00:00",
        "2024-02-29 12:00:00",
        "2024-03-01 00:00:00",
        "2024-03-01 00:00:01",
    ),
}


class Oracle:
    """Runs two queries on many databases."""

    def __init__(self) -> None:
        self.databases = 0

    def differ(self, original: str, rewrite: str, *, seed: int, count: int) -> bool:
        """Some database answers them differently."""
        ordered = _ordered(original)
        if ordered and not _ordered(rewrite):
            return True
        for rows in _databases(original + rewrite, seed, count):
            self.databases += 1
            try:
                one, other = self.answers(rows, original, rewrite)
            except FailedOriginal:
                continue
            except FailedRewrite:
                return True
            if not _same(one, other, ordered):
                return True
        return False

    def answers(self, rows: Rows, original: str, rewrite: str) -> tuple[list[Any], list[Any]]:
        raise NotImplementedError


class FailedOriginal(Exception):
    """The original failed: nothing to compare."""


class FailedRewrite(Exception):
    """The rewrite failed where the original answered."""


class SQLiteOracle(Oracle):
    """In memory."""

    def __init__(self) -> None:
        super().__init__()
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        self._connection.executescript(SCHEMA)

    def answers(self, rows: Rows, original: str, rewrite: str) -> tuple[list[Any], list[Any]]:
        connection = self._connection
        connection.execute("BEGIN")
        try:
            for table, held in rows.items():
                for row in held:
                    marks = ", ".join("?" * len(row))
                    connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))
            try:
                one = connection.execute(original).fetchall()
            except sqlite3.Error as error:
                raise FailedOriginal from error
            try:
                return one, connection.execute(rewrite).fetchall()
            except sqlite3.Error as error:
                raise FailedRewrite from error
        finally:
            connection.execute("ROLLBACK")


class PostgreSQLOracle(Oracle):
    """In a database that holds the schema, through a connection of its own."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        super().__init__()
        self._connection = connection

    def answers(self, rows: Rows, original: str, rewrite: str) -> tuple[list[Any], list[Any]]:
        import psycopg

        # All rows in one round trip, by PostgreSQL's simple protocol.
        inserts = [
            f"INSERT INTO {table} ({', '.join(held[0])}) VALUES {', '.join(map(_row_literal, held))}"
            for table, held in rows.items()
            if held
        ]
        try:
            self._connection.execute("; ".join(["BEGIN", *inserts]).encode())
            try:
                one = self._connection.execute(original.encode()).fetchall()
            except psycopg.Error as error:
                raise FailedOriginal from error
            try:
                return one, self._connection.execute(rewrite.encode()).fetchall()
            except psycopg.Error as error:
                raise FailedRewrite from error
        finally:
            self._connection.execute("ROLLBACK")


def _row_literal(row: dict[str, Any]) -> str:
    return f"({', '.join(map(_literal, row.values()))})"


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def confirm(oracle: Oracle, original: str, rewrite: str, literals: dict[str, list[dict[str, str]]]) -> bool:
    """A counterexample is one: its rows, given as SQL literals, are answered differently."""
    if _ordered(original) and not _ordered(rewrite):
        return True
    rows = {
        table.rpartition(".")[2]: [{name: _value(text) for name, text in row.items()} for row in held]
        for table, held in literals.items()
    }
    rows = {table: rows.get(table, []) for table in TABLES}
    # Parents of tables that the queries do not read are no part of the counterexample.
    for parent, child, key in (("item", "tag", "item_id"), ("person", "item", "person_id")):
        there = {row["id"] for row in rows[parent]}
        wanted = {row[key] for row in rows[child]} - there - {None}
        rows[parent] += [_parent(parent, number) for number in sorted(wanted)]
    try:
        one, other = oracle.answers(rows, original, rewrite)
    except FailedOriginal:
        return False
    except FailedRewrite:
        return True
    return not _same(one, other, _ordered(original))


def _parent(table: str, number: int) -> dict[str, Any]:
    return {name: number if name == "id" else None if null else _VALUES[kind][0] for name, kind, null in TABLES[table]}


def _value(text: str) -> Any:
    if text == "NULL":
        return None
    return text[1:-1].replace("''", "'") if text.startswith("'") else int(text)


def _ordered(sql: str) -> bool:
    """It has an ORDER BY of its own, outside every parenthesis."""
    depth, outside = 0, []
    for character in re.sub(r"'[^']*'", "''", sql):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:
            outside.append(character)
    return "ORDER BY" in "".join(outside).upper()


def _same(one: list[Any], other: list[Any], ordered: bool) -> bool:
    if ordered:
        return one == other
    return sorted(map(repr, one)) == sorted(map(repr, other))


def _databases(text: str, seed: int, count: int) -> Iterator[Rows]:
    choice = random.Random(f"oracle {seed}")
    yield from _tiny(text, choice, count // 2)
    for _ in range(count - count // 2):
        yield _random(choice, 5)
    if "OFFSET" in text:
        for _ in range(5):
            yield _random(choice, 60)


def _tiny(text: str, choice: random.Random, most: int) -> Iterator[Rows]:
    """Every database of at most a row a table, in the columns that the queries name; the others hold one value."""
    read = [table for table in TABLES if re.search(rf"\b{table}\b", text)]
    domains = []
    for table in read:
        for name, kind, null in TABLES[table]:
            values: tuple[Any, ...] = _VALUES[kind][:1]
            if re.search(rf"\b{name}\b", text):
                values = _VALUES[kind][:4] + ((None,) if null else ())
            domains.append([(table, name, value) for value in values])
    total = 1
    for domain in domains:
        total *= len(domain)
    drawn: Iterator[tuple[Any, ...]] = (
        itertools.product(*domains)
        if total * 2 ** len(read) <= most
        else (tuple(choice.choice(domain) for domain in domains) for _ in range(most // 2 ** len(read)))
    )
    for cells in drawn:
        for present in itertools.product((True, False), repeat=len(read)):
            rows: Rows = {table: [] for table in TABLES}
            for table, there in zip(read, present, strict=True):
                if there:
                    rows[table].append({name: value for owner, name, value in cells if owner == table})
            if _holds_references(rows):
                yield rows


def _holds_references(rows: Rows) -> bool:
    people, items = ({row["id"] for row in rows[table]} for table in ("person", "item"))
    return all(row["person_id"] is None or row["person_id"] in people for row in rows["item"]) and all(
        row["item_id"] in items for row in rows["tag"]
    )


def _random(choice: random.Random, most: int) -> Rows:
    def rows(table: str, size: int, parents: list[int]) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = []
        seen: set[Any] = set()
        for number in range(size):
            row: dict[str, Any] = {}
            for name, kind, null in TABLES[table]:
                value = choice.choice(_VALUES[kind])
                row[name] = None if null and choice.random() < 0.3 else value
            if table != "tag":
                row["id"] = choice.choice([value for value in range(-1, size + 4) if ("id", value) not in seen])
                seen.add(("id", row["id"]))
            if table == "item":
                row["person_id"] = choice.choice([*parents, None])
                row["code"] = None if ("code", row["code"]) in seen else row["code"]
                seen.add(("code", row["code"]))
            if table == "tag":
                if not parents:
                    break
                row["item_id"], row["n"] = choice.choice(parents), number
            made.append(row)
        choice.shuffle(made)
        return made

    people = rows("person", choice.randint(0, most), [])
    items = rows("item", choice.randint(0, most), [row["id"] for row in people])
    tags = rows("tag", choice.randint(0, most), [row["id"] for row in items])
    return {"person": people, "item": items, "tag": tags}
