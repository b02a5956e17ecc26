"""Records of diagnoses, as the command writes them, and odd ones."""

from __future__ import annotations

import msgspec

from perfloop.records import (
    CohortBreakdown,
    CurvePoint,
    DiagnosisRecord,
    ErrorKind,
    Figures,
    Finding,
    LoadPlan,
    Place,
    Predicted,
    RouteBreakdown,
    RouteGain,
    ServiceDescription,
    StatementSummary,
    TargetResult,
)

from .sample_runs import CREATED, ENVIRONMENT, HOSTILE, VERSION, run


def _route() -> RouteBreakdown:
    return RouteBreakdown(
        route="GET /orders",
        requests=570,
        latency_ms=Figures(mean=121.4, p50=108.2, p95=231.0, p99=412.3, p999=455.9, max=460.2),
        typical=CohortBreakdown(
            requests=570,
            mean_ms=121.4,
            parts_ms={"database": 98.3, "cpu": 17.0, "event_loop_wait": 3.6, "gc": 0.1, "unaccounted": 2.4},
        ),
        slowest=CohortBreakdown(
            requests=6,
            mean_ms=428.0,
            parts_ms={"database": 355.2, "cpu": 51.4, "event_loop_wait": 17.1, "unaccounted": 4.3},
        ),
        unaccounted_p95=0.04,
        statements=[
            StatementSummary(
                sql="SELECT item.id, item.order_id, item.product_id, item.quantity FROM item WHERE item.order_id = ?",
                calls=28_500,
                per_request=50.0,
                mean_ms=1.91,
                total_ms=54_435.0,
                rows_per_call=3.2,
                place=Place(file="shop/orders.py", line=42, function="list_orders"),
            ),
            StatementSummary(
                sql="SELECT orders.id, orders.placed FROM orders ORDER BY orders.placed DESC LIMIT ? OFFSET ?",
                calls=570,
                per_request=1.0,
                mean_ms=2.8,
                total_ms=1_596.0,
                rows_per_call=50.0,
                place=Place(file="shop/orders.py", line=38, function="list_orders"),
            ),
        ],
    )


def _findings() -> list[Finding]:
    return [
        Finding(
            rule="n-plus-one",
            title="N+1 queries on GET /orders",
            route="GET /orders",
            place=Place(
                file="shop/orders.py", line=42, function="list_orders", source="names = [i.name for i in order.items]"
            ),
            loop=Place(file="shop/orders.py", line=41, function="list_orders", source="for order in orders:"),
            evidence="51 statements a request, 50 × SELECT … FROM item WHERE item.order_id = ?",
            fix="load the items with the orders: select(Order).options(selectinload(Order.items))",
            cost="the items of all 50 orders of a page are in memory at once: about 30 kB a request",
            predicted=Predicted(
                p50_ms=(17.0, 20.5, 26.0), p99_ms=(55.0, 70.0, 90.0), capacity_rps=(170.0, 215.0, 248.0)
            ),
            share_of_p99=0.83,
            share_of_time=0.71,
            measures={"statements_per_request": 51.0, "statement": "SELECT … FROM item WHERE item.order_id = ?"},
        ),
        Finding(
            rule="slow-query",
            title="missing index on item(order_id)",
            route="GET /orders",
            place=Place(
                file="shop/orders.py", line=42, function="list_orders", source="names = [i.name for i in order.items]"
            ),
            evidence="SCAN item reads 150,000 rows to return 3",
            fix="CREATE INDEX item_order_id ON item(order_id)",
            cost="about 2.4 MB on disk and one more tree to update on each insert into item",
            predicted=Predicted(
                p50_ms=(30.0, 36.0, 45.0), p99_ms=(98.0, 121.0, 160.0), capacity_rps=(90.0, 112.0, 140.0)
            ),
            share_of_p99=0.71,
            share_of_time=0.6,
        ),
        Finding(
            rule="blocking-call-in-async",
            title="blocking call in async handler",
            route="GET /rates",
            place=Place(file="shop/rates.py", line=17, function="rates", source="time.sleep(0.05)"),
            evidence="held the event loop for 50 ms a request: time.sleep",
            fix="await asyncio.sleep(0.05), or call it in a thread: await asyncio.to_thread(…)",
            cost="a thread of the pool for as long as the call takes",
            predicted=Predicted(p50_ms=(50.0, 51.0, 53.0), p99_ms=(54.0, 60.0, 71.0), capacity_rps=(38.0, 41.0, 46.0)),
            share_of_p99=0.22,
            share_of_time=0.08,
        ),
    ]


def diagnosis() -> DiagnosisRecord:
    """A service with an N+1, a missing index and a blocking call."""
    summary, results = run(seconds=8, rate=80, typical_ms=108, spread=0.5, seed=11)
    return DiagnosisRecord(
        perfloop=VERSION,
        created=CREATED,
        environment=ENVIRONMENT,
        command=["perfloop", "diagnose", "--request", "GET /orders?page=1", "--", "uvicorn", "shop:app"],
        service=ServiceDescription(
            command=["uvicorn", "shop:app"],
            url="http://127.0.0.1:8000",
            python="3.11.2",
            frameworks=["FastAPI 0.116.1", "SQLAlchemy 2.0.43", "SQLite 3.40.1"],
            processes=1,
            startup_seconds=1.2,
        ),
        plan=LoadPlan(
            model="open",
            connections=64,
            requests=["3x GET /orders?page=1", "GET /rates"],
            rate=19.0,
            arrival="poisson",
            duration_seconds=8.0,
        ),
        curve=[
            CurvePoint(in_flight=1, rate=9.2, p50_ms=108.0, p99_ms=131.0),
            CurvePoint(in_flight=2, rate=18.1, p50_ms=110.0, p99_ms=140.0),
            CurvePoint(in_flight=4, rate=33.5, p50_ms=119.0, p99_ms=171.0),
            CurvePoint(in_flight=8, rate=37.4, p50_ms=212.0, p99_ms=305.0),
            CurvePoint(in_flight=16, rate=38.0, p50_ms=421.0, p99_ms=590.0),
            CurvePoint(in_flight=32, rate=37.8, p50_ms=846.0, p99_ms=1_120.0),
            CurvePoint(in_flight=64, rate=36.9, p50_ms=1_730.0, p99_ms=2_240.0),
        ],
        capacity_rps=38.0,
        summary=summary,
        results=results,
        routes=[
            RouteBreakdown(
                route="GET /rates",
                requests=190,
                latency_ms=Figures(mean=52.6, p50=52.1, p95=60.2, p99=77.0, p999=81.0, max=81.0),
                typical=CohortBreakdown(
                    requests=190,
                    mean_ms=52.6,
                    parts_ms={"blocking": 50.1, "cpu": 1.2, "event_loop_wait": 1.1, "unaccounted": 0.2},
                ),
                slowest=CohortBreakdown(
                    requests=2,
                    mean_ms=79.0,
                    parts_ms={"blocking": 50.4, "cpu": 1.3, "event_loop_wait": 27.0, "unaccounted": 0.3},
                ),
                unaccounted_p95=0.01,
                statements=[],
            ),
            _route(),
        ],
        findings=_findings(),
        targets=[
            TargetResult(name="latency_p50", target=100, measured=108.2, unit="ms", outcome="missed"),
            TargetResult(name="latency_p99", target=1000, measured=412.3, unit="ms", outcome="met"),
            TargetResult(name="requests_per_second", target=10_000, measured=38.0, unit="requests/s", outcome="missed"),
            TargetResult(name="cpu", target=0.7, measured=0.52, unit="share", outcome="met"),
            TargetResult(
                name="disk",
                target=0.4,
                measured=None,
                unit="share",
                outcome="not measured",
                why="/proc/diskstats is not readable",
            ),
        ],
        notes=[
            "the agent dropped 3 of 41,200 events",
            "statements of psycopg were not watched: only sqlite3 is hooked",
        ],
    )


def blocking_diagnosis() -> DiagnosisRecord:
    """A call that holds the event loop: the request itself gains nothing by the fix, all others do."""
    record = diagnosis()
    blocking = msgspec.structs.replace(
        record.findings[2],
        predicted=Predicted(p50_ms=(52.0, 52.1, 52.4), p99_ms=(76.0, 77.0, 78.0), capacity_rps=(300.0, 412.0, 520.0)),
        share_of_p99=0.0,
        share_of_time=0.95,
        others=[RouteGain(route="GET /orders", p50_ms=(101.0, 104.0, 108.0), p99_ms=(201.0, 250.0, 333.0))],
    )
    return msgspec.structs.replace(record, findings=[blocking])


def waiting_diagnosis() -> DiagnosisRecord:
    """No finding, and nearly all of the latency passes before the service begins."""
    record = healthy_diagnosis()
    group = CohortBreakdown(requests=7_200, mean_ms=180.0, parts_ms={"queue": 165.0, "cpu": 14.0, "network": 1.0})
    return msgspec.structs.replace(
        record, routes=[msgspec.structs.replace(record.routes[0], typical=group, slowest=group)]
    )


def healthy_diagnosis() -> DiagnosisRecord:
    """A service without a bottleneck."""
    record = diagnosis()
    summary, results = run(seconds=8, rate=900, typical_ms=2.1, spread=0.4, seed=3)
    return msgspec.structs.replace(
        record,
        plan=msgspec.structs.replace(record.plan, requests=["GET /"], rate=900.0),
        curve=[
            CurvePoint(in_flight=1, rate=510.0, p50_ms=1.9, p99_ms=3.1),
            CurvePoint(in_flight=2, rate=990.0, p50_ms=2.0, p99_ms=3.6),
            CurvePoint(in_flight=4, rate=1_640.0, p50_ms=2.4, p99_ms=5.0),
            CurvePoint(in_flight=8, rate=1_812.0, p50_ms=4.4, p99_ms=9.1),
        ],
        capacity_rps=1_812.0,
        summary=summary,
        results=results,
        findings=[],
        notes=[],
        targets=[],
        routes=[
            RouteBreakdown(
                route="GET /",
                requests=7_200,
                latency_ms=summary.latency_ms,
                typical=CohortBreakdown(
                    requests=7_200, mean_ms=2.2, parts_ms={"cpu": 1.6, "event_loop_wait": 0.4, "unaccounted": 0.2}
                ),
                slowest=CohortBreakdown(
                    requests=72,
                    mean_ms=6.1,
                    parts_ms={"cpu": 2.6, "event_loop_wait": 2.9, "gc": 0.4, "unaccounted": 0.2},
                ),
                unaccounted_p95=0.1,
                statements=[],
            )
        ],
    )


def hostile_diagnosis() -> DiagnosisRecord:
    """Routes, statements, places and notes full of markup, escapes and very long words."""
    record = diagnosis()
    nasty = HOSTILE + "\x1b]0;owned\x07 \u202eevil " + "x" * 300
    first = record.findings[0]
    route = msgspec.structs.replace(
        _route(),
        route=f"GET /{nasty}",
        statements=[msgspec.structs.replace(_route().statements[0], sql=f"SELECT '{nasty}' </svg>")],
    )
    return msgspec.structs.replace(
        record,
        service=msgspec.structs.replace(record.service, command=["python", "-c", nasty], frameworks=[nasty]),
        routes=[route],
        findings=[
            msgspec.structs.replace(
                first,
                title=f"N+1 queries on GET /{nasty}",
                route=f"GET /{nasty}",
                evidence=nasty,
                fix=nasty,
                cost=nasty,
                place=Place(file=f"shop/{nasty}.py", line=42, function=nasty, source=nasty),
            )
        ],
        notes=[nasty, "注文が多すぎる: 数据库查询很慢"],
    )


def untrustworthy_diagnosis() -> DiagnosisRecord:
    """Interrupted, with a generator that fell behind, no routes seen and no curve."""
    record = diagnosis()
    return msgspec.structs.replace(
        record,
        partial=True,
        curve=[],
        capacity_rps=0.0,
        routes=[],
        findings=[],
        targets=[],
        summary=msgspec.structs.replace(
            record.summary, trustworthy=False, reasons=["the agent sent nothing: no request could be taken apart"]
        ),
        notes=["the service's agent never connected"],
    )


def endless_diagnosis() -> DiagnosisRecord:
    """Far more of everything than fits on a page: hours, hundreds of routes, statements and findings, long SQL."""
    record = diagnosis()
    point = record.results.series[0]
    route = _route()
    sql = "SELECT " + ", ".join(f"column_{number}" for number in range(600)) + " FROM wide"
    statements = [msgspec.structs.replace(route.statements[0], sql=f"{sql}_{number}") for number in range(30)]
    return msgspec.structs.replace(
        record,
        results=msgspec.structs.replace(
            record.results,
            error_kinds=[ErrorKind(kind="<" * 300, count=1, example="&" * 5_000)] * 60,
            series=[msgspec.structs.replace(point, second=second) for second in range(20_000)],
            statuses={str(status): 7 for status in range(100, 1000)},
        ),
        summary=msgspec.structs.replace(record.summary, elapsed_seconds=20_000.0),
        routes=[
            msgspec.structs.replace(
                route, route=f"GET /{number}/{'<deep>/' * 40}", statements=statements if number < 14 else []
            )
            for number in range(400)
        ],
        findings=[
            msgspec.structs.replace(record.findings[0], route=f"GET /{number}", evidence="very <long> " * 2_000)
            for number in range(300)
        ],
        notes=[f"note {number} " + "word " * 300 for number in range(300)],
    )
