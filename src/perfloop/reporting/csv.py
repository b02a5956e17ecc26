"""A run as tables for a spreadsheet: RFC 4180, a head of column names that carry their units, empty where nothing was
measured."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from msgspec import to_builtins

from perfloop.records import DiagnosisRecord, Figures, SeriesPoint

from . import figures

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from perfloop.records import LoadRecord

__all__ = ["render_parts_csv", "render_series_csv", "render_summary_csv"]

_TIMES = tuple(f"{name}_ms" for name in Figures.__struct_fields__)
_FORMULA = ("=", "+", "-", "@")


def render_series_csv(record: LoadRecord | DiagnosisRecord) -> str:
    """One row a second of the run, by the moment requests finished; latencies are empty in a second where none did.

    The last row is often less than a second, the last answers only: `covered_seconds` says how much of it was measured.
    """
    elapsed = record.summary.run_seconds
    rows = (
        {**to_builtins(point), "covered_seconds": round(max(0.0, min(1.0, elapsed - point.second)), 6)}
        for point in record.results.series
    )
    return _table((*SeriesPoint.__struct_fields__, "covered_seconds"), rows)


def render_summary_csv(record: LoadRecord | DiagnosisRecord) -> str:
    """The run in one row below its head: rows of several runs can be put under each other."""
    plan = record.plan
    row: dict[str, Any] = {
        "created": record.created,
        "target": record.service.url if isinstance(record, DiagnosisRecord) else record.target,
        "partial": record.partial,
        "model": plan.model,
        "connections": plan.connections,
        "planned_rate": plan.rate,
        "planned_duration_seconds": plan.duration_seconds,
    }
    for name, value in to_builtins(record.summary).items():
        if isinstance(value, dict):  # latency_ms: {p50: …} as latency_p50_ms
            row.update({f"{name.removesuffix('_ms')}_{figure}_ms": number for figure, number in value.items()})
        else:
            row[name] = "; ".join(value) if isinstance(value, list) else value
    return _table(tuple(row), [row])


def render_parts_csv(record: LoadRecord | DiagnosisRecord) -> str:
    """One row for each endpoint, each journey or group of a scenario, and each phase, in this order.

    Of an endpoint the times are its latency; what was not counted of a part is empty.
    """
    results = record.results
    rows = [
        *(
            _part("endpoint", each.label, each.requests, each.latency_ms, errors=each.errors, rate=each.rate)
            for each in results.endpoints
        ),
        *(_part("group", each.name, each.count, each.time_ms, errors=each.failed) for each in results.groups),
        *(_part("phase", each.name, each.count, each.time_ms) for each in results.phases),
    ]
    return _table(("part", "name", "count", "errors", "rate", *_TIMES), rows)


def _part(part: str, name: str, count: int, times: Figures, **more: float) -> dict[str, Any]:
    measured = dict(zip(_TIMES, to_builtins(times).values(), strict=True)) if count else {}
    return {"part": part, "name": name, "count": count, **more, **measured}


def _table(columns: tuple[str, ...], rows: Iterable[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return value
    shown = figures.clean(value)
    # A spreadsheet would run what looks like a formula.
    return f"'{shown}" if shown.startswith(_FORMULA) else shown
