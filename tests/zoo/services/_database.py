"""The SQLite file a service works on: customers, orders and items, seeded once."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

ORDERS = 6_000


def database(name: str, *, index: bool = True, orders: int = ORDERS) -> str:
    """Path of the service's own database below $ZOO_DIRECTORY; made if it is not there.

    Args:
        name: of the service.
        index: index the foreign keys.
        orders: how many; with two items each, and a customer for ten of them.
    """
    path = Path(os.environ["ZOO_DIRECTORY"]) / f"{name}.sqlite3"
    if not path.exists():
        fresh = path.with_suffix(f".{os.getpid()}")
        connection = sqlite3.connect(fresh)
        connection.executescript(
            "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT);"
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INT, placed INT, note TEXT);"
            "CREATE TABLE items (id INTEGER PRIMARY KEY, order_id INT, name TEXT, quantity INT);"
        )
        customers = max(orders // 10, 1)
        connection.executemany(
            "INSERT INTO customers VALUES (?, ?)", ((key, f"customer {key}") for key in range(1, customers + 1))
        )
        connection.executemany(
            "INSERT INTO orders VALUES (?, ?, ?, ?)",
            ((key, key % customers + 1, key * 7919 % 100_003, "x" * 80) for key in range(1, orders + 1)),
        )
        connection.executemany(
            "INSERT INTO items (order_id, name, quantity) VALUES (?, ?, ?)",
            ((key // 2 + 1, f"item {key}", key % 7) for key in range(2 * orders)),
        )
        if index:
            connection.executescript(
                "CREATE INDEX ix_orders_customer ON orders (customer_id);"
                "CREATE INDEX ix_items_order ON items (order_id);"
            )
        connection.commit()
        connection.close()
        fresh.replace(path)
    return str(path)


def connect(path: str) -> sqlite3.Connection:
    """A connection for one request."""
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    return connection
