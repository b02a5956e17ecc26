"""A clone to try things on: schema and data of a database, whole or sampled, where writing is allowed.

PostgreSQL's schema is what pg_dump says it is. Of a table with many rows a sample is taken, and then whatever rows of
other tables it refers to, so that every foreign key holds. SQLite's file is copied by its own backup.
"""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..exceptions import ConfigurationError, DatabaseFailed, PerfloopError
from .connections import Database, Limits, open_database
from .local_server import run_local_server
from .schema_dump import dump_schema, restore
from .scratch import scratch_directory
from .table_copy import CopiedTable, complete_references, copy_table, list_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Clone", "CloneOptions", "ClonedTable", "clone_database"]

ClonedTable = CopiedTable

# What the planner's choices depend on, besides the data.
_PLANNER = (
    "category ~ '^Query Tuning' OR name IN ('work_mem', 'hash_mem_multiplier', 'effective_io_concurrency', 'jit')"
)


_PREFIX = "perfloop_clone_"
_IN_USE = 0x70657266
"""First key of the advisory locks of clones in use; the second is what stands behind the prefix in the name."""
_ABANDONED = """
SELECT datname FROM pg_database AS d
WHERE datname ~ %s AND pg_has_role(datdba, 'MEMBER')
    AND NOT EXISTS (SELECT FROM pg_stat_activity AS a WHERE a.datid = d.oid)
    AND NOT EXISTS (
        SELECT FROM pg_locks AS l WHERE l.locktype = 'advisory' AND l.classid = %s AND l.objsubid = 2
            AND l.objid::bigint = ('x' || right(datname, 8))::bit(32)::bigint)
ORDER BY 1
"""
_PAGES_A_STEP = 5_000
"""Of SQLite's backup: 20 MB of the usual pages."""


@dataclass(frozen=True)
class CloneOptions:
    """How a clone is made.

    Attributes:
        rows: a table with more is sampled to about so many; SQLite is copied whole.
        seed: of the sample: the same rows each time while the table stays as it is.
        limits: of the clone's connection; its statements may run longer.
    """

    rows: int = 1_000_000
    seed: int = 1
    limits: Limits = field(default_factory=lambda: Limits(statement=120.0))


@dataclass(frozen=True)
class Clone:
    """A clone, there until the block it was made for ends.

    Attributes:
        database: an open connection to it, in which the planner is set as in the database cloned; more by
            `open_database(clone.database.address, writable=True)`.
        tables: by their quoted name with the schema, `public."Order"`; empty for SQLite.
        left_out: what could not be cloned, and why, a line each.
    """

    database: Database
    tables: dict[str, ClonedTable]
    left_out: list[str]

    @property
    def sampled(self) -> bool:
        """Some table has only part of its rows."""
        return any(table.rows < table.rows_there for table in self.tables.values())


@contextlib.contextmanager
def clone_database(
    database: Database,
    *,
    onto: str | None = None,
    options: CloneOptions | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Iterator[Clone]:
    """Clone a database; the clone is gone at the end of the block.

    Args:
        onto: the URL of a PostgreSQL server, another than the database's own, on which the user may create databases:
            one is made there, and dropped at the end. By default a private server is started on this machine.
        progress: told a line for each step.

    Raises:
        ConfigurationError: `onto` is the server of the database itself, or no PostgreSQL is installed here.
        NoPrivilege: no database may be created there, or the schema may not be read.
        DatabaseLocked, DatabaseUnreachable, DatabaseFailed: see `Database.guarded`.
    """
    options = options or CloneOptions()
    if database.dialect == "sqlite":
        if onto is not None:
            raise ConfigurationError("Expected no server for the clone of an SQLite file: it is copied into a file")
        with _copy_file(database, options) as clone:
            yield clone
        return
    with contextlib.ExitStack() as stack:
        if onto is None:
            progress("starting a private PostgreSQL")
            onto = stack.enter_context(run_local_server(version=database.version[0])).dsn()
        server = stack.enter_context(open_database(onto, writable=True, limits=options.limits))
        if server.dialect != "postgresql":
            raise ConfigurationError("Expected the URL of a PostgreSQL server for the clone", got=server.name)
        if _started(server) == _started(database):
            raise ConfigurationError(
                "Expected another server for the clone than the one that is advised on", got=server.name
            )
        abandoned = _drop_abandoned(server, progress)
        address, notes = stack.enter_context(_new_database(server, database))
        notes += abandoned
        opened = stack.enter_context(open_database(address, writable=True, limits=options.limits))
        yield _fill(database, opened, options, notes, progress)


def _fill(
    database: Database, clone: Database, options: CloneOptions, notes: list[str], progress: Callable[[str], None]
) -> Clone:
    progress("reading the schema")
    schema = dump_schema(database)
    notes += [*schema.left_out, *restore(clone, schema.before_data)]
    tables: dict[str, ClonedTable] = {}
    with database.rolled_back(snapshot=True):
        there = list_tables(database)
        for number, table in enumerate(there, 1):
            progress(f"copying {table.name} ({number} of {len(there)})")
            copied = copy_table(database, clone, table, rows=options.rows, seed=options.seed)
            if isinstance(copied, str):
                notes.append(copied)
            elif copied is not None:
                tables[table.name] = copied
        if any(table.rows < table.rows_there for table in tables.values()):
            progress("completing what the sample refers to")
            notes += complete_references(database, clone, tables)
        _copy_sequences(database, clone)
    progress("building indexes and constraints")
    notes += restore(clone, schema.after_data)
    notes += _fill_materialized_views(clone)
    progress("collecting statistics")
    # On a server that commits asynchronously VACUUM finds rows whose commit is not on disk yet, and marks no page of
    # them as visible to all: a synchronous commit of something brings all before it there.
    clone.rows("SET synchronous_commit = on")
    clone.rows("SELECT pg_logical_emit_message(true, 'perfloop', '')")
    clone.rows("VACUUM (ANALYZE)")
    clone.rows("RESET synchronous_commit")
    _copy_settings(database, clone)
    return Clone(clone, tables, notes)


@contextlib.contextmanager
def _new_database(server: Database, like: Database) -> Iterator[tuple[str, list[str]]]:
    """The address of a new database with the encoding and collation of another, dropped at the end."""
    import psycopg
    from psycopg import sql

    number = secrets.token_bytes(4)
    name = f"{_PREFIX}{number.hex()}"
    [(encoding, collation, ctype)] = like.rows(
        "SELECT pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database WHERE datname = current_database()"
    )
    notes = []

    def create(encoding: str, collation: str, ctype: str) -> None:
        text = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}").format(
            sql.Identifier(name), sql.Literal(encoding), sql.Literal(collation), sql.Literal(ctype)
        )
        server.rows(text.as_string(server.connection))

    # Says, from before the database is there until this connection ends, that it is in use.
    server.rows("SELECT pg_advisory_lock(%s, %s)", (_IN_USE, int.from_bytes(number, "big", signed=True)))
    try:
        create(encoding, collation, ctype)
    except DatabaseFailed as error:
        if not isinstance(error.__cause__, psycopg.errors.WrongObjectType | psycopg.errors.InvalidParameterValue):
            raise
        create("UTF8", "C", "C")
        notes.append(
            f"the clone sorts text by C: the collation {collation} ({encoding}) of {like.name} is not installed there"
        )
    address = psycopg.conninfo.make_conninfo(server.address, dbname=name)
    try:
        yield address, notes
    except BaseException:
        # What went wrong is told, not that the database cannot be dropped because of it: the next run drops it.
        with contextlib.suppress(PerfloopError):
            _drop(server, name)
        raise
    _drop(server, name)


def _drop(server: Database, name: str) -> None:
    with open_database(server.address, writable=True) as again:
        again.rows(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _drop_abandoned(server: Database, progress: Callable[[str], None]) -> list[str]:
    """Drop the clones of this user that runs which were killed have left there; a line for each that stays."""
    notes = []
    for (name,) in server.rows(_ABANDONED, (f"^{_PREFIX}[0-9a-f]{{8}}$", _IN_USE)):
        try:
            server.rows(f"DROP DATABASE IF EXISTS {name}")  # refused as soon as anybody is in it
        except DatabaseFailed as error:
            notes.append(
                f"{name} on {server.name} is left of a run that was killed, and cannot be dropped: {error.message}; "
                f"when nobody uses it: DROP DATABASE {name}"
            )
        else:
            progress(f"dropped {name}, which a run that was killed had left")
    return notes


def _copy_sequences(database: Database, clone: Database) -> None:
    """Give the clone's sequences the values that come next, where the user may read them."""
    rows = database.rows(
        "SELECT format('%I.%I', schemaname, sequencename), last_value FROM pg_sequences WHERE last_value IS NOT NULL"
    )
    for name, value in rows:
        with contextlib.suppress(DatabaseFailed):  # the sequence was left out with what owns it
            clone.rows("SELECT setval(%s::regclass, %s)", (name, value))


def _fill_materialized_views(clone: Database) -> list[str]:
    notes = []
    for (name,) in clone.rows("SELECT format('%I.%I', schemaname, matviewname) FROM pg_matviews"):
        try:
            clone.rows(f"REFRESH MATERIALIZED VIEW {name}")
        except DatabaseFailed as error:
            notes.append(f"the materialized view {name} is empty in the clone: {error.message}")
    return notes


def _copy_settings(database: Database, clone: Database) -> None:
    """Have the clone plan as the database does, and find names where it finds them: this and every later session."""
    settings = database.rows(f"SELECT name, setting FROM pg_settings WHERE {_PLANNER}")
    [(path,)] = database.rows("SELECT array_to_string(ARRAY(SELECT quote_ident(unnest(current_schemas(false)))), ', ')")
    for name, value in [*settings, ("search_path", path)]:
        with contextlib.suppress(DatabaseFailed):  # of another version: a setting that one of the two has not
            clone.rows("SELECT set_config(%s, %s, false)", (name, value))
            clone.rows(
                f"DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET {name} FROM CURRENT', current_database()); END $$"
            )


def _started(database: Database) -> object:
    """When its server was started, to the microsecond: two servers do not share it."""
    return database.rows("SELECT pg_postmaster_start_time()")


@contextlib.contextmanager
def _copy_file(database: Database, options: CloneOptions) -> Iterator[Clone]:
    with scratch_directory() as (directory, _):
        path = directory / "clone.sqlite3"
        target = sqlite3.connect(path)
        try:
            # A transaction keeps the lock between the steps: without one, each write begins the copy anew, and a
            # writer that never lets go is waited for without end. Between the steps a ^C is heard.
            with database.rolled_back(), database.guarded():
                database.connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
                database.connection.backup(target, pages=_PAGES_A_STEP, progress=lambda *_: None)
        except DatabaseFailed as error:
            if getattr(error.__cause__, "sqlite_errorcode", 0) & 0xFF not in (
                sqlite3.SQLITE_FULL,
                sqlite3.SQLITE_IOERR,
            ):
                raise
            raise DatabaseFailed(
                f"The file cannot be copied, perhaps for want of room: {error.__cause__}",
                where=str(directory.parent),
                hint="TMPDIR names another directory for it",
            ) from error
        finally:
            target.close()
        with open_database(str(path), writable=True, limits=options.limits) as clone:
            yield Clone(clone, {}, [])
