"""cpu-bound: one function of the user's code uses up the processor."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...units import format_duration
from ..hot_code import hot_functions
from .loop_blocked_by_cpu import computing_steps
from .rule import Rule, finding

if TYPE_CHECKING:
    from ...records import Finding
    from ..evidence import Evidence
    from ..service_model import Work

__all__ = ["RULE"]

NAME = "cpu-bound"
# Part of the requests' work that is computing; below it the time is lost elsewhere.
_LEAST_COMPUTING = 0.6
# Part of the route's CPU time in one function, below which there is no function to name.
_LEAST_SHARE = 0.5
# Fewer samples name a function by chance.
_LEAST_SAMPLES = 20
# Nobody knows how much faster it can be: as if it became 1.25 times, twice, or infinitely as fast.
_SPEED_UPS = (0.2, 0.5, 1.0)


def _find(evidence: Evidence) -> list[Finding]:
    findings = []
    work = evidence.model.work
    statements = {(frames[0].file, frames[0].line) for frames in evidence.observations.sites if frames}
    for route, rows in evidence.routes.items():
        computing = float(work.cpu[rows].sum())
        everything = computing + sum(
            float(part[rows].sum()) for part in (work.database, work.database_on_loop, work.blocking, work.wait)
        )
        if computing < _LEAST_COMPUTING * everything or computing_steps(evidence, route):
            continue
        functions = hot_functions(evidence.stacks(route), evidence.sources, not_lines=statements)
        if not functions or functions[0].share < _LEAST_SHARE or functions[0].samples < _LEAST_SAMPLES:
            continue
        function = functions[0]
        little, estimate, much = (_faster(evidence, rows, function.share * part) for part in _SPEED_UPS)
        prediction = evidence.predict(little, estimate, much, route)
        if not evidence.is_material(prediction, route):
            continue
        each = computing / len(rows)
        findings.append(
            finding(
                rule=NAME,
                title=f"CPU-bound in {function.frame.function} on {route}",
                route=route,
                place=evidence.place(function.frame, route),
                evidence=(
                    f"{format_duration(each)} on the processor a request ({computing / everything:.0%} of its work); "
                    f"{function.share:.0%} of it in {function.frame.function} ({function.samples} samples)"
                ),
                fix=(
                    f"make {function.frame.function} cheaper (a better algorithm, a library in C, a cached result); "
                    "more worker processes raise the capacity but not the speed of one request; the figures suppose it "
                    "twice as fast, the ends of the interval 1.25 times and gone"
                ),
                cost="the code becomes more complex; a cache costs memory and staleness, each process its own memory",
                prediction=prediction,
                measures={
                    "function": function.frame.function,
                    "share_of_cpu": function.share,
                    "cpu_ms": each * 1e3,
                    "samples": float(function.samples),
                },
            )
        )
    return findings


def _faster(evidence: Evidence, rows: list[int], part: float) -> Work:
    work = evidence.model.work
    left = np.ones_like(work.cpu)
    left[rows] = 1.0 - part
    return replace(work, cpu=work.cpu * left)


RULE = Rule(NAME, "one function of the user's code uses up the processor", _find)
