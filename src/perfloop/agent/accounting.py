"""Where a request's time went: a pure function of the events it recorded, run on the parent's side.

The request's own code holds a thread in segments (steps on the event loop, stretches on a worker). Inside a segment,
instrumented calls take their time, the thread's CPU clock tells computing from standing still, and what the other
threads burned meanwhile bounds the wait for the interpreter. Whatever a step on the event loop stands still for is
blocking: upstream or pool, nobody else gets on meanwhile. Between segments the request waits: for what an event says,
or for the loop, or unaccounted. Everything is integer nanoseconds and sums exactly.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from .events import DATABASE, INSIDE, STATEMENT, STEP, THREAD, WAITS, WIDTH

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BusyLoop", "account"]

_ADJACENT = 200_000
"""Steps less than this apart (ns) are one busy period: the loop's own bookkeeping and protocols lie between."""
_HELD_BY = frozenset({"upstream", "pool_wait"})
"""Waits that, made in a step, hold the loop like any other blocking call."""
_ANSWERED = frozenset({"database", "upstream", "pool_wait"})
"""Waits that end with something arriving at the loop."""
_STANDSTILL, _MOSTLY = 2_000_000, 0.8
"""A step that stood still for so long (ns), and for this part of its time outside known calls, waited for something no
hook knows (a lock, a driver in C). Below it is what a busy machine does to a step that computes."""


class BusyLoop:
    """When the event loop of a process was busy with steps of requests, to tell who waited for it."""

    def __init__(self, steps: Sequence[tuple[int, int]] = ()) -> None:
        """`steps`: (start, end) of every step in the process, in any order."""
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in sorted(steps):
            if self._ends and start - self._ends[-1] <= _ADJACENT:
                if end > self._ends[-1]:
                    self._ends[-1] = end
            else:
                self._starts.append(start)
                self._ends.append(end)

    def periods(self, since: int) -> list[tuple[int, int]]:
        """(start, end) of the busy periods that ended after `since`, in order."""
        first = bisect_right(self._ends, since)
        return list(zip(self._starts[first:], self._ends[first:], strict=True))

    def busy_since(self, moment: int) -> int:
        """The start of the busy period that `moment` ends or lies in; `moment` itself when the loop was idle."""
        index = bisect_right(self._starts, moment) - 1
        # The step that starts at `moment` belongs to the same busy period as its predecessors.
        if index >= 0 and moment - self._ends[index] <= _ADJACENT:
            return min(self._starts[index], moment)
        return moment


_IDLE = BusyLoop()


class _Segment:
    __slots__ = ("cpu", "end", "inside", "inside_cpu", "kind", "others", "ready", "start", "thread")

    def __init__(self, kind: int, thread: int, start: int, end: int, cpu: int, others: int, ready: int) -> None:
        self.kind = kind
        self.thread = thread
        self.start = start
        self.end = end
        self.cpu = cpu
        self.others = others
        self.ready = ready
        self.inside: dict[str, int] = {}
        self.inside_cpu = 0


def account(started: int, ended: int, events: Sequence[int], loop: BusyLoop = _IDLE) -> dict[str, int]:
    """Nanoseconds a part (names of `monitoring.PARTS`) between `started` and `ended`; they sum to the whole exactly.

    Args:
        started: when the application was called.
        ended: when the last byte was handed to the server.
        events: flat, eight integers an event (see `events`), in any order; what lies outside the request is cut off.
        loop: when this process' event loop was busy.
    """
    total = ended - started
    if total <= 0:
        return {}
    segments: list[_Segment] = []
    inside: list[tuple[int, int, int, int, int]] = []
    waits: list[tuple[int, int, int]] = []
    for at in range(0, len(events) - WIDTH + 1, WIDTH):
        kind, thread, start, duration, cpu, x, y, _ = events[at : at + WIDTH]
        if duration < 0:
            duration = 0
        end = start + duration
        if end < started or start > ended:
            continue
        if kind in (STEP, THREAD):
            if start < started or end > ended:
                cut = min(end, ended) - max(start, started)
                cpu = cpu * cut // duration if duration else 0
                start, end = max(start, started), min(end, ended)
            segments.append(_Segment(kind, thread, start, end, cpu, x, y))
        elif kind in INSIDE:
            inside.append((kind, thread, start, duration, cpu))
        elif kind in WAITS:
            waits.append((kind, max(start, started), min(end, ended)))
    segments.sort(key=_start)
    foreign = _place_inside(segments, inside, started, ended)
    parts: dict[str, int] = {}
    frontier = started
    previous: _Segment | None = None
    for segment in segments:
        if segment.start > frontier:
            _gap(parts, frontier, segment.start, previous, segment, waits, foreign, loop)
            frontier = segment.start
        allotted = segment.end - max(segment.start, frontier)
        if allotted > 0:
            _spread(parts, segment, allotted)
            frontier = segment.end
        if previous is None or segment.end >= previous.end:
            previous = segment
    if frontier < ended:
        _gap(parts, frontier, ended, previous, None, waits, foreign, loop)
    known = sum(parts.values())
    parts["unaccounted"] = total - known
    return parts


def _start(segment: _Segment) -> int:
    return segment.start


def _place_inside(
    segments: list[_Segment], inside: list[tuple[int, int, int, int, int]], started: int, ended: int
) -> list[tuple[str, int, int]]:
    """Give each instrumented call to the segment of its thread; return the calls that lie in none (other threads)."""
    by_thread: dict[int, tuple[list[int], list[_Segment]]] = {}
    for segment in segments:
        starts, held = by_thread.setdefault(segment.thread, ([], []))
        starts.append(segment.start)
        held.append(segment)
    foreign: list[tuple[str, int, int]] = []
    for kind, thread, start, duration, cpu in inside:
        part = INSIDE[kind]
        holder: _Segment | None = None
        if thread in by_thread:
            starts, held = by_thread[thread]
            index = bisect_right(starts, start) - 1
            if index >= 0 and start <= held[index].end:
                holder = held[index]
        if holder is not None:
            holder.inside[part] = holder.inside.get(part, 0) + duration
            holder.inside_cpu += min(cpu, duration)
        elif kind in (STATEMENT, DATABASE):
            begin, end = max(start, started), min(start + duration, ended)
            if end > begin:
                foreign.append((part, begin, end))
    return foreign


def _spread(parts: dict[str, int], segment: _Segment, allotted: int) -> None:
    """Divide `allotted` of the segment's wall time (all of it, unless another segment ran beside it)."""
    wall = segment.end - segment.start
    instrumented = sum(segment.inside.values())
    scale_down = instrumented > wall
    room = wall if scale_down else instrumented
    own = wall - room
    cpu = min(max(segment.cpu - segment.inside_cpu, 0), own)
    interpreter = min(own - cpu, max(segment.others, 0))
    shares = dict(segment.inside)
    if scale_down:
        shares = {part: spent * wall // instrumented for part, spent in shares.items()}
    if segment.kind == STEP:
        held = sum(shares.pop(part, 0) for part in _HELD_BY)
        standing = own - cpu - interpreter
        if standing >= max(_STANDSTILL, _MOSTLY * own):
            held += standing
        shares["blocking"] = shares.get("blocking", 0) + held
    shares["cpu"] = cpu
    shares["interpreter_wait"] = interpreter
    for part, spent in shares.items():
        if allotted != wall:
            spent = spent * allotted // wall
        if spent:
            parts[part] = parts.get(part, 0) + spent


def _gap(
    parts: dict[str, int],
    start: int,
    end: int,
    before: _Segment | None,
    after: _Segment | None,
    waits: list[tuple[int, int, int]],
    foreign: list[tuple[str, int, int]],
    loop: BusyLoop,
) -> None:
    """Name the waiting between two segments. `after` None: until the end of the request."""
    resumes = after is not None and after.kind == STEP
    if resumes and before is not None and before.end == start and (before.kind == THREAD or before.ready):
        # The worker was done, or the coroutine only let others go first: it could have run at once.
        _add(parts, "event_loop_wait", end - start)
        return
    # On another thread it ended when it ended; the answer to a wait may have lain there until the loop came by.
    labels = [(begin, stop, part, False) for part, begin, stop in foreign if _meets(begin, stop, start, end)]
    for kind, part in WAITS.items():
        answered = part in _ANSWERED
        labels += [
            (begin, stop, part, answered) for k, begin, stop in waits if k == kind and _meets(begin, stop, start, end)
        ]
    known_ready = start
    free: list[tuple[int, int]] = [(start, end)]
    last = start
    for begin, stop, part, answered in labels:
        begin, stop = max(begin, start), min(stop, end)
        last = max(last, stop)
        if not answered and part in ("database", "sleep"):
            known_ready = max(known_ready, stop)
        rest: list[tuple[int, int]] = []
        for low, high in free:
            cut_low, cut_high = max(low, begin), min(high, stop)
            if cut_high > cut_low:
                _add(parts, part, cut_high - cut_low)
                if cut_low > low:
                    rest.append((low, cut_low))
                if high > cut_high:
                    rest.append((cut_high, high))
            else:
                rest.append((low, high))
        free = rest
    if not resumes:
        return
    busy = max(loop.busy_since(end), start)
    for begin, stop, part, answered in labels:
        if answered and stop >= end:
            # The answer came some time in the busy period; on average half of it was waiting for the loop.
            moved = min((end - max(busy, begin)) // 2, parts.get(part, 0))
            if moved:  # nothing, where another wait had covered this one
                parts[part] -= moved
                _add(parts, "event_loop_wait", moved)
            return
    for low, high in free:
        if high == end:
            ready = known_ready if known_ready > start and known_ready == low else max(busy, low)
            _add(parts, "event_loop_wait", max(high - ready, 0))


def _add(parts: dict[str, int], part: str, spent: int) -> None:
    if spent > 0:
        parts[part] = parts.get(part, 0) + spent


def _meets(begin: int, stop: int, start: int, end: int) -> bool:
    return begin < end and stop > start
