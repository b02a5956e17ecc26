"""Records of measurements that ended early: what was asked, what was measured, and why no more."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from ..records import (
    ComparisonRecord,
    DiagnosisRecord,
    Figures,
    LoadPlan,
    LoadResults,
    LoadSummary,
    ServiceDescription,
    current_environment,
)
from ..redaction import redact_url
from ..stats import Histogram

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..exceptions import PerfloopError
    from ..records import CurvePoint
    from .options import ComparisonOptions, DiagnosisOptions

__all__ = ["last_words", "nothing_compared", "nothing_judged"]

_LAST_LINES = 5


def nothing_judged(
    options: DiagnosisOptions,
    why: str,
    *,
    service: ServiceDescription | None = None,
    curve: Sequence[CurvePoint] = (),
    notes: Sequence[str] = (),
) -> DiagnosisRecord:
    """The partial record of a diagnosis that ended before its judged run.

    Args:
        options: what was asked.
        why: it ended, in words.
        service: where it was known already.
        curve: the steps of the load curve that were complete.
        notes: what else the reader must know.
    """
    empty, none = Histogram().encode(), Figures()
    return DiagnosisRecord(
        environment=current_environment(),
        partial=True,
        service=service
        or ServiceDescription(
            command=list(options.command), url="", python=None, frameworks=[], processes=0, startup_seconds=0.0
        ),
        plan=LoadPlan(
            model="open",
            connections=0,
            requests=[redact_url(str(request)) for request in options.requests],
            duration_seconds=options.duration,
            timeout_seconds=options.timeout,
        ),
        curve=list(curve),
        capacity_rps=max((point.rate for point in curve), default=0.0),
        summary=LoadSummary(
            requests=0,
            errors=0,
            rate=0.0,
            elapsed_seconds=0.0,
            bytes_received=0,
            bytes_per_second=0.0,
            latency_ms=none,
            service_time_ms=none,
            queue_ms=none,
            send_lag_ms=none,
            generator_cpu_seconds=0.0,
            trustworthy=False,
            reasons=[why],
        ),
        results=LoadResults(
            statuses={}, error_kinds=[], series=[], latency_histogram=empty, service_time_histogram=empty
        ),
        routes=[],
        findings=[],
        notes=[why, *notes],
    )


def nothing_compared(options: ComparisonOptions, why: str) -> ComparisonRecord:
    """The partial record of a comparison that ended before both commands had one whole run."""
    return ComparisonRecord(
        environment=current_environment(),
        partial=True,
        a=shlex.join(options.a),
        b=shlex.join(options.b),
        runs=0,
        confidence=options.confidence,
        metrics=[],
        verdict="not enough data",
        reasons=[why],
    )


def last_words(error: PerfloopError) -> list[str]:
    """The end of a service's output as a note; none where it wrote nothing."""
    lines = [line.strip() for line in (error.output or "").splitlines() if line.strip()]
    return [f"its last output: {' ⏎ '.join(lines[-_LAST_LINES:])}"] if lines else []
