"""What holds the event loop besides computing: calls that block it, by the user's line that makes them."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .index_trial import IndexTrial
from .repeats import repeats

if TYPE_CHECKING:
    from ..monitoring.observations import Frame, LongStep
    from .evidence import Evidence
    from .simulation import Seconds

__all__ = ["BlockingLine", "blocking_lines", "statement_seconds_within"]

# CPU share below which a step or a sampled line counts as blocked.
_BLOCKED = 0.4
# The agent samples about this often; only the comparison of lines depends on it.
_SAMPLE_SECONDS = 0.01


@dataclass(frozen=True)
class BlockingLine:
    """One line of a route's async code that blocks the loop. Arrays have one entry a request of the model."""

    route: str
    frame: Frame | None
    """None where no sample fell on it."""
    statements: Seconds
    """Seconds in statements that ran on the loop's thread."""
    waits: Seconds
    """Seconds in sleeps, sockets and files."""

    @property
    def seconds(self) -> Seconds:
        return self.statements + self.waits


def statement_seconds_within(evidence: Evidence, step: LongStep) -> float:
    """Seconds of a step spent in statements on the loop's thread."""
    end = step.started + step.wall
    return sum(
        max(min(call.started + call.duration, end) - max(call.started, step.started), 0.0)
        for request in evidence.model.requests
        if request.trace.pid == step.pid and request.trace.started < end and request.trace.ended > step.started
        for call in request.trace.statements
        if call.on_loop
    )


def blocking_lines(evidence: Evidence) -> list[BlockingLine]:
    """Every line of async code that blocks the loop, without what another finding's fix removes anyway.

    Statements repeated in a loop are the n-plus-one rule's; of statements that lack an index only the time that would
    remain with it counts.
    """
    found = []
    repeated = {(repeat.route, repeat.statement) for repeat in repeats(evidence)}
    for route, rows in evidence.routes.items():
        by_line: dict[Frame | None, Seconds] = defaultdict(evidence.none)
        waits = evidence.none()
        for row in rows:
            request = evidence.model.requests[row]
            if not request.trace.is_async:
                continue
            waits[row] = request.parts.get("blocking", 0.0)
            for call in request.trace.statements:
                if call.on_loop and (route, call.statement) not in repeated:
                    site = evidence.observations.sites[call.site]
                    by_line[site[0] if site else None][row] += call.duration * _left(evidence, call.statement)
        found += [BlockingLine(route, frame, seconds, evidence.none()) for frame, seconds in by_line.items()]
        if waits.any():
            found += _waiting_lines(evidence, route, waits)
    return found


def _left(evidence: Evidence, statement: int) -> float:
    trial = evidence.index_trials.get(statement)
    if isinstance(trial, IndexTrial) and trial.used and trial.before_seconds > 0:
        return min(trial.after_seconds / trial.before_seconds, 1.0)
    return 1.0


def _waiting_lines(evidence: Evidence, route: str, waits: Seconds) -> list[BlockingLine]:
    """Divide a route's blocked time over the lines it was sampled on."""
    weights: Counter[Frame] = Counter()
    for step in evidence.long_steps(route):
        frame = next((frame for frame in step.stack if frame.user), None)
        if frame is not None and step.cpu < _BLOCKED * step.wall:
            weights[frame] += max(round((step.wall - step.cpu) * 1e6), 1)
    if not weights:
        statements = {(frames[0].file, frames[0].line) for frames in evidence.observations.sites if frames}
        for stack in evidence.stacks(route):
            frame = next((frame for frame in stack.frames if frame.user), None)
            idle = stack.samples * _SAMPLE_SECONDS - stack.cpu_seconds
            blocked = idle > (1 - _BLOCKED) * stack.samples * _SAMPLE_SECONDS
            if frame is not None and blocked and (frame.file, frame.line) not in statements:
                weights[frame] += max(round(idle * 1e6), 1)
    total = sum(weights.values())
    if not total:
        return [BlockingLine(route, None, np.zeros_like(waits), waits)]
    return [
        BlockingLine(route, frame, np.zeros_like(waits), waits * (weight / total))
        for frame, weight in weights.most_common()
    ]
