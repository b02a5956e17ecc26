"""The load generators of a run that had several, and why a record covers less than was asked for, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from perfloop.records import DiagnosisRecord, LoadRecord
from perfloop.units import format_duration

from . import figures

if TYPE_CHECKING:
    from perfloop.records import AnyRecord, WorkerResult

__all__ = ["HEADS", "WorkerRow", "lost_workers", "partial_in_words", "worker_row"]

HEADS = ("worker", "requests", "errors", "processor", "send lag p99", "clock")


class WorkerRow(NamedTuple):
    """One worker under HEADS."""

    name: str
    requests: str
    errors: str
    cpu: str
    send_lag: str
    clock: str
    lost: str | None


def worker_row(worker: WorkerResult) -> WorkerRow:
    """One worker as texts."""
    return WorkerRow(
        figures.clean(worker.name),
        figures.count(worker.requests),
        figures.count(worker.errors),
        "–" if worker.cpu_seconds is None else format_duration(worker.cpu_seconds),
        figures.milliseconds(worker.send_lag_p99_ms),
        f"±{figures.milliseconds(worker.clock_error_ms)}" if worker.clock_error_ms else "ours",
        None if worker.lost is None else figures.clean(worker.lost),
    )


def lost_workers(record: AnyRecord) -> list[WorkerResult]:
    """Those that did not come to the end of the run."""
    workers = record.results.workers if isinstance(record, LoadRecord | DiagnosisRecord) else []
    return [worker for worker in workers if worker.lost is not None]


def partial_in_words(record: AnyRecord) -> tuple[str, str]:
    """Of a record that is partial: what happened in a word, and what its figures cover."""
    lost = len(lost_workers(record))
    if lost:
        were = figures.plural(lost, "worker was", "workers were")
        return "Partial", f"{were} lost: the figures cover what was told until then"
    return "Interrupted", "the figures cover what was measured until then"
