"""What a database holds, as index advice needs it: tables, columns with their statistics, indexes, keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from .definition import quote_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .definition import Dialect, IndexDefinition

__all__ = ["Catalogue", "Column", "ExistingIndex", "ForeignKey", "Table"]

_TEXT = ("text", "char", "varchar", "citext", "nvarchar", "clob", "bpchar")


@dataclass(frozen=True)
class Column:
    """A column, with what the database knows of its values."""

    name: str
    type: str
    """As the database writes it, in small letters: `integer`, `character varying(20)`, `jsonb`."""
    not_null: bool = False
    generated: bool = False
    """Computed from others: nobody writes it."""
    automatic: bool = False
    """An identity, or its default is a sequence: inserts leave it out."""
    distinct: float | None = None
    """Different values; None: not known."""
    null_fraction: float = 0.0
    width: float = 8.0
    """Bytes, on average."""
    common: tuple[tuple[str, float], ...] = ()
    """The commonest values as text, each with its share of all rows, commonest first."""
    bounds: tuple[str, ...] = ()
    """Values, as text, that part the others into groups of the same size, in order."""
    correlation: float | None = None
    """Of the values' order with the rows' order on disk, -1 to 1."""
    byte_order: bool = True
    """Whether a plain B-tree orders it by bytes, so that it serves `LIKE 'prefix%'`."""

    @property
    def is_text(self) -> bool:
        """Whether it holds text of any kind."""
        return not self.type.endswith("[]") and self.type.startswith(
            ("text", "character", "varchar", "citext", "char", "nvarchar", "clob", "bpchar")
        )


@dataclass(frozen=True)
class ForeignKey:
    """Columns that refer to another table's."""

    columns: tuple[str, ...]
    table: tuple[str | None, str]
    """Schema and name."""
    referred: tuple[str, ...]


@dataclass(frozen=True)
class ExistingIndex:
    """An index that is there."""

    name: str
    definition: IndexDefinition
    sql: str
    primary: bool = False
    constraint: bool = False
    """It stands behind a constraint: it is not dropped by itself."""
    valid: bool = True
    building: bool = False
    size_bytes: int = 0
    scans: int | None = None
    """Uses since the statistics were reset; None: not counted."""


@dataclass(frozen=True, eq=False)
class Table:
    """A table, a view, or a partitioned table. Each is itself alone."""

    schema: str | None
    name: str
    columns: Mapping[str, Column]
    rows: float = 0.0
    pages: int = 0
    size_bytes: int = 0
    kind: Literal["table", "partitioned", "view", "materialized"] = "table"
    view_sql: str | None = None
    indexes: tuple[ExistingIndex, ...] = ()
    primary_key: tuple[str, ...] = ()
    carried: tuple[str, ...] = ()
    """Columns that every index ends with, whether named or not: on SQLite what tells rows apart."""
    foreign_keys: tuple[ForeignKey, ...] = ()
    updates: int | None = None
    """Since the statistics were reset; None: not counted."""
    hot_updates: int | None = None

    @property
    def key(self) -> tuple[str | None, str]:
        """Schema and name."""
        return (self.schema, self.name)

    @property
    def sql(self) -> str:
        """Its name as SQL takes it."""
        return quote_name(self.schema, self.name)

    @property
    def width(self) -> float:
        """Bytes a row, on average, by its columns."""
        return sum(column.width for column in self.columns.values()) or 1.0


@dataclass(frozen=True)
class Catalogue:
    """Everything read, once."""

    dialect: Dialect
    tables: Mapping[tuple[str | None, str], Table]
    search_path: tuple[str, ...] = ()
    statistics_days: float | None = None
    """How long use has been counted; None: not known."""
    notes: tuple[str, ...] = field(default=())
    """What could not be read, and why."""

    def find(self, schema: str | None, name: str) -> Table | None:
        """The table that a statement means; names as `fold` leaves them."""
        if self.dialect == "sqlite":  # what is attached to other connections is not in this file
            return self._folded.get(name.lower()) if schema in (None, "main") else None
        if schema is not None:
            return self.tables.get((schema, name))
        for each in self.search_path:
            if (each, name) in self.tables:
                return self.tables[each, name]
        return None

    def fold(self, name: str, *, quoted: bool) -> str:
        """An identifier as the database compares it: PostgreSQL folds what is not quoted."""
        return name if quoted and self.dialect == "postgresql" else name.lower()

    def column(self, table: Table, name: str) -> Column | None:
        """A column by its folded name."""
        if self.dialect == "postgresql":
            return table.columns.get(name)
        return next((column for column in table.columns.values() if column.name.lower() == name.lower()), None)

    @cached_property
    def _folded(self) -> dict[str, Table]:
        return {table.name.lower(): table for table in self.tables.values()}
