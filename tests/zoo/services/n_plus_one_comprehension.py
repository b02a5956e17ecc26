"""Flask, SQLAlchemy: the customer of each order, loaded lazily inside a comprehension."""

from __future__ import annotations

from flask import Flask, jsonify
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from ._database import database
from ._models import Order

app = Flask(__name__)
engine = create_engine(f"sqlite:///{database('n_plus_one_comprehension')}")


@app.get("/orders")
def list_orders():
    with Session(engine) as session:
        orders = session.scalars(select(Order).limit(60)).all()
        names = [
            order.customer.name  # PLANTED
            for order in orders
        ]
    return jsonify(names)
