"""FastAPI, sync handler, SQLAlchemy: items loaded lazily, order by order."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from ._database import database
from ._models import Order

app = FastAPI()
engine = create_engine(f"sqlite:///{database('n_plus_one_orm')}")


@app.get("/orders")
def list_orders() -> list[dict[str, Any]]:
    views = []
    with Session(engine) as session:
        for order in session.scalars(select(Order).limit(40)):
            items = order.items  # PLANTED
            views.append({"id": order.id, "items": len(items)})
    return views
