"""What the service's caches did in the judged run, and what a request's work is without some of their time."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from ..monitoring.observations import Frame
from ..telemetry.caches import added, counts_told, figures_of, since

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..monitoring.observations import CacheSample
    from ..records import Place
    from ..telemetry.caches import CacheAbout, CacheFigures, Counts
    from .evidence import Evidence
    from .prediction import Prediction
    from .service_model import Work
    from .simulation import Seconds

__all__ = ["CacheUse", "cache_uses", "caches_in"]


@dataclass(frozen=True)
class CacheUse:
    """One cache in the judged run."""

    figures: CacheFigures
    """Of the run; what other sizes would find is of all that was seen."""
    route: str
    """That spends the most time on it."""
    loading: Seconds
    """Seconds each request waited for its loads."""
    looking_up: Seconds
    """Seconds each request looked up at shared levels."""

    def place(self, evidence: Evidence) -> Place:
        """Where it is made."""
        about = self.figures.about
        return evidence.place(Frame(about.file, about.line, about.function) if about.file else None, self.route)

    @staticmethod
    def without(evidence: Evidence, seconds: Seconds) -> Work:
        """The work without so many seconds of each request."""
        return _shorter(evidence.model.work, seconds)

    def predict(self, evidence: Evidence, seconds: Seconds, parts: tuple[float, float, float]) -> Prediction:
        """What is gained where this part of the requests, little, as estimated and much, no longer spends the time."""
        draw = np.random.default_rng(evidence.seed).random(len(seconds))
        little, estimate, much = (self.without(evidence, np.where(draw < part, seconds, 0.0)) for part in parts)
        return evidence.predict(little, estimate, much, self.route)


def caches_in(samples: Sequence[CacheSample], start: float) -> list[CacheFigures]:
    """Figures of all caches from a moment on.

    Args:
        samples: of each process in the order of time, those before the moment, too.
        start: the moment, in seconds of their clock.
    """
    before: dict[int, Counts] = {}
    now: dict[int, Counts] = {}
    about: dict[int, list[CacheAbout]] = {}
    for sample in samples:
        now[sample.pid], about[sample.pid] = counts_told(sample.report), sample.report.about
        if sample.at <= start:
            before[sample.pid] = now[sample.pid]
    counts = added(since(each, before.get(pid, {})) for pid, each in now.items())
    return figures_of(counts, [each for told in about.values() for each in told])


def cache_uses(evidence: Evidence) -> list[CacheUse]:
    """The caches that requests of the run waited for."""
    start = min((request.trace.started for request in evidence.requests), default=0.0)
    uses = []
    for figures in caches_in(evidence.observations.caches, start):
        loading, looking_up = evidence.none(), evidence.none()
        for row, request in enumerate(evidence.model.requests):
            for load in request.trace.cache_loads:
                if load.cache == figures.name:
                    (loading if load.keys else looking_up)[row] += load.duration
        spent = {route: float((loading + looking_up)[rows].sum()) for route, rows in evidence.routes.items()}
        if any(spent.values()):
            uses.append(CacheUse(figures, max(spent, key=spent.__getitem__), loading, looking_up))
    return uses


def _shorter(work: Work, seconds: Seconds) -> Work:
    """The work without so many seconds of each request: what they were spent on is what all of it was spent on."""
    names = [each.name for each in fields(work) if each.name not in ("offloaded", "handed_over")]
    total = np.sum([getattr(work, name) for name in names], axis=0)
    rest = 1.0 - np.minimum(seconds / np.maximum(total, 1e-9), 1.0)
    return replace(work, **{name: getattr(work, name) * rest for name in names})
