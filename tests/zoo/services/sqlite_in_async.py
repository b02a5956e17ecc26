"""FastAPI, async handler: a synchronous statement that no index would help, on the event loop."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from ._database import connect, database

app = FastAPI()
PATH = database("sqlite_in_async", orders=40_000)
SQL = "SELECT customer_id % 10, count(*), sum(placed) FROM orders GROUP BY customer_id % 10"


@app.get("/statistics")
async def statistics() -> dict[str, Any]:
    connection = connect(PATH)
    rows = connection.execute(SQL).fetchall()  # PLANTED
    connection.close()
    return {"rows": [tuple(row) for row in rows]}
