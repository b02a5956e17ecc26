"""The proof on PostgreSQL: generated rows go to schemas that exist only inside a transaction, which is rolled back."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import errors
from sqlglot import exp

from .engine import QueryEnded, QueryFailed, Snapshot, TooManyRows, Unprovable, in_words, within
from .postgresql_catalog import read_tables, view_query
from .results import Answer
from .statement import Dialect, Statement, generate, normal, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..connections import Database
    from .adversarial import Row
    from .tables import Table

__all__ = ["PostgreSQLEngine"]

_SCRATCH = "perfloop_proof"


class PostgreSQLEngine:
    """By a connection to a clone, which may create schemas there. Nothing it does outlives its transaction."""

    dialect: Dialect = "postgresql"

    def __init__(self, database: Database) -> None:
        """Use a clone; its limits bound each statement and each wait for a lock."""
        self._database = database
        self._connection: psycopg.Connection[Any] = database.connection

    def tables(self, statements: Sequence[Statement]) -> list[Table]:
        """See Engine."""
        names = [name for statement in statements for name in statement.table_names]
        with in_words(self._database), self._database.rolled_back():
            return read_tables(self._connection, list(dict.fromkeys(names)))

    def volatile(self, names: set[str]) -> frozenset[str]:
        """See Engine."""
        with in_words(self._database), self._database.rolled_back():
            rows = self._connection.execute(
                "SELECT DISTINCT proname::text FROM pg_proc WHERE proname = ANY(%s) AND provolatile = 'v'",
                (list(names),),
            ).fetchall()
        return frozenset(name for (name,) in rows)

    def samples(self, table: Table, column: str, count: int) -> list[Any]:
        """See Engine; as text."""
        name = quoted(column)
        sql = f"SELECT {name}::text FROM {_name(table)} WHERE {name} IS NOT NULL LIMIT {count:d}"
        with in_words(self._database), self._database.rolled_back():
            return [value for (value,) in self._connection.execute(sql.encode())]

    @contextlib.contextmanager
    def sandbox(self, tables: Sequence[Table]) -> Iterator[_Sandbox]:
        """See Engine."""
        with self._database.rolled_back():
            with in_words(self._database):
                sandbox = _Sandbox(self._connection, tables)
            yield sandbox

    def answer(self, statement: Statement, parameters: Sequence[Any]) -> Answer:
        """See Engine."""
        with in_words(self._database), self._database.rolled_back():
            return _answer(self._execute(statement.sql, parameters))

    def snapshot(
        self, original: Statement, rewrite: Statement, parameters: Sequence[Any], *, ordered: bool, deadline: float
    ) -> Snapshot:
        """See Engine. Rows are compared as text, which every type has; NULLs are alike."""
        sql = f"""
            WITH o AS MATERIALIZED (SELECT perfloop::text AS r FROM ({original.sql}\n) perfloop),
                 r AS MATERIALIZED (SELECT perfloop::text AS r FROM ({rewrite.sql}\n) perfloop)
            SELECT (SELECT count(*) FROM o),
                   (SELECT count(*) FROM (SELECT r FROM o EXCEPT ALL SELECT r FROM r) missing),
                   (SELECT count(*) FROM (SELECT r FROM r EXCEPT ALL SELECT r FROM o) extra)"""
        with self._database.rolled_back(snapshot=True):
            rows, missing, extra = self._within(deadline, sql, parameters).fetchone() or (0, 0, 0)
            same = None
            if ordered:
                sql = "SELECT md5(string_agg(perfloop::text, chr(10))) FROM ({}\n) perfloop"
                first, second = (
                    self._within(deadline, sql.format(statement.sql), parameters).fetchone()
                    for statement in (original, rewrite)
                )
                same = first == second
        return Snapshot(rows, missing, extra, same)

    @contextlib.contextmanager
    def stopwatch(self, needs: Sequence[str], deadline: float) -> Iterator[PostgreSQLEngine]:
        """See Engine: nothing but what the rewrite needs is written."""
        with self._database.rolled_back(snapshot=True):
            for ddl in needs:
                self._within(deadline, ddl)
            yield self

    def plan(self, statement: Statement, parameters: Sequence[Any]) -> object:
        """See Stopwatch."""
        with in_words(self._database):
            return _shape(self._explain(statement, parameters, "COSTS OFF"))

    def run(self, statement: Statement, parameters: Sequence[Any], deadline: float) -> tuple[float, int | None]:
        """See Stopwatch: EXPLAIN (ANALYZE, BUFFERS)."""
        with within(self._database, deadline), in_words(self._database):
            self._limit()
            self._connection.execute("SAVEPOINT perfloop_run")
            try:
                plan = self._explain(statement, parameters, "ANALYZE, BUFFERS, TIMING OFF")
            except errors.QueryCanceled:
                self._connection.execute("ROLLBACK TO perfloop_run")
                raise
            self._connection.execute("RELEASE perfloop_run")
        root = plan["Plan"]
        return float(plan["Execution Time"]), int(root["Shared Hit Blocks"]) + int(root["Shared Read Blocks"])

    def _within(self, deadline: float, sql: str, parameters: Sequence[Any] = ()) -> psycopg.Cursor[Any]:
        with within(self._database, deadline), in_words(self._database):
            self._limit()
            return self._execute(sql, parameters)

    def _limit(self) -> None:
        """Have the transaction's statements end as the limits of now say."""
        self._connection.execute(f"SET LOCAL statement_timeout = {self._database.limits.statement * 1e3:.0f}".encode())

    def _explain(self, statement: Statement, parameters: Sequence[Any], options: str) -> dict[str, Any]:
        row = self._execute(f"EXPLAIN ({options}, FORMAT JSON) {statement.sql}", parameters).fetchone()
        plan = row[0] if row is not None else []
        return dict((json.loads(plan) if isinstance(plan, str) else plan)[0])

    def _execute(self, sql: str, parameters: Sequence[Any]) -> psycopg.Cursor[Any]:
        return _execute(self._connection, sql, parameters)


class _Sandbox:
    def __init__(self, connection: psycopg.Connection[Any], tables: Sequence[Table]) -> None:
        self._connection = connection
        self._tables = {table.label: table for table in tables}
        self._loaded = False
        # One scratch schema for each schema that tables come from, called first where the search path has them.
        path = [name for (name,) in connection.execute("SELECT unnest(current_schemas(false))::text")]
        schemas = dict.fromkeys(table.schema or "public" for table in tables)
        self._scratch = {schema: f"{_SCRATCH}_{number}" for number, schema in enumerate(schemas)}
        try:
            connection.execute("SET LOCAL jit = off")  # tables without statistics look large to the planner
            self._create(tables)
            names = [self._scratch[schema] for schema in path if schema in self._scratch] + path
            connection.execute(f"SET LOCAL search_path = {', '.join(map(quoted, names)) or quoted('')}".encode())
        except errors.InsufficientPrivilege as error:
            raise Unprovable(
                f"The tables cannot be made anew on the clone, {str(error).splitlines()[0]}: its user needs the "
                "privilege CREATE on the database"
            ) from error

    def _create(self, tables: Sequence[Table]) -> None:
        for scratch in self._scratch.values():
            self._do(f"CREATE SCHEMA {quoted(scratch)}")
        for table in tables:
            if not table.view:
                self._do(f"CREATE TABLE {self._place(table)} (LIKE {_name(table)} INCLUDING ALL)")
        for table in tables:
            for key in table.foreign_keys:
                # A parent that the statements do not read holds nothing back.
                if key.parent in self._tables:
                    own, theirs = (", ".join(map(quoted, names)) for names in (key.columns, key.parent_columns))
                    parent = self._place(self._tables[key.parent])
                    self._do(f"ALTER TABLE {self._place(table)} ADD FOREIGN KEY ({own}) REFERENCES {parent} ({theirs})")
        views = [table for table in tables if table.view]
        while views:
            # A view comes after those it reads.
            labels = {view.label for view in views}
            view = next(
                (
                    view
                    for view in views
                    if not labels & {f"{schema}.{name}" for schema, name in view_query(view).table_names}
                ),
                views[0],
            )
            self._do(f"CREATE VIEW {self._place(view)} AS {self._relocated(view_query(view))}")
            views.remove(view)

    def load(self, rows: Mapping[str, Sequence[Row]], zone: str | None = None) -> dict[str, list[Row]]:
        if not self._loaded:
            self._do("SAVEPOINT perfloop_rows")
            self._loaded = True
        self._empty(zone)
        try:
            for label, wanted in rows.items():
                if wanted:
                    self._insert(self._tables[label], wanted)
            kept = {label: list(wanted) for label, wanted in rows.items()}
        except (errors.IntegrityError, errors.DataError):  # some row breaks a constraint
            self._empty(zone)
            kept = {
                label: [row for row in wanted if self._let_in(self._tables[label], row)]
                for label, wanted in rows.items()
            }
        self._do("SAVEPOINT perfloop_run")
        return kept

    def _empty(self, zone: str | None) -> None:
        # One round trip for both.
        self._do("ROLLBACK TO perfloop_rows" + (f"; SET LOCAL TimeZone = '{zone}'" if zone is not None else ""))

    def run(self, statement: Statement, parameters: Sequence[Any]) -> Answer:
        qualified = any(schema is not None for schema, _ in statement.table_names)
        sql = self._relocated(statement) if qualified else statement.sql
        try:
            cursor = _execute(self._connection, sql, parameters)
        except errors.QueryCanceled as error:
            raise QueryEnded("A statement took too long on a few generated rows and was ended") from error
        except psycopg.Error as error:
            self._do("ROLLBACK TO perfloop_run")
            kind = TooManyRows if isinstance(error, errors.CardinalityViolation) else QueryFailed
            raise kind(str(error).splitlines()[0]) from error
        return _answer(cursor)

    def _let_in(self, table: Table, row: Row) -> bool:
        self._do("SAVEPOINT perfloop_insert")
        try:
            self._insert(table, [row])
        except (errors.IntegrityError, errors.DataError):
            self._do("ROLLBACK TO perfloop_insert")
            return False
        self._do("RELEASE perfloop_insert")
        return True

    def _insert(self, table: Table, rows: Sequence[Row]) -> None:
        names = list(rows[0])
        values = [_encoded(row[name]) for row in rows for name in names]
        groups = [
            "(" + ", ".join(f"${place + number + 1}" for number in range(len(names))) + ")"
            for place in range(0, len(values), len(names) or 1)
        ]
        sql = (
            f"INSERT INTO {self._place(table)} ({', '.join(map(quoted, names))}) OVERRIDING SYSTEM VALUE "
            f"VALUES {', '.join(groups)}"
        )
        _execute(self._connection, sql, values)

    def _relocated(self, statement: Statement) -> str:
        """The statement's text, reading the scratch schemas where it names the real ones."""
        tree = statement.tree.copy()
        for node in tree.find_all(exp.Table, exp.Column):
            scratch = self._scratch.get(normal(node.args.get("db"), statement.dialect) or "")
            if scratch is not None:
                node.set("db", exp.to_identifier(scratch, quoted=True))
        return generate(tree, statement.dialect)

    def _place(self, table: Table) -> str:
        return f"{quoted(self._scratch[table.schema or 'public'])}.{quoted(table.name)}"

    def _do(self, sql: str) -> None:
        self._connection.execute(sql.encode())


def _execute(connection: psycopg.Connection[Any], sql: str, parameters: Sequence[Any]) -> psycopg.Cursor[Any]:
    """Run SQL with `$1` placeholders; every value goes as text whose type the server infers."""
    cursor = psycopg.RawCursor(connection)
    return cursor.execute(sql.encode(), [_encoded(value) for value in parameters] or None, prepare=False)


def _answer(cursor: psycopg.Cursor[Any]) -> Answer:
    result = cursor.pgresult
    if result is None:
        return Answer((), (), [])
    columns = range(result.nfields)
    return Answer(
        tuple((result.fname(column) or b"").decode() for column in columns),
        tuple(result.ftype(column) for column in columns),
        [tuple(_text(result.get_value(row, column)) for column in columns) for row in range(result.ntuples)],
    )


def _shape(plan: Any) -> Any:
    """A plan without what differs between executions of the same one."""
    if isinstance(plan, dict):
        return {key: _shape(value) for key, value in plan.items() if key not in ("Planning Time", "Execution Time")}
    return [_shape(value) for value in plan] if isinstance(plan, list) else plan


def _name(table: Table) -> str:
    return f"{quoted(table.schema or 'public')}.{quoted(table.name)}"


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="replace")


def _encoded(value: Any) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case bytes():
            return "\\x" + value.hex()
    return str(value)
