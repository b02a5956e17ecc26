"""Flask, SQLAlchemy: the latest orders, by sorting all of them."""

from __future__ import annotations

from flask import Flask, jsonify
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from ._database import database
from ._models import Order

app = Flask(__name__)
engine = create_engine(f"sqlite:///{database('missing_sort_index', index=False, orders=60_000)}")


@app.get("/latest")
def latest():
    with Session(engine) as session:
        statement = select(Order.id, Order.placed).order_by(Order.placed.desc()).limit(10)
        rows = session.execute(statement).all()  # PLANTED
        return jsonify([row.id for row in rows])
