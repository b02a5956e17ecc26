"""loop-blocked-by-cpu: a handler computes on the event loop, and everybody waits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...monitoring.observations import LongStep, Stack
from ...units import format_duration
from ..hot_code import HotFunction, hot_functions
from ..loop_holds import statement_seconds_within
from .rule import Rule, finding, others_wait, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...records import Finding
    from ..evidence import Evidence
    from ..service_model import Work

__all__ = ["RULE"]

NAME = "loop-blocked-by-cpu"
# Part of a long step's wall time on the processor that makes it computing; or so many seconds of it, whatever else it
# did, for on a busy machine a step that only computes waits for the processor too.
_COMPUTING, _LONG_COMPUTING = 0.6, 0.015
# Steps of a route that computing must explain; one slow step may be a garbage collection.
_LEAST_STEPS = 3
# Part of the route's CPU time in one function, below which there is no single culprit to move.
_LEAST_SHARE = 0.4
# So much of a second processor must there be, where no other route waits: else nobody gains.
_SECOND = 1.5
# Sending work to another process and back, with small arguments.
_HAND_OVER = 0.5e-3


def _find(evidence: Evidence) -> list[Finding]:
    findings = []
    for route in evidence.routes:
        steps = computing_steps(evidence, route)
        function = _culprit(evidence, route, steps)
        if function is None or not (_others(evidence, route) or evidence.allowed_cores >= _SECOND):
            continue
        little, estimate, much = (_offloaded(evidence, route, function.share * part) for part in (0.7, 1.0, 1.0))
        prediction = evidence.predict(little, estimate, much, route)
        held = float(np.median([step.wall for step in steps]))
        if not evidence.is_material(prediction, route, held_ms=held * 1e3):
            continue
        text = (
            f"{plural(len(steps), 'step')} of {route} computed on the event loop for {format_duration(held)} (median), "
            f"the longest {format_duration(max(step.wall for step in steps))}; {function.share:.0%} of the route's CPU "
            f"time is in {function.frame.function}"
        )
        text += others_wait(evidence, route)
        findings.append(
            finding(
                rule=NAME,
                title=f"event loop blocked by computing on {route}",
                route=route,
                place=evidence.place(function.frame, route),
                evidence=text,
                fix=(
                    f"run {function.frame.function} off the loop: await loop.run_in_executor(process_pool, …) "
                    "(a thread would still hold the GIL); or do it in chunks with await asyncio.sleep(0) between; "
                    "or in a background job"
                ),
                cost=(
                    "one or more processes with their memory; arguments and results are copied between processes "
                    f"(about {format_duration(_HAND_OVER)} a call); the computing itself is not saved"
                ),
                prediction=prediction,
                measures={
                    "steps": float(len(steps)),
                    "held_ms": held * 1e3,
                    "share_of_cpu": function.share,
                    "function": function.frame.function,
                },
            )
        )
    return findings


def computing_steps(evidence: Evidence, route: str) -> list[LongStep]:
    """Long steps of a route spent computing in Python: not in statements, not in garbage collections."""
    found = []
    for step in evidence.long_steps(route):
        elsewhere = statement_seconds_within(evidence, step) + sum(
            pause.duration
            for pause in evidence.observations.gc_pauses
            if pause.pid == step.pid and step.started <= pause.started < step.started + step.wall
        )
        if step.cpu - elsewhere >= min(_COMPUTING * step.wall, _LONG_COMPUTING):
            found.append(step)
    return found if len(found) >= _LEAST_STEPS else []


def _others(evidence: Evidence, route: str) -> bool:
    return any(other != route for other in evidence.routes)


def _culprit(evidence: Evidence, route: str, steps: Sequence[LongStep]) -> HotFunction | None:
    if not steps:
        return None
    stacks = evidence.stacks(route) or [
        Stack(pid=step.pid, route=step.route, frames=step.stack, samples=1, cpu_seconds=step.cpu) for step in steps
    ]
    functions = hot_functions(stacks, evidence.sources)
    return functions[0] if functions and functions[0].share >= _LEAST_SHARE else None


def _offloaded(evidence: Evidence, route: str, share: float) -> Work:
    work = evidence.model.work
    moved = evidence.none()
    rows = evidence.routes[route]
    moved[rows] = share * work.cpu[rows]
    handed = np.where(moved > 0, _HAND_OVER, 0.0)
    return replace(work, cpu=work.cpu - moved, offloaded=work.offloaded + moved, handed_over=work.handed_over + handed)


RULE = Rule(NAME, "computing on the event loop", _find)
