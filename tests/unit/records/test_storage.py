from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

import jsonschema
import msgspec
import pytest

from perfloop.exceptions import RecordTooNew, UnreadableRecord
from perfloop.records import (
    SCHEMA_VERSION,
    AnyRecord,
    CapacityPoint,
    CapacityProbe,
    CapacityRecord,
    CohortBreakdown,
    ComparisonRecord,
    CurvePoint,
    DiagnosisRecord,
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
    UslFit,
    current_environment,
    json_schema,
    load_record,
    save_record,
)

from ..reporting.sample_advice import advice
from ..reporting.sample_plans import plan
from ..reporting.sample_replays import replayed
from ..reporting.sample_workloads import workload

if TYPE_CHECKING:
    from pathlib import Path

FIGURES = Figures(mean=1.5, p50=1.0, p95=2.0, p99=3.0, p999=4.0, max=5.0)
PLAN = LoadPlan(model="open", connections=10, requests=["2x GET /a"], rate=100.0, arrival="poisson", duration_seconds=5)
SUMMARY = LoadSummary(
    requests=10,
    errors=1,
    rate=2.0,
    elapsed_seconds=5.0,
    bytes_received=1000,
    bytes_per_second=200.0,
    latency_ms=FIGURES,
    service_time_ms=FIGURES,
    queue_ms=Figures(),
    send_lag_ms=Figures(),
    generator_cpu_seconds=0.1,
    trustworthy=False,
    reasons=["the generator was late"],
)
RESULTS = LoadResults(
    statuses={"200": 9, "500": 1},
    error_kinds=[ErrorKind(kind="status-500", count=1, example="GET /a answered 500")],
    series=[
        SeriesPoint(second=0, requests=10, errors=1, bytes_received=1000, in_flight=1, p50_ms=1, p99_ms=3, max_ms=5),
        SeriesPoint(second=1, requests=0, errors=0, bytes_received=0, in_flight=0),
    ],
    latency_histogram="HIST",
    service_time_histogram="HIST",
)
TARGETS = [TargetResult(name="latency_p99", target=1000, measured=3, unit="ms", outcome="met")]
PLACE = Place(file="shop/orders.py", line=42, function="list_orders")


def load() -> LoadRecord:
    return LoadRecord(
        environment=current_environment(),
        command=["perfloop", "load", "http://127.0.0.1/"],
        target="http://127.0.0.1/",
        plan=PLAN,
        summary=SUMMARY,
        results=RESULTS,
        thresholds=[Threshold(expression="p99>500ms", measured=3.0, unit="ms", failed=False)],
        targets=TARGETS,
    )


def diagnosis() -> DiagnosisRecord:
    cohort = CohortBreakdown(requests=10, mean_ms=1.5, parts_ms={"database": 1.0, "on CPU": 0.5})
    return DiagnosisRecord(
        environment=current_environment(),
        partial=True,
        service=ServiceDescription(
            command=["uvicorn", "shop:app"],
            url="http://127.0.0.1:8000",
            python="3.12.1",
            frameworks=["FastAPI"],
            processes=1,
            startup_seconds=1.2,
        ),
        plan=PLAN,
        curve=[CurvePoint(in_flight=1, rate=10.0, p50_ms=1.0, p99_ms=3.0)],
        capacity_rps=38.0,
        summary=SUMMARY,
        results=RESULTS,
        routes=[
            RouteBreakdown(
                route="GET /a",
                requests=10,
                latency_ms=FIGURES,
                typical=cohort,
                slowest=cohort,
                unaccounted_p95=0.1,
                statements=[
                    StatementSummary(
                        sql="SELECT ?", calls=1, per_request=0.1, mean_ms=1, total_ms=1, rows_per_call=1, place=PLACE
                    )
                ],
            )
        ],
        findings=[
            Finding(
                rule="n-plus-one",
                title="N+1 queries",
                route="GET /a",
                place=PLACE,
                evidence="51 statements",
                fix="selectinload",
                cost="memory",
                predicted=Predicted(p50_ms=(1, 2, 3), p99_ms=(1, 2, 3), capacity_rps=(1, 2, 3)),
                share_of_p99=0.8,
                share_of_time=0.7,
                measures={"statements_per_request": 50, "statement": "SELECT ?"},
                loop=PLACE,
            )
        ],
        targets=TARGETS,
        notes=["a note"],
    )


def comparison() -> ComparisonRecord:
    metric = MetricComparison(metric="p99", unit="ms", a=1, b=2, ratio=(1.9, 2.0, 2.1), verdict="slower")
    unknown = MetricComparison(metric="errors", unit="", a=0, b=2, ratio=None, verdict="not enough data")
    return ComparisonRecord(
        environment=current_environment(),
        a="before.json",
        b="after.json",
        runs=5,
        confidence=0.95,
        metrics=[metric, unknown],
        verdict="slower",
        reasons=["beyond the threshold"],
    )


def capacity() -> CapacityRecord:
    return CapacityRecord(
        environment=current_environment(),
        target="http://127.0.0.1/a",
        plan=PLAN,
        goals=["p99<200ms"],
        precision=0.1,
        confidence=0.95,
        verdict="found",
        capacity_rps=(90, 100, 105),
        highest_met_rps=101.5,
        limited_by="service",
        reasons=[],
        probes=[
            CapacityProbe(
                model="open",
                rate=101.5,
                connections=16,
                seconds=4,
                requests=406,
                errors=0,
                throughput=101.2,
                latency_ms=FIGURES,
                falling_behind=0.001,
                verdict="met",
            )
        ],
        curve=[CapacityPoint(rate=101.5, throughput=101.2, p50_ms=1, p99_ms=3, probes=1, met=1, missed=0)],
        usl=UslFit(
            rate_of_one=30, contention=0.02, coherency=0, peak_in_flight=None, peak_rate=(140, 150, 160), r_squared=0.98
        ),
    )


RECORDS = {
    "load": load,
    "diagnosis": diagnosis,
    "comparison": comparison,
    "capacity": capacity,
    "plan": plan,
    "advice": advice,
    "workload": workload,
    "replay": replayed,
}


@pytest.mark.parametrize("kind", RECORDS)
def test_a_record_comes_back_as_it_was_saved(kind: str, tmp_path: Path) -> None:
    record = RECORDS[kind]()
    save_record(record, tmp_path / "record.json")
    assert load_record(tmp_path / "record.json") == record
    written = json.loads((tmp_path / "record.json").read_text())
    assert (written["kind"], written["schema_version"]) == (kind, SCHEMA_VERSION)


@pytest.mark.parametrize("kind", RECORDS)
def test_a_record_agrees_with_the_published_schema(kind: str) -> None:
    schema = json_schema()
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    document = json.loads(msgspec.json.encode(RECORDS[kind]()))
    assert list(validator.iter_errors(document)) == []
    del document["environment"]
    assert list(validator.iter_errors(document)) != []


def test_every_kind_of_record_is_tested() -> None:
    assert {record.__struct_config__.tag for record in AnyRecord.__args__} == set(RECORDS)  # type: ignore[attr-defined]


def test_saving_replaces_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    save_record(load(), path)
    save_record(comparison(), path)
    assert isinstance(load_record(path), ComparisonRecord)
    assert [entry.name for entry in tmp_path.iterdir()] == ["record.json"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_failed_save_leaves_the_older_record_and_no_litter(tmp_path: Path) -> None:
    folder = tmp_path / "taken"
    (folder / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        save_record(load(), folder)
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken"]
    with pytest.raises(FileNotFoundError):
        save_record(load(), tmp_path / "missing" / "record.json")


def written(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "record.json"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "data",
    [b"", b"not json", b"[]", b"{}", b"null", b"\xff\xfe", b'{"schema_version": "1"}', b'{"schema_version": 1}'],
)
def test_what_is_no_record_is_refused(data: bytes, tmp_path: Path) -> None:
    path = written(tmp_path, data)
    with pytest.raises(UnreadableRecord, match="Expected a perfloop record") as caught:
        load_record(path)
    assert caught.value.where == str(path)
    assert caught.value.hint is not None


def test_a_damaged_record_says_where(tmp_path: Path) -> None:
    document: dict[str, Any] = json.loads(msgspec.json.encode(load()))
    document["summary"]["requests"] = "ten"
    path = written(tmp_path, json.dumps(document).encode())
    with pytest.raises(UnreadableRecord, match=r"\$\.summary\.requests"):
        load_record(path)


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    data = msgspec.json.encode(comparison())
    for length in range(0, len(data), 7):
        with pytest.raises(UnreadableRecord):
            load_record(written(tmp_path, data[:length]))


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(UnreadableRecord, match="cannot be read"):
            load_record(path)


def test_a_newer_record_says_to_upgrade(tmp_path: Path) -> None:
    head = {"schema_version": SCHEMA_VERSION + 1, "perfloop": "99.0", "kind": "something new"}
    with pytest.raises(RecordTooNew, match=f"version {SCHEMA_VERSION} or older") as caught:
        load_record(written(tmp_path, json.dumps(head).encode()))
    assert caught.value.hint is not None
    assert "99.0" in caught.value.hint


def test_fields_this_version_does_not_know_are_ignored(tmp_path: Path) -> None:
    document = json.loads(msgspec.json.encode(comparison()))
    document["added_later"] = 1
    assert isinstance(load_record(written(tmp_path, json.dumps(document).encode())), ComparisonRecord)
