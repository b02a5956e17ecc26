"""Copy PostgreSQL's tables into a clone: whole, or a sample with all that it refers to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..exceptions import DatabaseFailed, NoPrivilege

if TYPE_CHECKING:
    from .connections import Database

__all__ = ["CopiedTable", "Table", "complete_references", "copy_table", "list_tables"]

# Ordinary tables that are no partition, and the roots of partitioned ones, through which all their rows are copied.
_TABLES = """
SELECT c.oid, format('%I.%I', n.nspname, c.relname), c.relkind = 'p',
    CASE WHEN c.relkind = 'p'
        THEN (SELECT sum(greatest(p.reltuples, 0)) FROM pg_partition_tree(c.oid) t JOIN pg_class p ON p.oid = t.relid
            WHERE t.isleaf)
        ELSE c.reltuples END::float8,
    c.relpages, (SELECT count(*) FROM pg_inherits i WHERE i.inhparent = c.oid) > 0,
    has_table_privilege(c.oid, 'SELECT'),
    ARRAY(SELECT quote_ident(a.attname) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0
        AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_toast%'
    AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 2
"""
_FOREIGN_KEYS = """
SELECT format('%I.%I', n.nspname, c.relname), format('%I.%I', pn.nspname, p.relname),
    ARRAY(SELECT quote_ident(a.attname) FROM unnest(k.conkey) WITH ORDINALITY AS u(number, place)
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number ORDER BY u.place),
    ARRAY(SELECT quote_ident(a.attname) FROM unnest(k.confkey) WITH ORDINALITY AS u(number, place)
        JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.number ORDER BY u.place)
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
WHERE k.contype = 'f' AND k.conparentid = 0
ORDER BY 1, 2
"""
_BATCH = 10_000
_MANY_PAGES = 131_072
"""A gigabyte."""


@dataclass(frozen=True)
class Table:
    """One table of the database that is cloned; names are quoted where they must be."""

    name: str
    partitioned: bool
    estimated_rows: float
    """-1: never analyzed."""
    pages: int
    inherited: bool
    readable: bool
    columns: list[str] = field(default_factory=list)
    """Without generated ones."""


@dataclass(frozen=True)
class CopiedTable:
    """How much of a table there is in the clone."""

    columns: list[str]
    rows: int
    rows_there: int
    """In the database cloned: counted where the table was copied whole, else as its statistics say."""


def list_tables(database: Database) -> list[Table]:
    """All tables whose rows a clone needs."""
    return [Table(*row[1:]) for row in database.rows(_TABLES)]


def copy_table(database: Database, clone: Database, table: Table, *, rows: int, seed: int) -> CopiedTable | str | None:
    """Copy a table; one with more than `rows` rows as a sample. A line says why where it cannot be; None: the clone has
    not even the table.

    Raises:
        DatabaseLocked, DatabaseUnreachable, StatementTimedOut: see `Database.guarded`.
    """
    if not table.readable:
        return None  # with the table itself, and said
    if not table.columns:
        return f"rows of {table.name} are not in the clone: it has no columns to copy"
    estimated = table.estimated_rows
    if estimated < 0:
        [(estimated,)] = database.rows(f"SELECT count(*) FROM {table.name}")
    source = f"{table.name}" if table.partitioned or not table.inherited else f"ONLY {table.name}"
    share = rows / estimated if estimated > rows else 1.0
    method = "SYSTEM" if table.pages > _MANY_PAGES else "BERNOULLI"  # by whole pages, or reading all of them
    sample = "" if share >= 1 else f" TABLESAMPLE {method} ({100 * share:.6f}) REPEATABLE ({seed})"
    columns = ", ".join(table.columns)
    try:
        copied = _copy(database, clone, f"SELECT {columns} FROM {source}{sample}", table.name, table.columns)
    except DatabaseFailed as error:
        if type(error) not in (DatabaseFailed, NoPrivilege):
            raise
        return f"rows of {table.name} are not in the clone: {error.message}"
    return CopiedTable(table.columns, copied, round(estimated) if sample else copied)


def complete_references(database: Database, clone: Database, tables: dict[str, CopiedTable]) -> list[str]:
    """Fetch what rows of the sample refer to and is not in it, until every foreign key holds; updates `tables`.

    A line for each foreign key that cannot be made to hold.
    """
    keys = [key for key in database.rows(_FOREIGN_KEYS) if key[0] in tables and key[1] in tables]
    helping = [f"perfloop_reference_{number}" for number in range(len(keys))]
    for index, key in zip(helping, keys, strict=True):  # constraints and their indexes come after the data
        clone.rows(f"CREATE INDEX {index} ON {key[1]} ({', '.join(key[3])})")
    stuck: set[tuple[str, str]] = set()
    changed = True
    while changed:
        changed = False
        for child, parent, columns, referenced in keys:
            while (child, parent) not in stuck and (missing := _missing(clone, child, parent, columns, referenced)):
                fetched = _fetch(database, clone, parent, tables[parent].columns, referenced, missing)
                if not fetched:
                    stuck.add((child, parent))
                    break
                changed = True
                before = tables[parent]
                tables[parent] = CopiedTable(before.columns, before.rows + fetched, before.rows_there)
    for index, key in zip(helping, keys, strict=True):
        clone.rows(f"DROP INDEX {key[1].rpartition('.')[0]}.{index}")
    return [f"rows of {parent} that {child} refers to are not in {database.name}" for child, parent in sorted(stuck)]


def _missing(
    clone: Database, child: str, parent: str, columns: list[str], referenced: list[str]
) -> list[tuple[Any, ...]]:
    """Some keys that rows of `child` hold and `parent` has not, as text."""
    same = " AND ".join(f"p.{theirs} = c.{own}" for own, theirs in zip(columns, referenced, strict=True))
    present = " AND ".join(f"c.{own} IS NOT NULL" for own in columns)
    return clone.rows(
        f"SELECT DISTINCT {', '.join(f'c.{own}::text' for own in columns)} FROM {child} c "
        f"WHERE {present} AND NOT EXISTS (SELECT FROM {parent} p WHERE {same}) LIMIT {_BATCH}"
    )


def _fetch(
    database: Database, clone: Database, parent: str, columns: list[str], key: list[str], values: list[tuple[Any, ...]]
) -> int:
    types = dict(
        database.rows(
            "SELECT quote_ident(attname), format_type(atttypid, atttypmod) FROM pg_attribute "
            "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
            (parent,),
        )
    )
    names = [f"k{number}" for number in range(len(key))]
    arrays = ", ".join(f"%s::text[]::{types[column]}[]" for column in key)
    same = " AND ".join(f"p.{column} = k.{name}" for column, name in zip(key, names, strict=True))
    query = (
        f"SELECT {', '.join(f'p.{column}' for column in columns)} FROM {parent} p "
        f"JOIN unnest({arrays}) AS k({', '.join(names)}) ON {same}"
    )
    parameters = [[row[number] for row in values] for number in range(len(key))]
    return _copy(database, clone, query.replace("%", "%%").replace("%%s", "%s"), parent, columns, parameters)


def _copy(
    database: Database, clone: Database, query: str, table: str, columns: list[str], parameters: Any = None
) -> int:
    """Pass rows from one database to the other as they come; how many."""
    out, into = database.connection.cursor(), clone.connection.cursor()
    with clone.guarded(), database.guarded():
        savepoint = database.connection.info.transaction_status.name == "INTRANS"
        if savepoint:
            database.connection.execute("SAVEPOINT copying")
        try:
            with (
                out.copy(f"COPY ({query}) TO STDOUT", parameters) as source,
                into.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as sink,
            ):
                for data in source:
                    sink.write(data)
        except BaseException:
            if savepoint and not database.connection.closed:
                database.connection.execute("ROLLBACK TO copying")
            raise
    count: int = into.rowcount
    if count < 0:
        raise DatabaseFailed("PostgreSQL did not say how many rows were copied", where=table)
    return count
