"""Runs as tables: every figure under the name of its column."""

from __future__ import annotations

import csv
import io

import msgspec
import pytest

from perfloop.records import DiagnosisRecord, LoadRecord
from perfloop.reporting import render_parts_csv, render_series_csv, render_summary_csv

from .sample_loads import failing_load, load, scenario_load
from .sample_records import SAMPLES

RUNS = {name: record for name, record in SAMPLES.items() if isinstance(record, LoadRecord | DiagnosisRecord)}


def rows(text: str) -> list[dict[str, str]]:
    assert all(line.endswith("\r\n") for line in text.splitlines(keepends=True))
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("record", RUNS.values(), ids=RUNS)
def test_a_row_a_second(record: LoadRecord | DiagnosisRecord) -> None:
    table = rows(render_series_csv(record))
    assert len(table) == len(record.results.series)
    for row, point in zip(table, record.results.series, strict=True):
        assert (int(row["second"]), int(row["requests"]), int(row["errors"])) == (
            point.second,
            point.requests,
            point.errors,
        )
        assert row["p99_ms"] == ("" if point.p99_ms is None else repr(point.p99_ms))


def test_a_row_says_how_much_of_its_second_was_measured() -> None:
    record = load()
    last = record.results.series[-1].second
    for elapsed, covered in ((last + 0.25, "0.25"), (last + 1.5, "1.0"), (float(last), "0.0")):
        summary = msgspec.structs.replace(record.summary, elapsed_seconds=elapsed)
        table = rows(render_series_csv(msgspec.structs.replace(record, summary=summary)))
        assert {row["covered_seconds"] for row in table[:-1]} == {"1.0"}
        assert table[-1]["covered_seconds"] == covered


@pytest.mark.parametrize("record", RUNS.values(), ids=RUNS)
def test_the_run_in_one_row(record: LoadRecord | DiagnosisRecord) -> None:
    (row,) = rows(render_summary_csv(record))
    summary = record.summary
    assert int(row["requests"]) == summary.requests
    assert float(row["latency_p99_ms"]) == summary.latency_ms.p99
    assert float(row["send_lag_p999_ms"]) == summary.send_lag_ms.p999
    assert row["trustworthy"] == str(summary.trustworthy).lower()
    assert row["planned_rate"] == ("" if record.plan.rate is None else str(record.plan.rate))


def test_rows_of_several_runs_fit_under_one_head() -> None:
    heads = {render_summary_csv(record).split("\r\n")[0] for record in RUNS.values()}
    assert len(heads) == 1


def test_a_row_for_each_endpoint_group_and_phase() -> None:
    results = scenario_load().results
    table = rows(render_parts_csv(scenario_load()))
    assert [(row["part"], row["name"]) for row in table] == [
        *(("endpoint", each.label) for each in results.endpoints),
        *(("group", each.name) for each in results.groups),
        *(("phase", each.name) for each in results.phases),
    ]
    endpoint, group, phase = results.endpoints[0], results.groups[0], results.phases[0]
    found = {(row["part"], row["name"]): row for row in table}
    row = found["endpoint", endpoint.label]
    assert (int(row["count"]), int(row["errors"]), float(row["rate"])) == (
        *(endpoint.requests, endpoint.errors, endpoint.rate),
    )
    assert (float(row["p99_ms"]), float(row["max_ms"])) == (endpoint.latency_ms.p99, endpoint.latency_ms.max)
    row = found["group", group.name]
    assert (int(row["errors"]), row["rate"], float(row["p50_ms"])) == (group.failed, "", group.time_ms.p50)
    row = found["phase", phase.name]
    assert (int(row["count"]), row["errors"], float(row["mean_ms"])) == (phase.count, "", phase.time_ms.mean)


def test_what_nothing_was_measured_of_is_empty() -> None:
    results = scenario_load().results
    endpoint = msgspec.structs.replace(results.endpoints[0], requests=0, errors=0)
    results = msgspec.structs.replace(results, endpoints=[endpoint])
    (row, *_) = rows(render_parts_csv(msgspec.structs.replace(scenario_load(), results=results)))
    assert (row["count"], row["p50_ms"], row["max_ms"]) == ("0", "", "")


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r\n=1"])
def test_no_text_becomes_a_formula(text: str) -> None:
    (row,) = rows(render_summary_csv(msgspec.structs.replace(load(), target=text)))
    assert row["target"].startswith("'")


def test_separators_and_line_ends_stay_in_their_cell() -> None:
    summary = msgspec.structs.replace(failing_load().summary, reasons=['a, "b"', "c\r\nd"], trustworthy=False)
    (row,) = rows(render_summary_csv(msgspec.structs.replace(failing_load(), summary=summary)))
    assert row["reasons"] == 'a, "b"; c d'
