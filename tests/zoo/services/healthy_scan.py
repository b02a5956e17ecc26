"""Flask, plain sqlite3: reads a whole table because it wants most of it; no index would be faster."""

from __future__ import annotations

from flask import Flask, jsonify

from ._database import connect, database

app = Flask(__name__)
PATH = database("healthy_scan", index=False)


@app.get("/summary")
def summary():
    connection = connect(PATH)
    statement = "SELECT count(*), sum(length(note)) FROM orders WHERE placed > ?"
    (count, total) = connection.execute(statement, (10,)).fetchone()
    connection.close()
    return jsonify({"orders": count, "characters": total})
