"""Flask: SQLAlchemy's ORM with an N+1, a template that queries, and a streamed answer."""

from __future__ import annotations

import os
import time

from flask import Flask, Response, render_template
from sqlalchemy import ForeignKey, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

app = Flask(__name__)
engine = create_engine(f"sqlite:///{os.environ['TEST_DATABASE']}")


class Base(DeclarativeBase):
    pass


class Purchase(Base):
    __tablename__ = "purchase"
    id: Mapped[int] = mapped_column(primary_key=True)
    items: Mapped[list[Item]] = relationship()


class Item(Base):
    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("purchase.id"))
    name: Mapped[str]


@app.get("/purchases/<int:count>")
def purchases(count):
    with Session(engine) as session:
        return [len(purchase.items) for purchase in session.query(Purchase).limit(count)]


@app.get("/page")
def page():
    with Session(engine) as session:
        return render_template("page.html", purchases=session.query(Purchase).limit(2).all())


@app.get("/slow")
def slow():
    time.sleep(0.02)
    return "slow"


@app.get("/streamed")
def streamed():
    def pieces():
        for _ in range(3):
            time.sleep(0.005)
            yield "piece"

    return Response(pieces())


@app.get("/broken")
def broken():
    raise LookupError("on purpose")
