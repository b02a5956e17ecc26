"""Tables as PostgreSQL's catalogues describe them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ...exceptions import UnreadableStatement
from .engine import Unprovable
from .statement import Statement, parse
from .tables import Column, ForeignKey, Index, Kind, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

__all__ = ["read_tables", "view_query"]

_KINDS: dict[str, Kind] = {
    "int2": "integer",
    "int4": "integer",
    "int8": "integer",
    "numeric": "decimal",
    "float4": "float",
    "float8": "float",
    "text": "text",
    "varchar": "text",
    "bpchar": "text",
    "name": "text",
    "citext": "text",
    "bool": "boolean",
    "date": "date",
    "timestamp": "timestamp",
    "timestamptz": "timestamptz",
    "time": "time",
    "uuid": "uuid",
    "json": "json",
    "jsonb": "json",
    "bytea": "binary",
}
_BITS = {"int2": 15, "int4": 31, "int8": 63}

_RELATION = """
SELECT c.oid, n.nspname, c.relname, c.relkind, c.reltuples
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = to_regclass(%s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""
_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), b.typname, a.attnotnull OR t.typnotnull,
       a.attgenerated <> '', CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END, s.avg_width,
       ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = b.oid ORDER BY e.enumsortorder)
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_type t ON t.oid = a.atttypid
JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
LEFT JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_INDEXES = """
SELECT i.relname, x.indisunique, x.indpred IS NOT NULL, pg_get_indexdef(x.indexrelid),
       ARRAY(SELECT a.attname::text FROM unnest(x.indkey[0:x.indnkeyatts - 1]) WITH ORDINALITY k(number, place)
             LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.number AND k.number > 0
             ORDER BY k.place)
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
WHERE x.indrelid = %s AND x.indisvalid AND x.indimmediate
"""
_CONSTRAINTS = """
SELECT o.contype, pg_get_constraintdef(o.oid), n.nspname, p.relname,
       ARRAY(SELECT a.attname::text FROM unnest(o.conkey) WITH ORDINALITY k(number, place)
             JOIN pg_attribute a ON a.attrelid = o.conrelid AND a.attnum = k.number ORDER BY k.place),
       ARRAY(SELECT a.attname::text FROM unnest(o.confkey) WITH ORDINALITY k(number, place)
             JOIN pg_attribute a ON a.attrelid = o.confrelid AND a.attnum = k.number ORDER BY k.place)
FROM pg_constraint o
LEFT JOIN pg_class p ON p.oid = o.confrelid
LEFT JOIN pg_namespace n ON n.oid = p.relnamespace
WHERE o.conrelid = %s AND o.contype IN ('c', 'f') AND o.convalidated
"""


def read_tables(connection: psycopg.Connection[Any], names: Sequence[tuple[str | None, str]]) -> list[Table]:
    """The tables and views of these names, and what the views read, by the search path; inside a transaction.

    Raises:
        Unprovable: a name means no table.
    """
    found: dict[int, Table] = {}
    wanted = list(names)
    while wanted:
        schema, name = wanted.pop()
        written = ".".join('"' + part.replace('"', '""') + '"' for part in (schema, name) if part is not None)
        row = connection.execute(_RELATION, (written,)).fetchone()
        if row is None:
            raise Unprovable(f"Expected a table or view {written}: there is none")
        if row[0] in found:
            continue
        table = _table(connection, row)
        if table.schema in ("pg_catalog", "information_schema"):
            raise Unprovable(f"{table.label} is the database's own: its rows cannot be generated")
        found[row[0]] = table
        if table.view:
            wanted += view_query(table).table_names
    return list(found.values())


def view_query(view: Table) -> Statement:
    """A view's definition, with every name qualified. Raises Unprovable."""
    try:
        return parse(view.definition or "", "postgresql")
    except UnreadableStatement as error:
        raise Unprovable(f"The view {view.label} cannot be read: {error}") from error


def _table(connection: psycopg.Connection[Any], row: tuple[Any, ...]) -> Table:
    oid, schema, name, relkind, tuples = row
    columns = tuple(_column(each) for each in connection.execute(_COLUMNS, (oid,)))
    indexes, keys = [], []
    for index, unique, partial, definition, names in connection.execute(_INDEXES, (oid,)):
        indexes.append(Index(index, tuple(names), definition, unique, partial))
        if unique and not partial and None not in names:
            keys.append(tuple(names))
    checks, foreign_keys = [], []
    for kind, definition, parent_schema, parent, own, theirs in connection.execute(_CONSTRAINTS, (oid,)):
        if kind == "c":
            checks.append(re.sub(r"^CHECK \((.*)\)(?: NO INHERIT)?$", r"\1", definition, flags=re.DOTALL))
        else:
            foreign_keys.append(ForeignKey(tuple(own), f"{parent_schema}.{parent}", tuple(theirs)))
    definition = None
    if relkind == "v":
        # Without a search path every name in it is qualified.
        connection.execute("SAVEPOINT perfloop_view")
        connection.execute("SET LOCAL search_path = ''")
        fetched = connection.execute("SELECT pg_get_viewdef(%s)", (oid,)).fetchone()
        connection.execute("ROLLBACK TO perfloop_view")
        definition = fetched[0] if fetched is not None else None
    return Table(
        name=name,
        schema=schema,
        columns=columns,
        keys=tuple(keys),
        checks=tuple(checks),
        foreign_keys=tuple(foreign_keys),
        indexes=tuple(indexes),
        definition=definition,
        view=relkind == "v",
        rows=float(tuples) if tuples >= 0 else None,
    )


def _column(row: tuple[Any, ...]) -> Column:
    name, declared, base, required, generated, modifier, width, labels = row
    kind: Kind = "enum" if labels else "array" if declared.endswith("[]") else _KINDS.get(base, "other")
    bits = _BITS.get(base)
    sized = modifier is not None and modifier >= 4
    return Column(
        name=name,
        kind=kind,
        declared=declared,
        nullable=not required,
        generated=generated,
        low=-(2**bits) if bits is not None else None,
        high=2**bits - 1 if bits is not None else None,
        length=modifier - 4 if kind == "text" and sized else None,
        padded=base == "bpchar",
        precision=(modifier - 4) >> 16 if kind == "decimal" and sized else None,
        scale=(modifier - 4) & 0x7FF if kind == "decimal" and sized else None,
        infinite=kind in ("float", "date", "timestamp", "timestamptz") or (kind == "decimal" and not sized),
        labels=tuple(labels),
        width=float(width) if width is not None else None,
    )
