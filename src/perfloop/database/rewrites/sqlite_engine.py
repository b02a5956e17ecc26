"""The proof on SQLite: generated rows go to a database in memory with the schema of the one advised on."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import sqlite3
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ...exceptions import UnreadableStatement
from ..sqlite import is_interrupt
from .engine import QueryEnded, QueryFailed, Snapshot, Unprovable, in_words, within
from .results import Answer
from .statement import Dialect, Statement, parse, quoted
from .tables import Column, ForeignKey, Index, Kind, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..connections import Database
    from .adversarial import Row

__all__ = ["SQLiteEngine"]

_KINDS: tuple[tuple[str, Kind], ...] = (
    ("BOOL", "boolean"),
    ("DATETIME", "timestamp"),
    ("TIMESTAMP", "timestamp"),
    ("DATE", "date"),
    ("JSON", "json"),
    ("INT", "integer"),
    ("CHAR", "text"),
    ("CLOB", "text"),
    ("TEXT", "text"),
    ("UUID", "uuid"),
    ("BLOB", "binary"),
    ("REAL", "float"),
    ("FLOA", "float"),
    ("DOUB", "float"),
    ("NUMERIC", "decimal"),
    ("DECIMAL", "decimal"),
)

_ROWS_LOOKED_AT = 500


class SQLiteEngine:
    """By an open file; nothing is left in it."""

    dialect: Dialect = "sqlite"

    def __init__(self, database: Database) -> None:
        """Use a clone; the database itself will do, where no rewrite needs an index."""
        self._database = database
        self._connection: sqlite3.Connection = database.connection

    def tables(self, statements: Sequence[Statement]) -> list[Table]:
        """See Engine."""
        found: dict[str, Table] = {}
        wanted = [name for statement in statements for name in statement.table_names]
        while wanted:
            schema, name = wanted.pop()
            if schema not in (None, "main"):
                raise Unprovable(f"Expected tables of the main database, got {schema}.{name}")
            if name.lower() in found:
                continue
            table = self._table(name)
            found[name.lower()] = table
            if table.view:
                wanted += _view_query(table).table_names
            # SQLite keeps all of a table's references or none: parents come along, unless they are missing.
            wanted += [(None, key.parent) for key in table.foreign_keys if self._exists(key.parent)]
        return list(found.values())

    def volatile(self, names: set[str]) -> frozenset[str]:
        """None beyond the known ones: a function of the application's own is not there at all."""
        return frozenset()

    def samples(self, table: Table, column: str, count: int) -> list[Any]:
        """See Engine."""
        sql = f"SELECT DISTINCT {quoted(column)} FROM {quoted(table.name)} WHERE {quoted(column)} IS NOT NULL LIMIT ?"
        with in_words(self._database):
            return [value for (value,) in self._connection.execute(sql, (count,))]

    @contextlib.contextmanager
    def sandbox(self, tables: Sequence[Table]) -> Iterator[_Sandbox]:
        """See Engine."""
        with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as memory:
            memory.execute("PRAGMA foreign_keys = ON")
            memory.execute("PRAGMA trusted_schema = OFF")
            for table in sorted(tables, key=lambda table: table.view):
                for sql in (table.definition, *(index.definition for index in table.indexes)):
                    try:
                        memory.execute(sql or "")
                    except sqlite3.Error as error:
                        raise Unprovable(f"{table.name} cannot be made anew: {error}") from error
            yield _Sandbox(memory, {table.label: table for table in tables}, self._database.limits.statement)

    def answer(self, statement: Statement, parameters: Sequence[Any]) -> Answer:
        """See Engine."""
        with in_words(self._database):
            return _answer(self._connection.execute(statement.sql, _named(parameters)))

    def snapshot(
        self, original: Statement, rewrite: Statement, parameters: Sequence[Any], *, ordered: bool, deadline: float
    ) -> Snapshot:
        """See Engine. SQLite has no EXCEPT ALL: rows are grouped and counted."""
        with in_words(self._database):
            columns = len(self._connection.execute(original.sql, _named(parameters)).description)
        names = ", ".join(f"c{number}" for number in range(columns))
        typed = ", ".join(f"c{number}, typeof(c{number})" for number in range(columns))
        # Rows are counted in each; what is left when the counts are subtracted is the difference.
        sql = f"""
            WITH o({names}) AS ({original.sql}\n), r({names}) AS ({rewrite.sql}\n),
            d AS (SELECT sum(side) AS n, sum(side = 1) AS ours FROM (
                SELECT *, 1 AS side FROM o UNION ALL SELECT *, -1 FROM r) GROUP BY {typed})
            SELECT coalesce(sum(ours), 0), coalesce(sum(max(n, 0)), 0), coalesce(sum(max(-n, 0)), 0) FROM d"""
        with self._database.rolled_back(snapshot=True):
            with within(self._database, deadline), in_words(self._database):
                rows, missing, extra = self._connection.execute(sql, _named(parameters)).fetchone()
            same = None
            if ordered:
                first, second = (self._rows(statement, parameters, deadline) for statement in (original, rewrite))
                same = first == second
        return Snapshot(int(rows), int(missing), int(extra), same)

    @contextlib.contextmanager
    def stopwatch(self, needs: Sequence[str], deadline: float) -> Iterator[SQLiteEngine]:
        """See Engine."""
        with self._database.rolled_back():
            for ddl in needs:
                with within(self._database, deadline), in_words(self._database):
                    self._connection.execute(ddl)
            yield self

    def plan(self, statement: Statement, parameters: Sequence[Any]) -> list[Any]:
        """See Stopwatch: SQLite's program for the statement."""
        with in_words(self._database):
            rows = self._connection.execute(f"EXPLAIN {statement.sql}", _named(parameters)).fetchall()
        return [row[1:] for row in rows]

    def run(self, statement: Statement, parameters: Sequence[Any], deadline: float) -> tuple[float, int | None]:
        """See Stopwatch. SQLite counts no pages."""
        began = time.perf_counter()
        self._rows(statement, parameters, deadline)
        return (time.perf_counter() - began) * 1000, None

    def _rows(self, statement: Statement, parameters: Sequence[Any], deadline: float) -> list[Any]:
        with within(self._database, deadline), in_words(self._database):
            return self._connection.execute(statement.sql, _named(parameters)).fetchall()

    def _exists(self, table: str) -> bool:
        sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND lower(name) = lower(?)"
        return self._connection.execute(sql, (table,)).fetchone() is not None

    def _table(self, name: str) -> Table:
        row = self._connection.execute(
            "SELECT name, type, sql FROM sqlite_schema WHERE lower(name) = lower(?) AND type IN ('table', 'view')",
            (name,),
        ).fetchone()
        if row is None:
            raise Unprovable(f"Expected a table or view {name!r}: there is none")
        name, kind, sql = row
        if re.match(r"\s*CREATE\s+VIRTUAL", sql, re.IGNORECASE):
            raise Unprovable(f"{name} is a virtual table: its rows cannot be generated")
        described = self._connection.execute(f"PRAGMA table_xinfo({quoted(name)})").fetchall()
        keys = sorted((row[5], row[1]) for row in described if row[5])
        rowid = (
            keys[0][1]
            if len(keys) == 1
            and any(column[1] == keys[0][1] and column[2].upper() == "INTEGER" for column in described)
            else None
        )
        unique = [tuple(column for _, column in keys)] if keys else []
        indexes = []
        for _, index, is_unique, _, partial in self._connection.execute(f"PRAGMA index_list({quoted(name)})"):
            columns = tuple(
                column
                for _, _, column, _, _, key in self._connection.execute(f"PRAGMA index_xinfo({quoted(index)})")
                if key
            )
            definition = self._connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (index,)).fetchone()
            if definition is not None and definition[0] is not None:
                indexes.append(Index(index, columns, definition[0], bool(is_unique), bool(partial)))
            if is_unique and not partial and None not in columns:
                unique.append(tuple(str(column) for column in columns))
        return Table(
            name=name,
            columns=tuple(
                _column(each, required=each[1] == rowid or bool(each[3]), width=self._width(name, each, kind))
                for each in described
                if each[6] != 1
            ),
            keys=tuple(dict.fromkeys(unique)),
            checks=tuple(_checks(sql)),
            foreign_keys=tuple(self._foreign_keys(name)),
            indexes=tuple(indexes),
            definition=sql,
            view=kind == "view",
        )

    def _width(self, table: str, described: tuple[Any, ...], kind: str) -> float | None:
        """Average bytes of a text or binary column over the first rows; SQLite keeps no statistics of it."""
        if kind == "view" or not re.search("CHAR|CLOB|TEXT|JSON|BLOB", described[2], re.IGNORECASE):
            return None
        name = quoted(described[1])
        rows = f"SELECT {name} FROM {quoted(table)} LIMIT {_ROWS_LOOKED_AT}"
        (width,) = self._connection.execute(f"SELECT avg(length(CAST({name} AS BLOB))) FROM ({rows})").fetchone()
        return float(width) if width is not None else None

    def _foreign_keys(self, name: str) -> Iterator[ForeignKey]:
        rows: dict[int, list[Any]] = {}
        for row in self._connection.execute(f"PRAGMA foreign_key_list({quoted(name)})"):
            rows.setdefault(row[0], []).append(row)
        for parts in rows.values():
            # As the parent is stored, not as the reference spells it.
            found = self._connection.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND lower(name) = lower(?)", (parts[0][2],)
            ).fetchone()
            parent = found[0] if found is not None else parts[0][2]
            to = [part[4] for part in parts]
            if None in to:  # the parent's primary key is meant
                described = self._connection.execute(f"PRAGMA table_info({quoted(parent)})").fetchall()
                to = [row[1] for row in sorted(described, key=lambda row: row[5]) if row[5]]
            yield ForeignKey(tuple(part[3] for part in parts), parent, tuple(to))


class _Sandbox:
    def __init__(self, memory: sqlite3.Connection, tables: dict[str, Table], seconds: float) -> None:
        self._memory = memory
        self._tables = tables
        self._seconds = seconds
        # Where a parent is missing SQLite refuses every row of its children.
        labels = {label.lower() for label in tables}
        if any(key.parent.lower() not in labels for table in tables.values() for key in table.foreign_keys):
            memory.execute("PRAGMA foreign_keys = OFF")

    def load(self, rows: Mapping[str, Sequence[Row]], zone: str | None = None) -> dict[str, list[Row]]:
        if self._memory.in_transaction:
            self._memory.execute("ROLLBACK")
        self._memory.execute("BEGIN")
        kept: dict[str, list[Row]] = {}
        for label, wanted in rows.items():
            kept[label] = []
            for row in wanted:
                names = ", ".join(quoted(name) for name in row)
                places = ", ".join("?" * len(row))
                sql = f"INSERT OR IGNORE INTO {quoted(self._tables[label].name)} ({names}) VALUES ({places})"
                with contextlib.suppress(sqlite3.IntegrityError):  # a foreign key
                    if self._memory.execute(sql, [_encoded(value) for value in row.values()]).rowcount:
                        kept[label].append(row)
        return kept

    def run(self, statement: Statement, parameters: Sequence[Any]) -> Answer:
        try:
            with _bounded(self._memory, self._seconds):
                return _answer(self._memory.execute(statement.sql, _named(parameters)))
        except (sqlite3.Error, OverflowError) as error:
            raise QueryFailed(f"SQLite: {error}") from error


def _answer(cursor: sqlite3.Cursor) -> Answer:
    names = tuple(column[0] for column in cursor.description or ())
    return Answer(names, (), [tuple((type(cell).__name__, cell) for cell in row) for row in cursor])


@contextlib.contextmanager
def _bounded(connection: sqlite3.Connection, seconds: float) -> Iterator[None]:
    deadline = time.monotonic() + seconds
    connection.set_progress_handler(lambda: int(time.monotonic() > deadline), 10_000)
    try:
        yield
    except sqlite3.OperationalError as error:
        if is_interrupt(error) and time.monotonic() <= deadline:
            raise KeyboardInterrupt from error
        if is_interrupt(error):
            raise QueryEnded(f"The statement took more than {seconds:g} s and was ended") from error
        raise
    finally:
        connection.set_progress_handler(None, 0)


def _view_query(table: Table) -> Statement:
    body = re.sub(r"^.*?\bAS\b\s*", "", table.definition or "", count=1, flags=re.IGNORECASE | re.DOTALL)
    try:
        return parse(body, "sqlite")
    except UnreadableStatement as error:
        raise Unprovable(f"The view {table.name} cannot be read") from error


def _column(described: tuple[Any, ...], *, required: bool, width: float | None) -> Column:
    _, name, declared, _, _, _, hidden = described
    upper = declared.upper()
    kind: Kind = next((kind for part, kind in _KINDS if part in upper), "text" if not upper else "decimal")
    return Column(
        name=name,
        kind=kind,
        declared=declared,
        nullable=not required,
        generated=hidden in (2, 3),
        low=-(2**63) if kind == "integer" else None,
        high=2**63 - 1 if kind == "integer" else None,
        width=width,
    )


def _checks(sql: str) -> Iterator[str]:
    """The conditions of the CHECK constraints in a CREATE TABLE."""
    for found in re.finditer(r"\bCHECK\s*\(", sql, re.IGNORECASE):
        depth, start = 1, found.end()
        for position in range(start, len(sql)):
            depth += {"(": 1, ")": -1}.get(sql[position], 0)
            if depth == 0:
                yield sql[start:position]
                break


def _named(parameters: Sequence[Any]) -> dict[str, Any]:
    return {f"p{number}": _encoded(value) for number, value in enumerate(parameters, start=1)}


def _encoded(value: Any) -> Any:
    match value:
        case bool():
            return int(value)
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case dt.datetime():
            return value.isoformat(sep=" ")
        case dt.date() | dt.time():
            return value.isoformat()
    return value
