"""A little shop's catalogue to try statements against."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from perfloop.database.indexes.catalogue import Catalogue, Column, ExistingIndex, Table
from perfloop.database.indexes.definition import IndexDefinition, IndexKey

if TYPE_CHECKING:
    from perfloop.database.indexes.definition import Dialect

__all__ = ["existing", "index", "shop"]

_TABLES = {
    "customer": "id integer, email text, name text, country text, deleted_at timestamp, active boolean, data jsonb",
    "orders": "id integer, customer_id integer, status text, created_at timestamp, total numeric, note text",
    "item": "id integer, order_id integer, product_id integer, price numeric, tags text[]",
    "Mixed": "Id integer, Name text",
}


def shop(*indexes: ExistingIndex, dialect: Dialect = "postgresql", byte_order: bool = False) -> Catalogue:
    """Tables of the schema `public` (SQLite: of none); `open_order` is a view, `app.orders` another table."""
    schema = "public" if dialect == "postgresql" else None
    tables: dict[tuple[str | None, str], Table] = {}
    for name, columns in _TABLES.items():
        held = [Column(*each.split(" ", 1), width=16) for each in columns.split(", ")]
        held = [replace(each, byte_order=byte_order, distinct=3 if each.name == "status" else None) for each in held]
        own = tuple(each for each in indexes if each.definition.table == name)
        tables[schema, name] = Table(
            schema, name, {each.name: each for each in held}, rows=10_000, pages=200, indexes=own,
            primary_key=(held[0].name,),
        )  # fmt: skip
    view = "SELECT o.id AS number, o.customer_id, o.created_at FROM orders o WHERE o.status = 'open'"
    columns = {name: Column(name, "integer") for name in ("number", "customer_id", "created_at")}
    tables[schema, "open_order"] = Table(schema, "open_order", columns, kind="view", view_sql=view)
    if dialect == "postgresql":
        tables["app", "orders"] = Table("app", "orders", {"id": Column("id", "integer"), "x": Column("x", "integer")})
    return Catalogue(dialect, tables, search_path=("public",), statistics_days=30.0)


def index(
    table: str, *columns: str, include: tuple[str, ...] = (), where: str | None = None, unique: bool = False
) -> IndexDefinition:
    """On columns, or expressions in brackets."""
    keys = tuple(IndexKey(expression=c[1:-1]) if c.startswith("(") else IndexKey(column=c) for c in columns)
    return IndexDefinition("public", table, keys, include=include, where=where, unique=unique)


def existing(definition: IndexDefinition, name: str = "", **changes: object) -> ExistingIndex:
    """The same as one that is there."""
    name = name or definition.name
    return replace(ExistingIndex(name, definition, definition.create_sql("postgresql", name=name)), **changes)  # type: ignore[arg-type]
