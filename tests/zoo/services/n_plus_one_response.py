"""FastAPI, sync handler, SQLAlchemy: items loaded lazily while the response is built, no user code on the stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI
from pydantic import BaseModel, ConfigDict
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from ._database import database
from ._models import Order

if TYPE_CHECKING:
    from collections.abc import Iterator

app = FastAPI()
engine = create_engine(f"sqlite:///{database('n_plus_one_response')}", connect_args={"check_same_thread": False})


class ItemView(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    name: str


class OrderView(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: int
    items: list[ItemView]


def session() -> Iterator[Session]:
    with Session(engine) as opened:
        yield opened


@app.get("/orders", response_model=list[OrderView])
def list_orders(db: Session = Depends(session)):  # noqa: B008  # PLANTED
    return db.scalars(select(Order).limit(40)).all()
