"""slow-query: a statement that reads a whole table, or sorts it, for want of an index."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...units import format_bytes, format_duration
from ..index_trial import LEAST_GAIN, IndexTrial, NoTrial
from ..service_indexes import AdvisedTrial
from .rule import Rule, finding, plural

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from ...monitoring.observations import Frame
    from ...records import Finding
    from ..evidence import Evidence
    from ..service_model import Work
    from ..simulation import Seconds

    _Trial: TypeAlias = IndexTrial | NoTrial | AdvisedTrial

__all__ = ["RULE"]

NAME = "slow-query"
# Under load a statement takes longer than in the trial, where nothing else runs; beyond this it is the others' doing.
_CONTENTION = 3.0
# Without a trial: what SQLite takes to find and return rows by an index, generously.
_LOOKUP_SECONDS, _ROW_SECONDS = 50e-6, 10e-6
_LITTLE = 0.6


def _find(evidence: Evidence) -> list[Finding]:
    findings = []
    for statement, trial in evidence.index_trials.items():
        routes, seconds, calls, rows, frame = _use(evidence, statement)
        if not routes:
            continue
        mean = float(seconds.sum() / calls)
        remaining = _remaining(trial, mean, rows / calls)
        if remaining is None:
            continue
        route = routes[0]
        little, estimate, much = (_without(evidence, statement, part) for part in remaining)
        prediction = evidence.predict(little, estimate, much, route)
        if not evidence.is_material(prediction, route):
            continue
        text = evidence.observations.statements[statement]
        findings.append(
            finding(
                rule=NAME,
                title=_title(trial),
                route=route,
                place=evidence.place(frame, route),
                evidence=_evidence(evidence, statement, text, mean, rows / calls, trial, routes),
                fix=trial.index.create_sql if isinstance(trial, AdvisedTrial) else trial.proposal.statement,
                cost=_cost(trial),
                prediction=prediction,
                measures={
                    "statement": text,
                    "statement_ms": mean * 1e3,
                    "statement_with_index_ms": mean * remaining[1] * 1e3,
                    "statements_per_request": calls / len(evidence.routes[route]),
                    "measured": "bounded" if isinstance(trial, NoTrial) else "on a copy",
                },
            )
        )
    return findings


def _use(evidence: Evidence, statement: int) -> tuple[list[str], Seconds, float, float, Frame | None]:
    """Who issues a statement: routes (most time first), seconds a request, calls, rows, and the line that does most."""
    seconds = evidence.none()
    calls = rows = 0.0
    frames: dict[Frame | None, float] = {}
    by_route: dict[str, float] = {}
    for row, request in enumerate(evidence.model.requests):
        for call in request.trace.statements:
            if call.statement == statement:
                seconds[row] += call.duration
                calls += 1
                rows += call.rows
                site = evidence.observations.sites[call.site]
                frame = site[0] if site else None
                frames[frame] = frames.get(frame, 0.0) + call.duration
                by_route[request.route] = by_route.get(request.route, 0.0) + call.duration
    routes = sorted(by_route, key=by_route.__getitem__, reverse=True)
    frame = max(frames, key=frames.__getitem__) if frames else None
    return routes, seconds, calls, rows, frame


def _title(trial: _Trial) -> str:
    if isinstance(trial, AdvisedTrial):
        index = trial.index
        only = f" where {index.where}" if index.where else ""
        return f"missing index on {index.table}({', '.join(index.keys)}){only}"
    return f"missing index on {trial.proposal.table}({', '.join(trial.proposal.columns)})"


def _remaining(trial: _Trial, mean: float, rows: float) -> tuple[float, float, float] | None:
    """Part of the statement's time that remains with the index: at most, as expected, at least. None: no gain."""
    if isinstance(trial, IndexTrial):
        if not trial.used or trial.before_seconds < LEAST_GAIN * trial.after_seconds:
            return None
        part = trial.after_seconds / trial.before_seconds
        own = min(_CONTENTION * trial.before_seconds / mean, 1.0)
        # The first call's parameters stand for all; with others more rows may be found.
        return 1.0 - own * (1.0 - min(2.0 * part + 0.05, 1.0)), 1.0 - own * (1.0 - part), 0.5 * part
    if isinstance(trial, AdvisedTrial):
        part = trial.part
        if part * LEAST_GAIN > 1.0:
            return None
        alone = trial.gain.ms_before
        own = 1.0 if alone is None else min(_CONTENTION * alone * 1e-3 / mean, 1.0)
        return 1.0 - own * (1.0 - min(2.0 * part + 0.05, 1.0)), 1.0 - own * (1.0 - part), 0.5 * part
    with_index = _LOOKUP_SECONDS + _ROW_SECONDS * rows
    if mean < LEAST_GAIN * with_index:
        return None
    return _LITTLE, 0.5 * (_LITTLE + with_index / mean), with_index / mean


def _without(evidence: Evidence, statement: int, remaining: float) -> Work:
    on_loop, elsewhere = evidence.none(), evidence.none()
    for row, request in enumerate(evidence.model.requests):
        for call in request.trace.statements:
            if call.statement == statement:
                (on_loop if call.on_loop else elsewhere)[row] += call.duration
    work = evidence.model.work
    return replace(
        work,
        database_on_loop=(work.database_on_loop - on_loop * (1.0 - remaining)).clip(0.0),
        database=(work.database - elsewhere * (1.0 - remaining)).clip(0.0),
    )


def _evidence(
    evidence: Evidence,
    statement: int,
    text: str,
    mean: float,
    rows: float,
    trial: _Trial,
    routes: Sequence[str],
) -> str:
    plan = next((each.plan for each in evidence.observations.explains if each.statement == statement), [])
    parts = [f"{text}: {format_duration(mean)} a call for {plural(rows, 'row')}"]
    if plan:
        parts.append(f"SQLite's plan: {', '.join(plan)}")
    if isinstance(trial, AdvisedTrial):
        parts += [trial.index.reason, _on_the_clone(trial)]
    elif isinstance(trial, IndexTrial):
        parts.append(
            f"on a copy of the database {format_duration(trial.before_seconds)} without and "
            f"{format_duration(trial.after_seconds)} with the index ({plural(trial.table_rows, 'row')} in the table)"
        )
    else:
        parts.append(f"not tried on a copy, because {trial.why}: the gain is bounded, not measured")
    if len(routes) > 1:
        parts.append(f"also on {', '.join(routes[1:4])}")
    return "; ".join(parts)


def _on_the_clone(trial: AdvisedTrial) -> str:
    gain = trial.gain
    if gain.buffers_before is not None and gain.buffers_after is not None:
        figures = f"{gain.buffers_before:,.0f} pages without and {gain.buffers_after:,.0f} with the index"
    else:
        figures = f"a cost of {gain.cost_before:,.0f} without and {gain.cost_after:,.0f} with the index"
    if gain.ms_before is not None and gain.ms_after is not None:
        before, after = format_duration(gain.ms_before * 1e-3), format_duration(gain.ms_after * 1e-3)
        figures += f", {before} and {after}"
    return f"on a clone of the database{' with a sample of its rows' if trial.sampled else ''} {figures}"


def _cost(trial: _Trial) -> str:
    if isinstance(trial, NoTrial):
        return "disk space for the index, and every write to the table also writes to it"
    if isinstance(trial, AdvisedTrial):
        index, added = trial.index, trial.index.write_bill.insert_us
        words = f"{format_bytes(index.size_bytes)} of disk, {format_duration(index.build_seconds)} to build"
        if added is None:
            return f"{words}, and every write to the table also writes to it"
        return f"{words}, {added:+.1f} µs for each row inserted"
    size = format_bytes(trial.index_bytes)
    built = format_duration(trial.build_seconds)
    if trial.write_seconds is None:
        return f"{size} of disk, {built} to build, and every write to the table also writes to it"
    return f"{size} of disk, {built} to build, about {format_duration(trial.write_seconds)} more for each row written"


RULE = Rule(NAME, "a statement that reads or sorts a whole table for want of an index", _find)
