"""Laws of users who think or keep a pace, whatever the service does."""

from __future__ import annotations

import heapq
import math

from hypothesis import given, settings
from hypothesis import strategies as st

from perfloop.loadtest.thinking import ThinkTime, Users

_END = 5.0


def simulated(users: Users, count: int, services: list[float]) -> list[tuple[float, float, float]]:
    """(due, start, end) of each request, over a service that takes so long for the first, second, … request."""
    users.plan(_END, math.inf)
    running: list[tuple[float, float]] = []
    done: list[tuple[float, float, float]] = []
    due = users.due(0)
    while due < math.inf or running:
        if running and (running[0][0] <= due or len(running) == count):
            now, started = heapq.heappop(running)
            wanted = users.next_due(now, started)
            if wanted <= now and wanted < _END:
                users.sent_at_once()
                start, late = now, wanted
            else:
                if users.wait(wanted):
                    due = wanted
                continue
        else:
            start, late = due, due
            due = users.due(len(done) + 1)
        end = start + services[len(done) % len(services)]
        heapq.heappush(running, (end, start))
        done.append((late, start, end))
    return done


users = st.one_of(
    st.builds(lambda pace: (None, pace), st.floats(0.05, 2)),
    st.builds(lambda low, more: (ThinkTime(low, low + more), None), st.floats(0.05, 1), st.floats(0, 1)),
    st.builds(lambda mean: (ThinkTime(mean, exponential=True), None), st.floats(0.1, 1)),
)


@settings(deadline=None)
@given(users, st.integers(1, 5), st.lists(st.floats(0.001, 3), min_size=1, max_size=10), st.integers(0, 9))
def test_users_keep_their_pace_and_never_send_twice_at_a_time(kind, count, services, seed) -> None:
    think_time, pacing = kind
    done = simulated(Users(count, think_time, pacing, seed), count, services)
    assert all(due <= start < end and due < _END for due, start, end in done)
    moments = sorted([(start, 1) for _, start, _ in done] + [(end, -1) for *_, end in done])
    in_flight = 0
    for _, change in moments:
        in_flight += change
        assert in_flight <= count
    starts = sorted(start for _, start, _ in done)
    if pacing is not None:
        # Any `count` + 1 requests in a row are of at most `count` users, so that two are of the same one.
        assert all(later - start >= pacing - 1e-9 for start, later in zip(starts, starts[count:], strict=False))
        # A request is late by no more than what answers took longer than the pace.
        assert all(start - due <= max(0.0, max(services) - pacing) + 1e-9 for due, start, _ in done)
    elif think_time is not None and not think_time.exponential:
        shortest = think_time.shortest + min(services)
        assert all(later - start >= shortest - 1e-9 for start, later in zip(starts, starts[count:], strict=False))
