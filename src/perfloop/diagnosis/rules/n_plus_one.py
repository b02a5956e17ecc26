"""n-plus-one: a statement for each row of an earlier one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...database.nplusone import loader_of
from ..hot_code import cpu_by_line
from ..repeats import Repeat, repeats
from .rule import Rule, finding, plural

if TYPE_CHECKING:
    from ...records import Finding
    from ..evidence import Evidence
    from ..service_model import Work
    from ..simulation import Seconds

__all__ = ["RULE"]

NAME = "n-plus-one"
# With fewer samples the stack profile cannot say how much of the time belongs to one line.
_LEAST_SAMPLES = 40
# What the batch may cost beyond one call and its rows (a long IN list, a second pass over the parents).
_RESERVE = 0.15
# A batch sends each key and hands its rows to their owner; measured with selectinload, plain SQL is cheaper.
_KEY_SECONDS, _KEY_SHARE = 10e-6, 0.1


def _find(evidence: Evidence) -> list[Finding]:
    findings = []
    frameworks = " ".join(name for process in evidence.observations.processes.values() for name in process.frameworks)
    for repeat in repeats(evidence):
        little, estimate, much = (_without(evidence, repeat, saving) for saving in (-1.0, 0.0, 1.0))
        prediction = evidence.predict(little, estimate, much, repeat.route)
        if not evidence.is_material(prediction, repeat.route):
            continue
        place = evidence.place(repeat.frames[0] if repeat.frames else None, repeat.route)
        statement = evidence.observations.statements[repeat.statement]
        rows = evidence.routes[repeat.route]
        total = float(np.median([len(evidence.model.requests[row].trace.statements) for row in rows]))
        each = float(repeat.database_seconds.sum() / max(repeat.calls.sum(), 1.0)) * 1e3
        often = float(np.mean([repeat.calls[row] >= 2 for row in rows]))
        text = (
            f"{plural(total, 'statement')} a request, {repeat.per_request:.0f} × {statement} "
            f"({each:.2f} ms and {plural(repeat.rows_per_call, 'row')} each)"
        )
        call = evidence.sources.call_in_loop(repeat.frames)
        if call is not None:
            # The line that issues it may serve many statements; what to change is the line that asks for this one.
            text += f"; asked for at {call.file}:{call.line} in {call.function}"
            text += f": {call.source}" if call.source else ""
        if often < 0.99:
            text += f"; against it: {1 - often:.0%} of the requests do not repeat it"
        findings.append(
            finding(
                rule=NAME,
                title=f"N+1 queries on {repeat.route}",
                route=repeat.route,
                place=place,
                loop=evidence.sources.loop_around(repeat.frames),
                evidence=text,
                fix=loader_of(statement, repeat.frames, evidence.sources, frameworks).text,
                cost=(
                    "memory for all related rows at once, about "
                    f"{plural(repeat.per_request * repeat.rows_per_call, 'row')} a request, also those nobody looks at"
                ),
                prediction=prediction,
                measures={
                    "statement": statement,
                    "statements_per_request": repeat.per_request,
                    "statement_ms": each,
                    "rows_per_statement": repeat.rows_per_call,
                },
            )
        )
    return findings


def _without(evidence: Evidence, repeat: Repeat, much: float) -> Work:
    """The work with one statement for all; `much` from -1 (the fix saves little) to 1 (much).

    Garbage collections stay: the same rows become the same objects, and it is these that make a collection due.
    """
    work = evidence.model.work
    once = np.divide(1.0, repeat.calls, out=np.zeros_like(repeat.calls), where=repeat.calls > 0)
    each = float((repeat.database_seconds + repeat.around_seconds).sum() / max(repeat.calls.sum(), 1.0))
    a_key = min(_KEY_SECONDS / each, _KEY_SHARE) if each > 0 else 0.0
    kept = np.minimum(repeat.fixed_share * once + (1.0 - repeat.fixed_share) + a_key, 1.0)
    kept = np.clip(kept + (1.0 - kept) * _RESERVE * max(-much, 0.0), 0.0, 1.0)
    if much > 0:
        kept = kept * (1.0 - 0.5 * much * (1.0 - repeat.fixed_share))
    database = repeat.database_seconds * (1.0 - kept)
    computing = _computing(evidence, repeat, much) * (1.0 - kept)
    on_loop = np.minimum(database, work.database_on_loop)
    return replace(
        work,
        cpu=np.maximum(work.cpu - computing, 0.0),
        database_on_loop=work.database_on_loop - on_loop,
        database=np.maximum(work.database - (database - on_loop), 0.0),
    )


def _computing(evidence: Evidence, repeat: Repeat, much: float) -> Seconds:
    """CPU seconds a request around the calls.

    The time between calls bounds it; the loop's body may do other work there, so the part of the CPU samples that lies
    under the issuing line decides, where there are enough of them.
    """
    between = np.minimum(repeat.around_seconds, evidence.model.work.cpu)
    stacks = evidence.stacks(repeat.route)
    if not repeat.frames or sum(stack.samples for stack in stacks) < _LEAST_SAMPLES:
        return between * (1.0 + 0.3 * min(much, 0.0))
    lines, total = cpu_by_line(stacks)
    if total <= 0:
        return between
    frame = repeat.frames[0]
    # What the samples call CPU time holds SQLite's, which belongs to the statements.
    work = evidence.model.work
    everything = work.cpu + work.database + work.database_on_loop
    under_line = lines.get((frame.file, frame.line), 0.0) / total * everything - repeat.database_seconds
    under_line = np.clip(under_line, 0.0, work.cpu)
    sampled = np.minimum(between, under_line)
    return sampled if much <= 0 else (1.0 - much) * sampled + much * between


RULE = Rule(NAME, "a statement for each row of an earlier one", _find)
