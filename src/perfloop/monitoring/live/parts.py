"""The parts of a service's policies: of all its processes together, second by second. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from ...telemetry.resilience import PartFigures, added, counted, figures_of, is_rejection, values_told
from .state import PartCourse, PartState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ...telemetry.resilience import PartReport, Transition, Values
    from ..observations import PartSample

__all__ = ["PartWatch", "worst_state"]

_COURSE = 300
_MOST_PARTS = 100
_LONGEST_GAP = 5.0
"""Seconds: after a longer one nobody knows what was meanwhile."""
_BRIEFLY = 0.25
"""The share that is shown at least of a second in which one was not closed for a moment."""
_ORDER = ("forced_open", "open", "half_open", "recovering", "forced_closed", "disabled", "closed")
_CLOSED = ("closed", "forced_closed", "disabled")


def worst_state(states: Iterable[str]) -> str:
    """The one that a reader must know of first; empty where there is none."""
    return min(states, key=lambda state: _ORDER.index(state) if state in _ORDER else -1, default="")


class _Second(NamedTuple):
    """One second of one part."""

    at: int
    state: str
    share: float
    """Of the breakers of that name, how many are not closed."""
    rejected: float


class PartWatch:
    """What the parts counted, and which states they were in, over the last minutes.

    Args:
        window: seconds that counts are of.
    """

    def __init__(self, window: float) -> None:
        self._window = window
        self._reports: dict[int, PartReport] = {}
        self._ended: Values = {}
        self._values: Values = {}
        self._counts: deque[tuple[float, Values]] = deque()
        self._seconds: dict[tuple[str, str], deque[_Second]] = {}
        self._last: float | None = None
        self._told: set[Transition] = set()

    def add(self, samples: Iterable[PartSample], now: float) -> None:
        """Take what agents said of their processes: nothing, where nothing has changed."""
        moved: list[Transition] = []
        for sample in samples:
            if not self._counts:  # watched from its beginning
                self._counts.append((now - 1, {}))
                self._last = now
            self._reports[sample.pid] = sample.report
            moved += sample.report.transitions
        if self._reports or self._values:
            self._together(now, moved)

    def forget(self, pid: int, now: float) -> None:
        """A process has ended: what it counted remains, what it was in does not."""
        report = self._reports.pop(pid, None)
        if report is not None:
            gone = counted(added([values_told(report)]))
            self._ended = {key: self._ended.get(key, 0) + gone.get(key, 0) for key in {**self._ended, **gone}}
            self._together(now, ())

    def set(self, values: Values, moved: Sequence[Transition], now: float) -> None:
        """Take the numbers of all processes as they are now, and the latest transitions that are known of."""
        before, self._values = self._values, values
        if not self._counts or now - self._counts[-1][0] >= 1:
            self._counts.append((now, counted(values)))
        known = self._last is not None and now - self._last <= _LONGEST_GAP
        # Nobody knows of the seconds before the first look what came in them.
        rejected = _rejected(values, before) if known else {}
        for figures in figures_of(values)[:_MOST_PARTS]:
            self._fill(
                figures, int(now), int(self._last) + 1 if known and self._last is not None else int(now), rejected
            )
        shown = {each for each in self._told | set(moved) if each.at > now - _COURSE}
        fresh, self._told = shown - self._told, shown
        totals = {(each.kind, each.name): sum(each.states.values()) for each in figures_of(values)}
        for each in sorted(fresh, key=lambda each: each.at):
            self._mark(each, alone=totals.get((each.kind, each.name)) == 1)
        self._last = now

    def parts(self, now: float, *, course: bool) -> list[PartState]:
        """Each part now, those that let nobody through first; with `course`, second by second."""
        while len(self._counts) > 1 and self._counts[1][0] <= now - self._window:
            self._counts.popleft()
        before = self._counts[0][1] if self._counts else {}
        seconds = round(max(now - self._counts[0][0], 1.0), 3) if self._counts else 0.0
        late = {(each.kind, each.name): each for each in figures_of(self._values, before)}
        states = [
            PartState(
                seconds=seconds,
                late=late[each.kind, each.name],
                whole=each,
                course=self._course(each, now) if course else None,
            )
            for each in figures_of(self._values)[:_MOST_PARTS]
        ]
        return sorted(states, key=_urgency)

    def _together(self, now: float, moved: Sequence[Transition]) -> None:
        values = added(values_told(report) for report in self._reports.values())
        for key, number in self._ended.items():
            values[key] = values.get(key, 0) + number
        self.set(values, moved, now)

    def _fill(self, figures: PartFigures, second: int, since: int, rejected: dict[tuple[str, str], float]) -> None:
        key = figures.kind, figures.name
        kept = self._seconds.setdefault(key, deque(maxlen=_COURSE))
        state, total = worst_state(figures.states), sum(figures.states.values())
        share = sum(count for each, count in figures.states.items() if each not in _CLOSED) / total if total else 0.0
        more = rejected.get(key, 0.0)
        if kept and kept[-1].at == second:
            last = kept.pop()
            worst = worst_state(filter(None, (last.state, state)))
            kept.append(_Second(second, worst, max(last.share, share), last.rejected + more))
            return
        for at in range(max(since, second - _COURSE), second):
            if not kept or kept[-1].at < at:
                kept.append(_Second(at, state, share, 0.0))
        kept.append(_Second(second, state, share, more))

    def _mark(self, moved: Transition, *, alone: bool) -> None:
        """A state that a part came to between two looks: in that second, and if it is alone also from then on."""
        kept = self._seconds.get((moved.kind, moved.name), deque())
        at, closed = int(moved.at), moved.state in _CLOSED
        for place, each in enumerate(kept):
            if each.at == at:
                share = each.share if closed else max(each.share, 1.0 if alone else _BRIEFLY)
                kept[place] = each._replace(state=worst_state(filter(None, (each.state, moved.state))), share=share)
            elif each.at > at and alone:
                kept[place] = each._replace(state=moved.state, share=0.0 if closed else 1.0)

    def _course(self, figures: PartFigures, now: float) -> PartCourse:
        kept = {each.at: each for each in self._seconds.get((figures.kind, figures.name), ())}
        span = range(int(now) - _COURSE + 1, int(now) + 1)
        seconds = [kept.get(at) for at in span]
        return PartCourse(
            states=["" if each is None else each.state for each in seconds],
            shares=[0.0 if each is None else round(each.share, 3) for each in seconds],
            rejected=[None if each is None else each.rejected for each in seconds],
        )


def _urgency(part: PartState) -> tuple[bool, bool, bool]:
    """What lets nobody through comes first, then what turns calls away, then other breakers."""
    turns_away = any(count for result, count in part.late.results.items() if is_rejection(result))
    return worst_state(part.whole.states) in ("", *_CLOSED), not turns_away, not part.whole.states


def _rejected(values: Values, before: Values) -> dict[tuple[str, str], float]:
    """Calls of each part that were turned away since."""
    more: dict[tuple[str, str], float] = {}
    for (kind, name, gauge, which), number in values.items():
        if gauge == "calls" and is_rejection(which):
            rise = max(number - before.get((kind, name, gauge, which), 0), 0)
            more[kind, name] = more.get((kind, name), 0.0) + rise
    return more
