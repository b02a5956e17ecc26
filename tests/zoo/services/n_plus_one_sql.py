"""Flask, plain sqlite3: one statement an order, in a for loop."""

from __future__ import annotations

from flask import Flask, jsonify

from ._database import connect, database

app = Flask(__name__)
PATH = database("n_plus_one_sql", orders=3_000)


@app.get("/orders")
def list_orders():
    connection = connect(PATH)
    views = []
    for order in connection.execute("SELECT id FROM orders LIMIT 300").fetchall():
        rows = connection.execute("SELECT name FROM items WHERE order_id = ?", (order["id"],)).fetchall()  # PLANTED
        views.append({"id": order["id"], "items": [row["name"] for row in rows]})
    connection.close()
    return jsonify(views)
