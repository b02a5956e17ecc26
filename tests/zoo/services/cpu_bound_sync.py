"""Flask: one function of the service's own uses up the processor."""

from __future__ import annotations

from flask import Flask, jsonify

app = Flask(__name__)


def distance(a: str, b: str) -> int:
    return sum(x != y for x in a for y in b)  # PLANTED


@app.get("/similar")
def similar():
    return jsonify({"distance": distance("kitten" * 80, "sitting" * 80)})
