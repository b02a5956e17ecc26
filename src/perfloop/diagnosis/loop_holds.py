"""What holds the event loop besides computing: calls that block it, by the user's line that makes them."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .index_trial import IndexTrial
from .repeats import repeats

if TYPE_CHECKING:
    from collections.abc import Iterable

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
    frames: tuple[Frame, ...]
    """The user's frames, innermost first: the line that blocks, then its callers. Empty where no sample fell on it."""
    statements: Seconds
    """Seconds in statements that ran on the loop's thread."""
    waits: Seconds
    """Seconds in sleeps, sockets, files, locks and calls upstream."""

    @property
    def frame(self) -> Frame | None:
        return self.frames[0] if self.frames else None

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
        callers: dict[Frame | None, tuple[Frame, ...]] = {None: ()}
        waits = evidence.none()
        for row in rows:
            request = evidence.model.requests[row]
            if not request.trace.is_async:
                continue
            waits[row] = request.parts.get("blocking", 0.0)
            for call in request.trace.statements:
                if call.on_loop and (route, call.statement) not in repeated:
                    site = tuple(evidence.observations.sites[call.site])
                    line = site[0] if site else None
                    callers.setdefault(line, site)
                    by_line[line][row] += call.duration * _left(evidence, call.statement)
        found += [BlockingLine(route, callers[line], seconds, evidence.none()) for line, seconds in by_line.items()]
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
    callers: dict[Frame, tuple[Frame, ...]] = {}
    for step in evidence.long_steps(route):
        frames = _user_frames(step.stack)
        if frames and step.cpu < _BLOCKED * step.wall:
            callers.setdefault(frames[0], frames)
            weights[frames[0]] += max(round((step.wall - step.cpu) * 1e6), 1)
    if not weights:
        statements = {(frames[0].file, frames[0].line) for frames in evidence.observations.sites if frames}
        for stack in evidence.stacks(route):
            frames = _user_frames(stack.frames)
            idle = stack.samples * _SAMPLE_SECONDS - stack.cpu_seconds
            blocked = idle > (1 - _BLOCKED) * stack.samples * _SAMPLE_SECONDS
            if frames and blocked and (frames[0].file, frames[0].line) not in statements:
                callers.setdefault(frames[0], frames)
                weights[frames[0]] += max(round(idle * 1e6), 1)
    total = sum(weights.values())
    if not total:
        return [BlockingLine(route, (), np.zeros_like(waits), waits)]
    return [
        BlockingLine(route, callers[frame], np.zeros_like(waits), waits * (weight / total))
        for frame, weight in weights.most_common()
    ]


def _user_frames(frames: Iterable[Frame]) -> tuple[Frame, ...]:
    return tuple(frame for frame in frames if frame.user)
