"""One small shop on SQLite and PostgreSQL, for SQLAlchemy, Django and plain drivers."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import Engine, ForeignKey, create_engine
from sqlalchemy.ext.asyncio import AsyncAttrs, AsyncEngine, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.pool import NullPool

from perfloop.database import CapturedStatements, capture_statements, run_local_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Base", "Customer", "Item", "Product", "Purchase", "World", "make_world"]

PURCHASES = 12

SCHEMA = """
CREATE TABLE customer (id {key}, name TEXT NOT NULL);
CREATE TABLE product (id {key}, name TEXT NOT NULL, parent_id INTEGER REFERENCES product);
CREATE TABLE purchase (
    id {key}, customer_id INTEGER NOT NULL REFERENCES customer, state TEXT NOT NULL DEFAULT 'new',
    total INTEGER DEFAULT 7
);
CREATE TABLE item (
    id {key}, purchase_id INTEGER NOT NULL REFERENCES purchase, product_id INTEGER NOT NULL REFERENCES product,
    quantity INTEGER NOT NULL
);
"""
ROWS = [
    *(f"INSERT INTO customer (name) VALUES ('customer {number}')" for number in range(PURCHASES)),
    *(
        f"INSERT INTO product (name, parent_id) VALUES ('p{n}', {n // 2 or 'NULL'})"
        for n in range(1, PURCHASES * 3 + 1)
    ),
    *(f"INSERT INTO purchase (customer_id) VALUES ({number + 1})" for number in range(PURCHASES)),
    *(
        f"INSERT INTO item (purchase_id, product_id, quantity) VALUES ({n // 3 + 1}, {n + 1}, {n % 3 + 1})"
        for n in range(PURCHASES * 3)
    ),
]


class Base(AsyncAttrs, DeclarativeBase):
    """The models of SQLAlchemy."""


class Customer(Base):
    """Who buys."""

    __tablename__ = "customer"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Product(Base):
    """What is bought; a product may be part of another."""

    __tablename__ = "product"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("product.id"))


class Purchase(Base):
    """What was bought at once."""

    __tablename__ = "purchase"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    state: Mapped[str] = mapped_column(server_default="new")
    total: Mapped[int] = mapped_column(server_default="7")
    customer: Mapped[Customer] = relationship()
    items: Mapped[list[Item]] = relationship()


class Item(Base):
    """One line of a purchase."""

    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    purchase_id: Mapped[int] = mapped_column(ForeignKey("purchase.id"))
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"))
    quantity: Mapped[int]
    product: Mapped[Product] = relationship()


@dataclass
class World:
    """The databases, and what was captured of them last."""

    engine: Engine
    async_engine: AsyncEngine
    sqlite: sqlite3.Connection
    postgresql: str
    psycopg: psycopg.Connection[Any]
    captured: CapturedStatements | None = field(default=None, init=False)

    @contextlib.contextmanager
    def watched(self, source: Any) -> Iterator[None]:
        """What the block does on `source` is one request."""
        with capture_statements(source) as self.captured:
            yield


@contextlib.contextmanager
def make_world(directory: Path) -> Iterator[World]:
    """Make the databases: SQLite's in a directory, PostgreSQL's on a server of its own."""
    file = directory / "shop.sqlite3"
    plain = sqlite3.connect(file, isolation_level=None)
    plain.executescript(SCHEMA.format(key="INTEGER PRIMARY KEY"))
    for row in ROWS:
        plain.execute(row)
    engine = create_engine(f"sqlite:///{file}")
    async_engine = create_async_engine(f"sqlite+aiosqlite:///{file}", poolclass=NullPool)
    with run_local_server() as server, psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute(SCHEMA.format(key="SERIAL PRIMARY KEY").encode())
        connection.execute(";".join(ROWS).encode())
        try:
            yield World(engine, async_engine, plain, server.dsn(), connection)
        finally:
            engine.dispose()
            plain.close()
