"""Reads PostgreSQL's catalogue and statistics."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from .catalogue import Catalogue, Column, ExistingIndex, ForeignKey, Table
from .definition import IndexDefinition, IndexKey

if TYPE_CHECKING:
    import psycopg

__all__ = ["read_catalogue"]

_OWN = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%' AND n.nspname NOT LIKE 'pg_temp%'"  # noqa: E501  # one condition

_TABLES = f"""
SELECT c.oid, n.nspname, c.relname, c.relkind, greatest(c.reltuples, 0), c.relpages,
       CASE WHEN c.relkind IN ('r', 'm') THEN pg_relation_size(c.oid) ELSE 0 END,
       CASE WHEN c.relkind = 'v' THEN pg_get_viewdef(c.oid) END,
       s.n_tup_upd, s.n_tup_hot_upd
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
WHERE c.relkind IN ('r', 'p', 'v', 'm') AND {_OWN}
"""

_COLUMNS = f"""
SELECT a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated <> '',
       a.attidentity <> '' OR coalesce(pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%', false),
       CASE WHEN l.collname = 'default' THEN b.datcollate IN ('C', 'POSIX') AND b.datlocprovider = 'c'
            ELSE coalesce(l.collname IN ('C', 'POSIX'), true) END
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     LEFT JOIN pg_collation l ON l.oid = a.attcollation
     JOIN pg_database b ON b.datname = current_database()
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm') AND {_OWN}
ORDER BY a.attrelid, a.attnum
"""

_STATISTICS = f"""
SELECT DISTINCT ON (n.nspname, tablename, attname) n.nspname, tablename, attname, n_distinct, null_frac, avg_width,
       most_common_vals::text::text[], most_common_freqs, histogram_bounds::text::text[], correlation
FROM pg_stats s JOIN pg_namespace n ON n.nspname = s.schemaname
WHERE {_OWN}
ORDER BY n.nspname, tablename, attname, inherited DESC
"""

_INDEXES = f"""
SELECT i.indrelid, x.relname, i.indisunique, i.indisprimary, i.indisvalid AND i.indisready,
       EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')),
       EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid),
       CASE WHEN x.relkind = 'i' THEN pg_relation_size(i.indexrelid) ELSE 0 END,
       s.idx_scan, pg_get_indexdef(i.indexrelid), m.amname, pg_get_expr(i.indpred, i.indrelid, true),
       i.indnkeyatts, i.indkey::int2[], i.indoption::int2[],
       ARRAY(SELECT pg_get_indexdef(i.indexrelid, k, true) FROM generate_series(1, i.indnatts) k),
       ARRAY(SELECT CASE WHEN o.opcdefault THEN NULL ELSE o.opcname END
             FROM unnest(i.indclass) WITH ORDINALITY u(oid, k) JOIN pg_opclass o ON o.oid = u.oid ORDER BY k),
       ARRAY(SELECT a.attname FROM unnest(i.indkey::int2[]) WITH ORDINALITY u(attnum, k)
             LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.attnum AND u.attnum > 0 ORDER BY k),
       ARRAY(SELECT DISTINCT a.attname FROM pg_depend d JOIN pg_attribute a ON a.attrelid = i.indrelid
             AND a.attnum = d.refobjsubid
             WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.refobjid = i.indrelid
             AND d.refobjsubid > 0)
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class c ON c.oid = i.indrelid
     JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am m ON m.oid = x.relam
     LEFT JOIN pg_stat_all_indexes s ON s.indexrelid = i.indexrelid
WHERE {_OWN}
ORDER BY x.relname
"""

_FOREIGN_KEYS = f"""
SELECT k.conrelid, rn.nspname, rc.relname,
       ARRAY(SELECT a.attname FROM unnest(k.conkey) WITH ORDINALITY u(attnum, i)
             JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum ORDER BY i),
       ARRAY(SELECT a.attname FROM unnest(k.confkey) WITH ORDINALITY u(attnum, i)
             JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.attnum ORDER BY i)
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     JOIN pg_class rc ON rc.oid = k.confrelid JOIN pg_namespace rn ON rn.oid = rc.relnamespace
WHERE k.contype = 'f' AND k.conparentid = 0 AND {_OWN}
"""

_RESET = """
SELECT extract(epoch FROM now() - stats_reset) / 86400 FROM pg_stat_database WHERE datname = current_database()
"""

_DESCENDING, _NULLS_FIRST = 1, 2


def read_catalogue(connection: psycopg.Connection[Any]) -> Catalogue:
    """Everything that this user may see, in seven queries. Reads only."""
    statistics = {(row[0], row[1], row[2]): row[3:] for row in connection.execute(_STATISTICS).fetchall()}
    columns: defaultdict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for oid, *column in connection.execute(_COLUMNS).fetchall():
        columns[oid].append(tuple(column))
    tables = connection.execute(_TABLES).fetchall()
    names = {row[0]: (row[1], row[2]) for row in tables}
    indexes: defaultdict[int, list[ExistingIndex]] = defaultdict(list)
    for oid, *index in connection.execute(_INDEXES).fetchall():
        if oid in names:
            indexes[oid].append(_index(*names[oid], *index))
    foreign: defaultdict[int, list[ForeignKey]] = defaultdict(list)
    for oid, schema, table, own, referred in connection.execute(_FOREIGN_KEYS).fetchall():
        foreign[oid].append(ForeignKey(tuple(own), (schema, table), tuple(referred)))
    path = connection.execute("SELECT current_schemas(false)::text[]").fetchone()
    reset = connection.execute(_RESET).fetchone()
    kinds = {"r": "table", "p": "partitioned", "v": "view", "m": "materialized"}
    read: dict[tuple[str | None, str], Table] = {}
    for oid, schema, name, kind, rows, pages, size, view, updates, hot in tables:
        held = tuple(indexes[oid])
        read[schema, name] = Table(
            schema=schema,
            name=name,
            columns={each[0]: _column(each, statistics.get((schema, name, each[0])), rows) for each in columns[oid]},
            rows=float(rows),
            pages=pages,
            size_bytes=size,
            kind=kinds[kind],  # type: ignore[arg-type]
            view_sql=view,
            indexes=held,
            primary_key=next((index.definition.columns for index in held if index.primary), ()),
            foreign_keys=tuple(foreign[oid]),
            updates=updates,
            hot_updates=hot,
        )
    return Catalogue(
        "postgresql",
        read,
        search_path=tuple(path[0]) if path is not None else (),
        statistics_days=float(reset[0]) if reset is not None and reset[0] is not None else None,
        notes=() if statistics or not read else ("no statistics: ANALYZE never ran, or this user may not read them",),
    )


def _column(row: tuple[Any, ...], statistics: tuple[Any, ...] | None, rows: float) -> Column:
    name, kind, not_null, generated, automatic, byte_order = row
    if statistics is None:
        return Column(name, kind, not_null, generated, automatic, byte_order=byte_order)
    distinct, null_fraction, width, common, shares, bounds, correlation = statistics
    return Column(
        name,
        kind,
        not_null,
        generated,
        automatic,
        # Negative is a share of the rows.
        distinct=-distinct * rows if distinct < 0 else distinct or None,
        null_fraction=null_fraction,
        width=width,
        common=tuple(
            (value, share) for value, share in zip(common or (), shares or (), strict=False) if value is not None
        ),
        bounds=tuple(value for value in bounds or () if value is not None),
        correlation=correlation,
        byte_order=byte_order,
    )


def _index(
    schema: str,
    table: str,
    name: str,
    unique: bool,
    primary: bool,
    valid: bool,
    constraint: bool,
    building: bool,
    size: int,
    scans: int | None,
    sql: str,
    method: str,
    where: str | None,
    key_count: int,
    attributes: list[int],
    options: list[int],
    texts: list[str],
    classes: list[str | None],
    columns: list[str | None],
    referred: list[str],
) -> ExistingIndex:
    keys: list[IndexKey] = []
    for number in range(key_count):
        descending = bool(options[number] & _DESCENDING)
        nulls_first = bool(options[number] & _NULLS_FIRST)
        plain = attributes[number] != 0
        keys.append(
            IndexKey(
                column=columns[number] if plain else None,
                expression=None if plain else texts[number],
                descending=descending,
                nulls_first=None if nulls_first == descending else nulls_first,
                operator_class=classes[number],
            )
        )
    definition = IndexDefinition(
        schema,
        table,
        tuple(keys),
        include=tuple(sorted(each for each in columns[key_count:] if each is not None)),
        where=where,
        method=method,
        unique=unique,
        referred=frozenset(referred),
    )
    return ExistingIndex(name, definition, sql, primary, constraint, valid, building, size, scans)
