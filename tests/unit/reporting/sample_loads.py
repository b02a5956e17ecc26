"""Records of load tests, as the command writes them, and odd ones."""

from __future__ import annotations

import msgspec

from perfloop.records import (
    EndpointResult,
    ErrorKind,
    Figures,
    GroupResult,
    LoadPlan,
    LoadRecord,
    LoadResults,
    LoadSummary,
    PhaseTime,
    RecordingFidelity,
    SeriesPoint,
    SlowRequest,
    TargetResult,
    Threshold,
    WorkerResult,
)

from .sample_runs import CREATED, ENVIRONMENT, HOSTILE, VERSION, encoded, figures_of, run


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
            TargetResult(name="latency_p50", target=100, measured=summary.latency_ms.p50, unit="ms", outcome="met"),
            TargetResult(name="latency_p99", target=1000, measured=summary.latency_ms.p99, unit="ms", outcome="met"),
            TargetResult(
                name="requests_per_second",
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
            TargetResult(name="latency_p50", target=100, measured=summary.latency_ms.p50, unit="ms", outcome="missed")
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


def traced_load() -> LoadRecord:
    """A load test that sent trace ids: one slow request that waited, one that was given up, one with a breakdown."""
    record = load()
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    slowest = [
        SlowRequest(trace_id=trace, span_id="0000000000000e9d", request="GET /a", due_seconds=18.7, latency_ms=812.4),
        SlowRequest(
            trace_id=trace,
            span_id="0000000000000011",
            request=f"GET /{HOSTILE}",
            due_seconds=0.08,
            latency_ms=640.0,
            queue_ms=610.0,
            status=200,
        ),
        SlowRequest(
            trace_id=trace,
            span_id="0000000000000012",
            request="GET /orders?page=1",
            due_seconds=0.085,
            latency_ms=500.0,
            queue_ms=0.0,
            status=503,
            parts_ms={"cpu": 95.0, "database": 405.0},
        ),
    ]
    return msgspec.structs.replace(record, results=msgspec.structs.replace(record.results, slowest=slowest))


def scenario_load() -> LoadRecord:
    """A load test of a scenario: endpoints, journeys and groups, one of which nobody came to the end of; phases."""
    record = load()
    results = msgspec.structs.replace(
        record.results,
        endpoints=[
            EndpointResult(
                label="GET /items/{id}", requests=4000, errors=0, rate=133.3, latency_ms=figures_of([30, 90])
            ),
            EndpointResult(
                label=f"GET /{HOSTILE}", requests=2000, errors=7, rate=66.7, latency_ms=figures_of([40, 200])
            ),
        ],
        groups=[
            GroupResult(name="browse", count=1990, failed=10, time_ms=figures_of([900, 2400])),
            GroupResult(name=HOSTILE, count=0, failed=3, time_ms=Figures()),
        ],
        phases=[
            PhaseTime(name="dns", count=1, time_ms=figures_of([0.4])),
            PhaseTime(name="connect", count=10, time_ms=figures_of([0.2, 0.9])),
            PhaseTime(name="tls", count=10, time_ms=figures_of([2.5, 4.0])),
            PhaseTime(name="first_byte", count=6000, time_ms=figures_of([30, 180])),
            PhaseTime(name="body", count=6000, time_ms=figures_of([0.0, 20])),
        ],
    )
    plan = msgspec.structs.replace(record.plan, scenario="shop", keep_alive=False)
    return msgspec.structs.replace(record, plan=plan, results=results)


def imported_load() -> LoadRecord:
    """A load test that replayed an access log, of which some lines were no requests."""
    return msgspec.structs.replace(
        load(),
        fidelity=RecordingFidelity(
            format="access-log",
            recorded=6_100,
            sent=6_000,
            mix_distance=0.0125,
            skipped={"no HTTP request": 90, f"bad {HOSTILE}": 10},
            skipped_share=100 / 6_100,
            speed=2.0,
            arrival_error_p99_ms=0.42,
            notes=["its times are whole seconds: the requests of one second are spread evenly over it"],
        ),
    )


def distributed_load() -> LoadRecord:
    """A load test by three workers, one of which was lost."""
    record = untrustworthy_load()
    lost = "lost, last heard of 12.3 s into the run: it was ended by SIGKILL"
    workers = [
        WorkerResult(
            name="tcp://10.0.0.7:40001 (load-1)",
            requests=2000,
            errors=3,
            cpu_seconds=4.2,
            send_lag_p99_ms=0.21,
            clock_offset_ms=1234567.8,
            clock_error_ms=0.42,
        ),
        WorkerResult(
            name="worker 2 (process 4711)",
            requests=820,
            errors=0,
            cpu_seconds=None,
            send_lag_p99_ms=0.4,
            clock_offset_ms=0.0,
            clock_error_ms=0.0,
            lost=lost,
        ),
        WorkerResult(
            name=HOSTILE,
            requests=0,
            errors=0,
            cpu_seconds=0.0,
            send_lag_p99_ms=0.0,
            clock_offset_ms=0.0,
            clock_error_ms=0.0,
            reasons=[HOSTILE],
        ),
    ]
    summary = msgspec.structs.replace(record.summary, reasons=[f"worker 2 (process 4711) was {lost}"])
    events = [
        ErrorKind(kind="reconnected", count=3, example=""),
        ErrorKind(kind=f"server went away: {HOSTILE}", count=1, example=HOSTILE),
    ]
    results = msgspec.structs.replace(record.results, workers=workers, events=events)
    return msgspec.structs.replace(record, partial=True, summary=summary, results=results)


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
