"""Reads what an SQLite file holds: tables, columns with a sample's statistics, indexes, keys."""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sqlglot
from sqlglot import exp

from ...exceptions import DatabaseFailed
from .catalogue import Catalogue, Column, ExistingIndex, ForeignKey, Table
from .definition import IndexDefinition, IndexKey, quote_identifier

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..connections import Database

__all__ = ["read_sqlite_catalogue"]

_OLDEST = (3, 37)
"""Has `PRAGMA table_list`."""
_SAMPLE = 10_000
_MOST_COMMON = 20
_BOUNDS = 100
_LEAST_COMMON_SHARE = 0.005


def read_sqlite_catalogue(database: Database, collation: Callable[[str, str], str]) -> Catalogue:
    """Everything in the file itself; what is attached to other connections is not there.

    Args:
        database: a copy, of which every table may be read whole.
        collation: of a table's column.

    Raises:
        DatabaseFailed: it cannot be read, or the library is too old to list its tables.
    """
    if database.version < _OLDEST:
        raise DatabaseFailed(
            f"Index advice needs SQLite {'.'.join(map(str, _OLDEST))} or newer, which lists tables by their kind",
            got=".".join(map(str, database.version)),
            hint="it is the library of the Python that runs perfloop, not of the service: use a newer one",
        )
    reader = _Reader(database, collation)
    tables: dict[tuple[str | None, str], Table] = {}
    left_out: list[str] = []
    for name, kind, without_rowid in reader.listed():
        if kind == "view":
            tables[None, name] = reader.view(name)
        elif kind == "table":
            tables[None, name] = reader.table(name, without_rowid=without_rowid)
        elif kind == "virtual":
            left_out.append(f"{name} is a virtual table, which has no indexes of its own")
    return Catalogue("sqlite", tables, notes=tuple(left_out))


@dataclass
class _Reader:
    database: Database
    collation: Callable[[str, str], str]

    def __post_init__(self) -> None:
        self.page_size = int(self._rows("PRAGMA page_size")[0][0])
        self.sql = {(kind, name): sql for kind, name, sql in self._rows("SELECT type, name, sql FROM sqlite_master")}
        self.sizes = self._sizes()

    def listed(self) -> list[tuple[str, str, bool]]:
        """Name, kind, and whether it has no rowid."""
        found = self._rows("SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main'")
        return [(name, kind, bool(wr)) for name, kind, wr in sorted(found) if not name.startswith("sqlite_")]

    def view(self, name: str) -> Table:
        columns = {row[1]: Column(row[1], str(row[2]).lower()) for row in self._info(name)}
        return Table(None, name, columns, kind="view", view_sql=_view_query(self.sql["view", name], list(columns)))

    def table(self, name: str, *, without_rowid: bool) -> Table:
        quoted = quote_identifier(name)
        info = self._info(name)
        [(rows,)] = self._rows(f"SELECT count(*) FROM {quoted}")
        key = tuple(row[1] for row in sorted(info, key=lambda row: row[5]) if row[5])
        whole = info[[row[1] for row in info].index(key[0])] if len(key) == 1 else None
        alias = whole[1] if whole is not None and str(whole[2]).lower() == "integer" and not without_rowid else None
        columns = self._columns(name, info, rows, alias, without_rowid)
        size = self.sizes.get(name, 0) or rows * sum(each.width + 1 for each in columns.values())
        table = Table(
            None,
            name,
            columns,
            rows=float(rows),
            pages=int(-(-size // self.page_size)),
            size_bytes=int(size),
            primary_key=key,
            carried=key if without_rowid or alias is not None else (),
            foreign_keys=self._foreign_keys(name),
        )
        return replace(table, indexes=tuple(self._indexes(table, alias)))

    # Columns.

    def _columns(
        self, name: str, info: Sequence[tuple[Any, ...]], rows: int, alias: str | None, without_rowid: bool
    ) -> dict[str, Column]:
        names = [row[1] for row in info]
        values: list[list[Any]] = [[] for _ in names]
        if rows:
            taken = self._rows(self._sample(name, names, rows, without_rowid))
            values = [list(each) for each in zip(*taken, strict=True)] if taken else values
        found = {}
        for row, held in zip(info, values, strict=True):
            column = Column(
                row[1],
                _type(str(row[2]).lower(), held),
                not_null=bool(row[3]) or row[1] == alias,
                generated=row[6] in (2, 3),
                automatic=row[1] == alias,
                # LIKE is blind to case: it is served by an index that is so, too.
                byte_order=self.collation(name, row[1]) == "NOCASE",
            )
            found[row[1]] = _with_statistics(column, held, rows)
        return found

    def _sample(self, name: str, names: Sequence[str], rows: int, without_rowid: bool) -> str:
        columns, table = ", ".join(map(quote_identifier, names)), quote_identifier(name)
        every = max(rows // _SAMPLE, 1)
        if every == 1:
            return f"SELECT {columns} FROM {table} LIMIT {2 * _SAMPLE}"
        if without_rowid:
            inner = f"SELECT {columns}, row_number() OVER () AS perfloop_number FROM {table}"
            return f"SELECT {columns} FROM ({inner}) WHERE perfloop_number % {every} = 0"
        # Mixed, so that no period of the table's own is met.
        return f"SELECT {columns} FROM {table} WHERE (rowid * 2654435761 >> 7) % {every} = 0 LIMIT {2 * _SAMPLE}"

    # Indexes and keys.

    def _indexes(self, table: Table, alias: str | None) -> list[ExistingIndex]:
        found = []
        if alias is not None:
            definition = IndexDefinition(None, table.name, (IndexKey(column=alias),), unique=True)
            found.append(ExistingIndex("the primary key", definition, "", primary=True, constraint=True))
        for _, name, unique, origin, _ in self._rows(f"PRAGMA index_list({quote_identifier(table.name)})"):
            sql = self.sql.get(("index", name)) or ""
            definition = self._definition(table, name, sql, unique=bool(unique))
            found.append(
                ExistingIndex(
                    name,
                    definition,
                    sql,
                    primary=origin == "pk",
                    constraint=origin != "c",
                    size_bytes=self.sizes.get(name, 0),
                )
            )
        return found

    def _definition(self, table: Table, name: str, sql: str, *, unique: bool) -> IndexDefinition:
        expressions, where, referred = _parsed_index(sql)
        keys = []
        for place, _, column, descending, collation, is_key in self._rows(
            f"PRAGMA index_xinfo({quote_identifier(name)})"
        ):
            if not is_key:
                continue
            plain = column is not None
            natural = self.collation(table.name, column) if plain else "BINARY"
            own = f"COLLATE {collation}" if collation.upper() != natural else None
            text = None if plain else expressions[place] if place < len(expressions) else f"expression {place}"
            keys.append(IndexKey(column, text, descending=bool(descending), operator_class=own))
        known = frozenset(each for each in table.columns if each.lower() in referred)
        return IndexDefinition(None, table.name, tuple(keys), where=where, unique=unique, referred=known)

    def _foreign_keys(self, name: str) -> tuple[ForeignKey, ...]:
        rows = self._rows(f"PRAGMA foreign_key_list({quote_identifier(name)})")
        found = []
        for _, group in itertools.groupby(sorted(rows, key=lambda row: (row[0], row[1])), key=lambda row: row[0]):
            parts = list(group)
            referred = tuple(part[4] for part in parts if part[4] is not None)
            found.append(ForeignKey(tuple(part[3] for part in parts), (None, parts[0][2]), referred))
        return tuple(found)

    # Inner parts.

    def _info(self, name: str) -> list[tuple[Any, ...]]:
        return [row for row in self._rows(f"PRAGMA table_xinfo({quote_identifier(name)})") if row[6] != 1]

    def _sizes(self) -> dict[str, int]:
        """Bytes of each table and index; none where the library cannot tell (no `dbstat`)."""
        try:
            return dict(self._rows("SELECT name, pgsize FROM dbstat WHERE aggregate = TRUE"))
        except DatabaseFailed:
            return {}

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.database.rows(sql)


def _type(declared: str, values: Sequence[Any]) -> str:
    """The declared one; of what has none, what most values are: nothing converts values then."""
    if declared:
        return declared
    kinds = Counter(type(each).__name__ for each in values if each is not None)
    common = kinds.most_common(1)[0][0] if kinds else "str"
    return {"int": "integer", "float": "real", "bytes": "blob"}.get(common, "text")


def _with_statistics(column: Column, values: Sequence[Any], rows: int) -> Column:
    held = [each for each in values if each is not None and not isinstance(each, bytes)]
    if not values:
        return column
    counted = Counter(held)
    once = sum(1 for count in counted.values() if count == 1)
    # Haas and Stokes' Duj1, as PostgreSQL's ANALYZE takes it.
    whole, seen = rows * len(held) / len(values), len(held)
    scale = seen - once + once * seen / whole if whole else 0
    distinct = seen * len(counted) / scale if scale else float(len(counted))
    common = [(_text(value), count / len(values)) for value, count in counted.most_common(_MOST_COMMON)]
    frequent = tuple(each for each in common if each[1] >= _LEAST_COMMON_SHARE and counted and len(counted) < seen)
    numbers = [each for each in held if not isinstance(each, str)]
    texts = [each for each in held if isinstance(each, str)]
    ordered = [*sorted(numbers), *sorted(texts)]
    blobs = sum(len(each) for each in values if isinstance(each, bytes))
    # In a record, without their types.
    width = blobs + len("".join(texts).encode()) + sum(map(_number_width, numbers))
    step = max(len(ordered) // _BOUNDS, 1)
    return replace(
        column,
        distinct=distinct,
        null_fraction=sum(1 for each in values if each is None) / len(values),
        width=width / len(values),
        common=frequent,
        bounds=tuple(_text(each) for each in ordered[::step]),
    )


def _text(value: object) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _number_width(value: float) -> int:
    """Bytes in a record."""
    return 8 if isinstance(value, float) else max((value.bit_length() + 8) // 8, 1)


def _view_query(sql: str, columns: Sequence[str]) -> str | None:
    """The query behind a view, its columns called as the view calls them; None where it cannot be parsed."""
    try:
        tree = sqlglot.parse_one(sql, dialect="sqlite")
    except (sqlglot.errors.SqlglotError, RecursionError):
        return None
    query = tree.expression
    if not isinstance(query, exp.Query):
        return None
    if isinstance(tree.this, exp.Schema) and isinstance(query, exp.Select) and len(query.selects) == len(columns):
        named = [
            exp.alias_(each.unalias().copy(), name, quoted=True)
            for each, name in zip(query.selects, columns, strict=True)
        ]
        query = query.select(*named, append=False)
    return str(query.sql(dialect="sqlite"))


def _parsed_index(sql: str) -> tuple[list[str], str | None, frozenset[str]]:
    """The text of each key, the predicate, and the columns (in small letters) that expressions and predicate read."""
    try:
        tree = sqlglot.parse_one(sql, dialect="sqlite") if sql else None
    except (sqlglot.errors.SqlglotError, RecursionError):
        tree = None
    if tree is None:
        where = re.split(r"\)\s*where\b", sql, maxsplit=1, flags=re.IGNORECASE)
        return [], where[1].strip() if len(where) > 1 else None, frozenset()
    params = tree.find(exp.IndexParameters)
    columns = list(params.args.get("columns") or []) if params is not None else []
    where_node = params.args.get("where") if params is not None else None
    condition = where_node.this if isinstance(where_node, exp.Where) else where_node
    keys = [each.this if isinstance(each, exp.Ordered) else each for each in columns]
    read: defaultdict[str, None] = defaultdict()
    for node in [*(key for key in keys if not isinstance(key, exp.Column)), *([condition] if condition else [])]:
        for column in node.find_all(exp.Column):
            read[column.name.lower()] = None
    texts = [str(key.unnest().sql(dialect="sqlite")) for key in keys]
    return texts, str(condition.sql(dialect="sqlite")) if condition is not None else None, frozenset(read)
