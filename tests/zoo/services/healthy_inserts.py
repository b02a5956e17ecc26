"""FastAPI, sync handler: writes an audit row for each order shown, all in one transaction; creates are no N+1."""

from __future__ import annotations

from fastapi import FastAPI

from ._database import connect

app = FastAPI()


@app.get("/orders")
def list_orders() -> dict[str, int]:
    connection = connect(":memory:")
    connection.execute("CREATE TABLE audit (id INTEGER PRIMARY KEY, order_id INT)")
    for key in range(200):
        connection.execute("INSERT INTO audit (order_id) VALUES (?)", (key,))
    connection.commit()
    connection.close()
    return {"audited": 200}
