"""An index as data: what it holds, in which order, and the statement that makes it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Dialect", "IndexDefinition", "IndexKey", "quote_identifier", "quote_name"]

Dialect = Literal["postgresql", "sqlite"]

_SIMPLE = re.compile(r"[a-z_][a-z0-9_]*\Z")
_LONGEST_NAME = 63
_UNSAFE = re.compile(r"[^a-z0-9]+")

# What neither PostgreSQL nor SQLite takes as a name without quotes.
_RESERVED = frozenset(
    """
    abort action add after all alter always analyse analyze and any array as asc asymmetric attach authorization
    autoincrement before begin between binary both by cascade case cast check collate collation column commit
    concurrently conflict constraint create cross current current_catalog current_date current_role current_schema
    current_time current_timestamp current_user database default deferrable deferred delete desc detach distinct do
    drop each else end escape except exclude exclusive exists explain fail false fetch filter following for foreign
    freeze from full generated glob grant group groups having if ignore ilike immediate in index indexed initially
    inner insert instead intersect into is isnull join key lateral leading left like limit localtime localtimestamp
    match materialized natural no not nothing notnull null nulls of offset on only or order others outer over
    overlaps partition placing plan pragma preceding primary query raise range recursive references regexp reindex
    release rename replace restrict returning right rollback row rows savepoint select session_user set similar some
    symmetric table tablesample temp temporary then ties to trailing transaction trigger true unbounded union unique
    update user using vacuum values variadic verbose view virtual when where window with without
    """.split()  # noqa: SIM905  # words are easier read so
)


def quote_identifier(name: str) -> str:
    """`name` as SQL takes it: quoted only where it has to be."""
    if _SIMPLE.match(name) and name not in _RESERVED:
        return name
    return '"' + name.replace('"', '""') + '"'


def quote_name(schema: str | None, name: str) -> str:
    """A table's or index' name with its schema, where it has one."""
    return quote_identifier(name) if schema is None else f"{quote_identifier(schema)}.{quote_identifier(name)}"


@dataclass(frozen=True)
class IndexKey:
    """One key of an index: a column, or an expression over columns of its table."""

    column: str | None = None
    """The column's name as the catalogue has it; None for an expression."""
    expression: str | None = None
    """SQL without the table's name."""
    descending: bool = False
    nulls_first: bool | None = None
    """None: as the direction has it by itself."""
    operator_class: str | None = None

    def __post_init__(self) -> None:
        if (self.column is None) == (self.expression is None):
            raise ValueError("a key is either a column or an expression")

    @property
    def subject(self) -> str:
        """What it orders by, without direction and operator class: equal for keys that serve the same equality."""
        return quote_identifier(self.column) if self.column is not None else f"({self.expression})"

    @property
    def sql(self) -> str:
        """As `CREATE INDEX` takes it."""
        text = self.subject
        if self.operator_class is not None:
            text += f" {self.operator_class}"
        if self.descending:
            text += " DESC"
        if self.nulls_first is not None and self.nulls_first != self.descending:
            text += " NULLS FIRST" if self.nulls_first else " NULLS LAST"
        return text


@dataclass(frozen=True)
class IndexDefinition:
    """An index on one table."""

    schema: str | None
    table: str
    keys: tuple[IndexKey, ...]
    include: tuple[str, ...] = ()
    """Columns kept in the leaves only (PostgreSQL)."""
    where: str | None = None
    """The predicate of a partial index."""
    method: str = "btree"
    unique: bool = False
    referred: frozenset[str] = field(default=frozenset(), compare=False)
    """Columns that its expressions and its predicate read."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Its plain key columns, in order, up to the first expression."""
        names: list[str] = []
        for key in self.keys:
            if key.column is None:
                break
            names.append(key.column)
        return tuple(names)

    @property
    def held_columns(self) -> frozenset[str]:
        """Columns whose values it holds as they are."""
        return frozenset(key.column for key in self.keys if key.column is not None) | frozenset(self.include)

    @property
    def touched_columns(self) -> frozenset[str]:
        """Columns whose change changes the index: PostgreSQL keeps no update of one heap-only."""
        return self.held_columns | self.referred

    @property
    def name(self) -> str:
        """A name out of what it holds, at most 63 characters; the same for the same definition."""
        parts = [_UNSAFE.sub("_", (key.column or key.expression or "").lower()).strip("_") for key in self.keys]
        suffix = "" if self.method == "btree" else f"_{self.method}"
        if any(key.operator_class == "text_pattern_ops" for key in self.keys):
            suffix += "_pattern"
        if any(key.operator_class == "jsonb_path_ops" for key in self.keys):
            suffix += "_path"
        if self.include or self.where or any(key.descending for key in self.keys):
            suffix += "_" + self._digest(4)
        text = "_".join([_UNSAFE.sub("_", self.table.lower()).strip("_"), *parts])
        if len(text) + len(suffix) + 4 > _LONGEST_NAME:
            suffix = "_" + self._digest(8)
            text = text[: _LONGEST_NAME - len(suffix) - 4].rstrip("_")
        return f"{text}{suffix}_idx"

    def begins(self, other: IndexDefinition) -> bool:
        """Whether it is the other with fewer keys or less in its leaves, or the other itself."""
        same = ("schema", "table", "method", "where")
        return (
            all(getattr(self, name) == getattr(other, name) for name in same)
            and other.keys[: len(self.keys)] == self.keys
            and set(self.include) <= set(other.include)
        )

    def create_sql(self, dialect: Dialect, *, name: str | None = None, concurrently: bool = False) -> str:
        """The statement that builds it, without a semicolon.

        Args:
            name: another than `name`.
            concurrently: without keeping writers out (PostgreSQL; not inside a transaction, not on a partitioned
                table).
        """
        words = ["CREATE"]
        if self.unique:
            words.append("UNIQUE")
        words.append("INDEX")
        if concurrently:
            words.append("CONCURRENTLY")
        words.append(quote_identifier(name or self.name))
        words.append("ON")
        keys = ", ".join(key.sql for key in self.keys)
        if dialect == "postgresql":
            words.append(quote_name(self.schema, self.table))
            if self.method != "btree":
                words.append(f"USING {self.method}")
        else:
            words.append(quote_identifier(self.table))
        words.append(f"({keys})")
        if self.include:
            words.append("INCLUDE (" + ", ".join(quote_identifier(column) for column in self.include) + ")")
        if self.where is not None:
            words.append(f"WHERE {self.where}")
        return " ".join(words)

    def drop_sql(self, dialect: Dialect, *, name: str | None = None, concurrently: bool = False) -> str:
        """The statement that removes it."""
        schema = self.schema if dialect == "postgresql" else None
        return f"DROP INDEX {'CONCURRENTLY ' if concurrently else ''}{quote_name(schema, name or self.name)}"

    def _digest(self, length: int) -> str:
        return hashlib.sha256(repr(self).encode()).hexdigest()[:length]
