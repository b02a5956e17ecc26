"""Records of workloads."""

from __future__ import annotations

from typing import Any

from perfloop.records import (
    NPlusOne,
    Parameter,
    Place,
    RoundTripSaving,
    StatementUse,
    WorkloadRecord,
    WorkloadStatement,
)

from .sample_runs import ENVIRONMENT

LINE = Place(file="shop/orders.py", line=42, function="list_orders", source="items = order.items")
ITEMS = "SELECT item.id, item.name FROM item WHERE ? = item.order_id"


def _workload(**more: Any) -> WorkloadRecord:
    known: dict[str, Any] = {
        "environment": ENVIRONMENT,
        "perfloop": "0.1.0",
        "created": "2026-11-24T10:00:00+00:00",
        "command": ["perfloop", "db", "capture", "--", "uvicorn", "shop:app"],
        "dialect": "postgresql",
        "source": "service",
        "statements": [],
    }
    return WorkloadRecord(**{**known, **more})


def workload() -> WorkloadRecord:
    """Of a service with an N+1."""
    use = StatementUse(
        route="GET /orders", place=LINE, calls=2_450, requests=49, per_request_p50=50.0, per_request_max=50
    )
    statements = [
        WorkloadStatement(
            fingerprint=ITEMS,
            sql=ITEMS,
            kind="select",
            calls=2_450,
            total_ms=612.5,
            slowest_ms=4.1,
            rows=7_350,
            uses=[use],
        ),
        WorkloadStatement(
            fingerprint="SELECT orders.id FROM orders LIMIT ?",
            sql="SELECT orders.id FROM orders LIMIT ?",
            kind="select",
            calls=49,
            total_ms=88.2,
            slowest_ms=3.0,
            rows=2_450,
            uses=[StatementUse(route="GET /orders", calls=49), StatementUse(route="GET /", calls=1)],
        ),
    ]
    repeated = NPlusOne(
        route="GET /orders",
        statement=ITEMS,
        calls=50,
        rows=150,
        place=LINE,
        loop=Place(file="shop/orders.py", line=41, function="list_orders", source="for order in orders:"),
        relationship="Order.items",
        to_many=True,
        loader="selectinload",
        advice="load them with the rows they belong to: .options(selectinload(Order.items)) on the Order query",
        statements_saved=49,
        saved=[RoundTripSaving(round_trip_ms=trip, saved_ms=49 * trip) for trip in (0.1, 0.5, 2.0)],
    )
    return _workload(statements=statements, n_plus_one=[repeated], seconds=10.2, requests=49)


def logged_workload() -> WorkloadRecord:
    """Out of a log, with values, and not all of it."""
    statement = WorkloadStatement(
        fingerprint="SELECT * FROM orders WHERE email = ?",
        sql="SELECT * FROM orders WHERE email = $1",
        kind="select",
        calls=3,
        total_ms=36.0,
        slowest_ms=30.0,
        parameters=[[Parameter(type="str", size=13, value="a@example.com")]],
    )
    return _workload(
        source="log", redacted=False, statements=[statement], left_out=["statements of other databases (12 times)"]
    )


def timeless_workload() -> WorkloadRecord:
    """Out of a file of SQL, which tells no times; the text tries to be markup."""
    text = "SELECT '<script>alert(1)</script>' | `x` FROM [link](http://example.com) WHERE @someone = ?"
    return _workload(source="sql", statements=[WorkloadStatement(fingerprint=text, sql=text, kind="select", calls=1)])
