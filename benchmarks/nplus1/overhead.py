"""What capturing adds to a statement, beside OpenTelemetry: run in an interpreter with the SQLAlchemy it supports."""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import sqlalchemy
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from sqlalchemy import Engine, create_engine, select, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from perfloop.database import capture_statements

from .world import ROWS, SCHEMA, Purchase

if TYPE_CHECKING:
    from collections.abc import Callable

__all__: list[str] = []

_STATEMENTS = 120
"""Of one slice: short ones, so that whatever else the machine does falls on all three alike."""
_SLICES = 25


def _engine() -> Engine:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with engine.begin() as connection:
        for statement in (*SCHEMA.format(key="INTEGER PRIMARY KEY").split(";"), *ROWS):
            connection.exec_driver_sql(statement)
    return engine


def _core(engine: Engine) -> float:
    """Processor seconds of the statements, by Core."""
    statement = text("SELECT id, quantity FROM item WHERE purchase_id = :id")
    with engine.connect() as connection:
        started = time.thread_time()
        for number in range(_STATEMENTS):
            connection.execute(statement, {"id": number % 12 + 1}).all()
        return time.thread_time() - started


def _orm(engine: Engine) -> float:
    """Processor seconds of the statements, each the lazy load of a relationship."""
    with Session(engine) as session:
        purchases = session.scalars(select(Purchase)).all()
        spent = 0.0
        for _ in range(_STATEMENTS // len(purchases)):
            for purchase in purchases:
                session.expire(purchase, ["items"])
            started = time.thread_time()
            for purchase in purchases:
                _ = purchase.items
            spent += time.thread_time() - started
        return spent


def _measure(kind: Callable[[Engine], float], rounds: int) -> dict[str, float]:
    bare, ours, theirs = _engine(), _engine(), _engine()
    SQLAlchemyInstrumentor().instrument(engine=theirs, tracer_provider=TracerProvider())
    ways: dict[str, tuple[Engine, Callable[[], Any]]] = {
        "bare": (bare, nullcontext),
        "ours": (ours, lambda: capture_statements(ours)),
        "theirs": (theirs, nullcontext),
    }
    added: list[tuple[float, float]] = []
    names = list(ways)
    for number in range(-1, rounds):  # the round before the first warms caches
        spent = dict.fromkeys(ways, 0.0)
        gc.collect()
        for _ in range(_SLICES):
            names.append(names.pop(0))
            for name in names:
                engine, watched = ways[name]
                with watched():
                    spent[name] += kind(engine)
        if number >= 0:
            added.append((spent["ours"] - spent["bare"], spent["theirs"] - spent["bare"]))
    SQLAlchemyInstrumentor().uninstrument()
    microseconds = 1e6 / (_STATEMENTS * _SLICES)
    return {
        "ratio": statistics.median(our / their for our, their in added),
        "ours_us": statistics.median(our for our, _ in added) * microseconds,
        "theirs_us": statistics.median(their for _, their in added) * microseconds,
    }


if __name__ == "__main__":
    asked = int(sys.argv[1])
    kinds = {"core": _measure(_core, asked), "orm": _measure(_orm, asked)}
    print(json.dumps({"sqlalchemy": sqlalchemy.__version__, "rounds": asked, "kinds": kinds}))
