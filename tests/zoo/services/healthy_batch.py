"""FastAPI, sync handler, SQLAlchemy: related rows loaded with one statement each, by indices."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session, joinedload, selectinload

from ._database import database
from ._models import Order

app = FastAPI()
engine = create_engine(f"sqlite:///{database('healthy_batch')}")


@app.get("/orders")
def list_orders() -> list[dict[str, Any]]:
    statement = select(Order).options(selectinload(Order.items), joinedload(Order.customer)).limit(40)
    with Session(engine) as session:
        return [
            {"id": order.id, "customer": order.customer.name, "items": [item.name for item in order.items]}
            for order in session.scalars(statement)
        ]
