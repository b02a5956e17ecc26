"""FastAPI, sync handler, plain sqlite3: one customer's orders are found by reading everybody's."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from ._database import connect, database

app = FastAPI()
PATH = database("missing_index", index=False, orders=60_000)
INDEX = "orders (customer_id"


@app.get("/customer")
def customer() -> dict[str, Any]:
    connection = connect(PATH)
    orders = connection.execute("SELECT id, placed FROM orders WHERE customer_id = ?", (4711,))  # PLANTED
    view = {"orders": [dict(order) for order in orders.fetchall()]}
    connection.close()
    return view
