"""Complete records of every kind, as the measuring commands write them, and the odd ones that reports must survive.

Everything is made from a seeded random generator, so that golden files stay the same.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec
from hdrh.histogram import HdrHistogram

from perfloop.records import (
    AnyRecord,
    CohortBreakdown,
    ComparisonRecord,
    CurvePoint,
    DiagnosisRecord,
    Environment,
    ErrorKind,
    Figures,
    Finding,
    LoadPlan,
    LoadRecord,
    LoadResults,
    LoadSummary,
    MetricComparison,
    Place,
    Predicted,
    RouteBreakdown,
    SeriesPoint,
    ServiceDescription,
    StatementSummary,
    TargetResult,
    Threshold,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

ENVIRONMENT = Environment(
    python="3.11.2",
    implementation="CPython",
    system="Linux 6.1.0",
    machine="x86_64",
    cpu_count=2,
    memory_bytes=8_200_000_000,
)
CREATED = "2026-03-14T09:26:53+00:00"
VERSION = "0.1.0"
HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


def encoded(latencies_ms: Sequence[float]) -> str:
    """The latencies as an HdrHistogram, the way records hold them."""
    histogram = HdrHistogram(1, 3_600_000_000, 3)
    for latency in latencies_ms:
        histogram.record_value(max(1, round(latency * 1000)))
    text: str = histogram.encode().decode("ascii")
    return text


def figures_of(values: Sequence[float]) -> Figures:
    """Mean, percentiles and maximum of the values."""
    if not values:
        return Figures()
    ordered = sorted(values)

    def rank(q: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(q * len(ordered)))], 3)

    return Figures(
        mean=round(sum(ordered) / len(ordered), 3),
        p50=rank(0.5),
        p95=rank(0.95),
        p99=rank(0.99),
        p999=rank(0.999),
        max=round(ordered[-1], 3),
    )


def run(
    *,
    seconds: int,
    rate: int,
    typical_ms: float,
    spread: float = 0.35,
    seed: int = 7,
    errors_in: range = range(0),
    stall_at: int | None = None,
) -> tuple[LoadSummary, LoadResults]:
    """One run of the load engine with log-normal latencies, errors in some seconds, and perhaps one stall."""
    random_source = random.Random(seed)
    series, latencies, failed = [], [], 0
    for second in range(seconds):
        values = [random_source.lognormvariate(0, spread) * typical_ms for _ in range(rate)]
        if second == stall_at:
            values = [value + random_source.uniform(200, 1400) for value in values]
        errors = rate // 10 if second in errors_in else 0
        failed += errors
        latencies += values
        now = figures_of(values)
        series.append(
            SeriesPoint(
                second=second,
                requests=rate,
                errors=errors,
                bytes_received=rate * 2_150,
                in_flight=max(1, round(rate * typical_ms / 1000)),
                p50_ms=now.p50,
                p99_ms=now.p99,
                max_ms=now.max,
            )
        )
    requests = rate * seconds
    summary = LoadSummary(
        requests=requests,
        errors=failed,
        rate=float(rate),
        elapsed_seconds=float(seconds),
        bytes_received=requests * 2_150,
        bytes_per_second=rate * 2_150.0,
        latency_ms=figures_of(latencies),
        service_time_ms=figures_of([value * 0.94 for value in latencies]),
        queue_ms=figures_of([value * 0.05 for value in latencies]),
        send_lag_ms=figures_of([random_source.uniform(0.01, 0.09) for _ in range(requests)]),
        generator_cpu_seconds=round(requests * 0.00004, 3),
        trustworthy=True,
    )
    kinds = (
        [
            ErrorKind(kind="status 503", count=failed * 3 // 4, example="GET /orders?page=1: 503 Service Unavailable"),
            ErrorKind(
                kind="connection reset",
                count=failed - failed * 3 // 4,
                example="GET /orders?page=1: connection reset by peer after 212 of 2,150 bytes",
            ),
        ]
        if failed
        else []
    )
    statuses = {"200": requests - failed} | ({"503": failed * 3 // 4} if failed else {})
    results = LoadResults(
        statuses=statuses,
        error_kinds=kinds,
        series=series,
        latency_histogram=encoded(latencies),
        service_time_histogram=encoded([value * 0.94 for value in latencies]),
    )
    return summary, results


def load() -> LoadRecord:
    """A healthy load test in the open model, with thresholds and targets that hold."""
    summary, results = run(seconds=30, rate=200, typical_ms=38)
    return LoadRecord(
        perfloop=VERSION,
        created=CREATED,
        environment=ENVIRONMENT,
        command=["perfloop", "load", "http://127.0.0.1:8000/orders?page=1", "--rate", "200"],
        target="http://127.0.0.1:8000/orders?page=1",
        plan=LoadPlan(
            model="open",
            connections=10,
            requests=["GET /orders?page=1"],
            rate=200.0,
            arrival="constant",
            duration_seconds=30.0,
        ),
        summary=summary,
        results=results,
        thresholds=[Threshold(expression="p99>500ms", measured=summary.latency_ms.p99, unit="ms", failed=False)],
        targets=[
            TargetResult(name="latency p50", target=100, measured=summary.latency_ms.p50, unit="ms", outcome="met"),
            TargetResult(name="latency p99", target=1000, measured=summary.latency_ms.p99, unit="ms", outcome="met"),
            TargetResult(
                name="capacity",
                target=10_000,
                measured=None,
                unit="requests/s",
                outcome="not measured",
                why="an open run shows what was asked, not what the service can do",
            ),
        ],
    )


def failing_load() -> LoadRecord:
    """A load test with errors, a stall, several requests and thresholds that do not hold."""
    summary, results = run(seconds=30, rate=120, typical_ms=180, errors_in=range(12, 18), stall_at=14)
    return msgspec.structs.replace(
        load(),
        plan=LoadPlan(
            model="closed",
            connections=64,
            requests=["GET /orders?page=1", "2x GET /items/7", "POST /carts"],
            duration_seconds=30.0,
        ),
        summary=summary,
        results=results,
        thresholds=[
            Threshold(expression="p99>500ms", measured=summary.latency_ms.p99, unit="ms", failed=True),
            Threshold(
                expression="errors>0.1%", measured=summary.errors / summary.requests, unit="fraction", failed=True
            ),
            Threshold(expression="p50>1s", measured=summary.latency_ms.p50, unit="ms", failed=False),
        ],
        targets=[
            TargetResult(name="latency p50", target=100, measured=summary.latency_ms.p50, unit="ms", outcome="missed")
        ],
    )


def untrustworthy_load() -> LoadRecord:
    """A load test whose generator could not keep its schedule."""
    record = load()
    return msgspec.structs.replace(
        record,
        summary=msgspec.structs.replace(
            record.summary,
            trustworthy=False,
            send_lag_ms=Figures(mean=14.1, p50=9.2, p95=40.5, p99=71.3, p999=88.8, max=91.0),
            reasons=[
                "the generator sent late: send lag p99 71.3 ms, more than 10 % of the latency p99",
                "the generator used 98 % of its processor: spread the load over more processes or lower --rate",
            ],
        ),
    )


def empty_load() -> LoadRecord:
    """Interrupted before any request finished."""
    return LoadRecord(
        perfloop=VERSION,
        created=CREATED,
        environment=ENVIRONMENT,
        partial=True,
        target="http://127.0.0.1:8000/",
        plan=LoadPlan(model="closed", connections=1, requests=["GET /"], duration_seconds=10.0),
        summary=LoadSummary(
            requests=0,
            errors=0,
            rate=0.0,
            elapsed_seconds=0.4,
            bytes_received=0,
            bytes_per_second=0.0,
            latency_ms=Figures(),
            service_time_ms=Figures(),
            queue_ms=Figures(),
            send_lag_ms=Figures(),
            generator_cpu_seconds=0.0,
            trustworthy=True,
        ),
        results=LoadResults(
            statuses={}, error_kinds=[], series=[], latency_histogram=encoded([]), service_time_histogram=encoded([])
        ),
    )


def all_errors_load() -> LoadRecord:
    """Every request failed; most seconds saw no request finish."""
    record = empty_load()
    point = SeriesPoint(second=0, requests=0, errors=0, bytes_received=0, in_flight=10)
    return msgspec.structs.replace(
        record,
        partial=False,
        summary=msgspec.structs.replace(
            record.summary,
            requests=10,
            errors=10,
            rate=1.0,
            elapsed_seconds=10.0,
            latency_ms=figures_of([10_000.0] * 10),
            service_time_ms=figures_of([10_000.0] * 10),
        ),
        results=LoadResults(
            statuses={},
            error_kinds=[ErrorKind(kind="timeout", count=10, example="GET /: no answer within 10 s")],
            series=[
                *(msgspec.structs.replace(point, second=second) for second in range(9)),
                SeriesPoint(
                    second=9, requests=10, errors=10, bytes_received=0, in_flight=0, p50_ms=1e4, p99_ms=1e4, max_ms=1e4
                ),
            ],
            latency_histogram=encoded([10_000.0] * 10),
            service_time_histogram=encoded([10_000.0] * 10),
        ),
    )


def huge_load() -> LoadRecord:
    """Very large and very small values, many statuses, long and foreign text."""
    record = load()
    return msgspec.structs.replace(
        record,
        target="http://[::1]:8000/" + "sehr-langer-pfad/" * 30 + "?q=数据库查询\x1b[31mred\u202e",
        summary=msgspec.structs.replace(
            record.summary,
            requests=123_456_789_012,
            errors=1,
            rate=1_234_567.8,
            elapsed_seconds=100_000.0,
            bytes_received=987_654_321_098_765,
            bytes_per_second=9_876_543_210.9,
            latency_ms=Figures(mean=0.0004, p50=0.0312, p95=1.5, p99=999.96, p999=65_000.0, max=3_600_000.0),
        ),
        results=msgspec.structs.replace(
            record.results,
            statuses={
                str(status): status**3 for status in (200, 201, 204, 301, 302, 304, 400, 404, 418, 429, 500, 503)
            },
            error_kinds=[ErrorKind(kind="protocol", count=1, example="ответ " * 60 + HOSTILE)],
        ),
    )


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
            TargetResult(name="latency p50", target=100, measured=108.2, unit="ms", outcome="missed"),
            TargetResult(name="latency p99", target=1000, measured=412.3, unit="ms", outcome="met"),
            TargetResult(name="capacity", target=10_000, measured=38.0, unit="requests/s", outcome="missed"),
            TargetResult(name="cpu utilisation", target=0.7, measured=0.52, unit="share", outcome="met"),
            TargetResult(
                name="disk utilisation",
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


def comparison() -> ComparisonRecord:
    """Before against after a fix: clearly faster."""
    return ComparisonRecord(
        perfloop=VERSION,
        created=CREATED,
        environment=ENVIRONMENT,
        command=[
            "perfloop",
            "compare",
            "--cmd",
            "uvicorn shop:app",
            "--cmd",
            "env SHOP_FIX=n_plus_one uvicorn shop:app",
        ],
        a="uvicorn shop:app",
        b="env SHOP_FIX=n_plus_one uvicorn shop:app",
        runs=6,
        confidence=0.95,
        metrics=[
            MetricComparison(
                metric="latency p99", unit="ms", a=412.3, b=69.8, ratio=(0.151, 0.169, 0.191), verdict="faster"
            ),
            MetricComparison(
                metric="latency p50", unit="ms", a=108.2, b=20.7, ratio=(0.186, 0.191, 0.197), verdict="faster"
            ),
            MetricComparison(
                metric="capacity", unit="requests/s", a=38.0, b=209.4, ratio=(5.2, 5.51, 5.83), verdict="faster"
            ),
            MetricComparison(
                metric="CPU per request", unit="ms", a=16.9, b=16.4, ratio=(0.93, 0.97, 1.02), verdict="no difference"
            ),
            MetricComparison(metric="errors", unit="share", a=0.0, b=0.0, ratio=None, verdict="not enough data"),
        ],
        verdict="faster",
    )


def slower_comparison() -> ComparisonRecord:
    """B is a little slower."""
    record = comparison()
    return msgspec.structs.replace(
        record,
        metrics=[
            MetricComparison(
                metric="latency p99", unit="ms", a=70.0, b=78.4, ratio=(1.08, 1.12, 1.17), verdict="slower"
            ),
            MetricComparison(
                metric="latency p50", unit="ms", a=20.7, b=20.6, ratio=(0.98, 0.995, 1.01), verdict="no difference"
            ),
        ],
        verdict="slower",
    )


def undecided_comparison() -> ComparisonRecord:
    """One run each: nothing can be said."""
    return msgspec.structs.replace(
        comparison(),
        runs=1,
        metrics=[
            MetricComparison(metric="latency p99", unit="ms", a=70.0, b=78.4, ratio=None, verdict="not enough data")
        ],
        verdict="not enough data",
        reasons=["1 run each: at least 3 are needed to tell a difference from noise"],
        partial=True,
    )


SAMPLES: dict[str, AnyRecord] = {
    "load": load(),
    "load-failing": failing_load(),
    "load-untrustworthy": untrustworthy_load(),
    "load-empty": empty_load(),
    "load-all-errors": all_errors_load(),
    "load-huge": huge_load(),
    "diagnosis": diagnosis(),
    "diagnosis-healthy": healthy_diagnosis(),
    "diagnosis-hostile": hostile_diagnosis(),
    "diagnosis-untrustworthy": untrustworthy_diagnosis(),
    "comparison": comparison(),
    "comparison-slower": slower_comparison(),
    "comparison-undecided": undecided_comparison(),
}
