"""FastAPI, sync handler, plain sqlite3: the statement hides in a helper, the loop is in its caller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from ._database import connect, database

if TYPE_CHECKING:
    import sqlite3

app = FastAPI()
PATH = database("n_plus_one_helper", orders=3_000)


def customer_name(connection: sqlite3.Connection, key: int) -> str:
    return connection.execute("SELECT name FROM customers WHERE id = ?", (key,)).fetchone()["name"]  # PLANTED


@app.get("/orders")
def list_orders() -> dict[str, Any]:
    connection = connect(PATH)
    names = []
    for order in connection.execute("SELECT customer_id FROM orders LIMIT 400").fetchall():
        names.append(customer_name(connection, order["customer_id"]))
    connection.close()
    return {"names": names}
