"""Tables as a rewrite's proof needs them: what their constraints allow in a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Column", "ForeignKey", "Index", "Kind", "Table"]

Kind = Literal[
    "integer",
    "decimal",
    "float",
    "text",
    "boolean",
    "date",
    "timestamp",
    "timestamptz",
    "time",
    "uuid",
    "json",
    "binary",
    "enum",
    "array",
    "other",
]


@dataclass(frozen=True, slots=True)
class Column:
    """One column. Names are as stored, without quotes."""

    name: str
    kind: Kind
    declared: str
    nullable: bool = True
    generated: bool = False
    """The database computes it; it is never inserted."""
    low: int | None = None
    """The least integer it holds."""
    high: int | None = None
    length: int | None = None
    """Characters, for `varchar(n)` and `char(n)`."""
    padded: bool = False
    """`char(n)`."""
    precision: int | None = None
    scale: int | None = None
    infinite: bool = False
    """It holds infinity, and as a number also what is none."""
    labels: tuple[str, ...] = ()
    """Of an enumeration."""
    width: float | None = None
    """Average bytes a value, where statistics tell."""


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A reference to another table, or to the same."""

    columns: tuple[str, ...]
    parent: str
    """The parent's `Table.label`."""
    parent_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Index:
    """One index, as far as a rule asks."""

    name: str
    columns: tuple[str | None, ...]
    """None for an expression."""
    definition: str
    unique: bool = False
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table, or a view with its definition."""

    name: str
    columns: tuple[Column, ...]
    schema: str | None = None
    keys: tuple[tuple[str, ...], ...] = ()
    """Columns that together are unique, from constraints and full unique indexes; NULLs may still repeat."""
    checks: tuple[str, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    indexes: tuple[Index, ...] = ()
    definition: str | None = None
    """A view's query, or SQLite's CREATE statement."""
    view: bool = False
    rows: float | None = None
    """The database's estimate."""

    @property
    def label(self) -> str:
        return self.name if self.schema is None else f"{self.schema}.{self.name}"

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None) or next(
            (column for column in self.columns if column.name.lower() == name.lower()), None
        )

    def is_key(self, names: set[str]) -> bool:
        """No two rows agree in these columns, and none of a key's columns is NULL."""
        return any(
            set(key) <= names and all((found := self.column(name)) is not None and not found.nullable for name in key)
            for key in self.keys
        )
