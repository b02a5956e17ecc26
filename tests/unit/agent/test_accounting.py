"""Where a request's time went, from injected events: tables of cases and properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfloop.agent import events as ev
from perfloop.agent.accounting import BusyLoop, account
from perfloop.monitoring import PARTS

LOOP, WORKER, OTHER = 1, 2, 3
MS = 1_000_000


def event(
    kind: int, thread: int, start: float, duration: float, cpu: float = 0, x: float = 0, ready: int = 0
) -> list[int]:
    """One event; times in milliseconds."""
    return [kind, thread, int(start * MS), int(duration * MS), int(cpu * MS), int(x * MS), ready, 0]


def parts(ended: float, *events: list[int], loop: BusyLoop | None = None) -> dict[str, float]:
    """The parts in milliseconds of a request from 0 to `ended`, without those of zero."""
    flat = [number for each in events for number in each]
    found = account(0, int(ended * MS), flat, loop or BusyLoop())
    return {part: spent / MS for part, spent in found.items() if spent}


CASES = {
    "nothing known": (10, [], {"unaccounted": 10}),
    "one computing step": (10, [event(ev.STEP, LOOP, 0, 10, cpu=10)], {"cpu": 10}),
    "off the processor while others burned less": (
        10,
        [event(ev.STEP, LOOP, 0, 10, cpu=4, x=5)],
        {"cpu": 4, "interpreter_wait": 5, "unaccounted": 1},
    ),
    "others burned more than we were off": (
        10,
        [event(ev.STEP, LOOP, 0, 10, cpu=4, x=50)],
        {"cpu": 4, "interpreter_wait": 6},
    ),
    "the CPU of a statement is the statement's": (
        10,
        [event(ev.THREAD, WORKER, 0, 10, cpu=9), event(ev.STATEMENT, WORKER, 2, 6, cpu=5)],
        {"cpu": 4, "database": 6},
    ),
    "calls inside a step": (
        10,
        [
            event(ev.STEP, LOOP, 0, 10, cpu=3),
            event(ev.BLOCKING, LOOP, 1, 2),
            event(ev.UPSTREAM, LOOP, 3, 2),
            event(ev.POOL, LOOP, 5, 1),
            event(ev.GC, LOOP, 6, 1, cpu=1),
        ],
        {"cpu": 2, "blocking": 5, "gc": 1, "unaccounted": 2},
    ),
    "the same calls on a worker hold up nobody else": (
        10,
        [
            event(ev.THREAD, WORKER, 0, 10, cpu=3),
            event(ev.BLOCKING, WORKER, 1, 2),
            event(ev.UPSTREAM, WORKER, 3, 2),
            event(ev.POOL, WORKER, 5, 1),
        ],
        {"cpu": 3, "blocking": 2, "upstream": 2, "pool_wait": 1, "unaccounted": 2},
    ),
    "a step that stands still waits for something no hook knows": (
        40,
        [event(ev.STEP, LOOP, 0, 40, cpu=1, x=2)],
        {"cpu": 1, "interpreter_wait": 2, "blocking": 37},
    ),
    "a worker that does holds up nobody": (
        40,
        [event(ev.THREAD, WORKER, 0, 40, cpu=1, x=2)],
        {"cpu": 1, "interpreter_wait": 2, "unaccounted": 37},
    ),
    "a step that computes on a busy machine": (
        40,
        [event(ev.STEP, LOOP, 0, 40, cpu=20)],
        {"cpu": 20, "unaccounted": 20},
    ),
    "a worker: queued, working, waiting for the loop": (
        10,
        [
            event(ev.STEP, LOOP, 0, 1, cpu=1),
            event(ev.WAIT_WORKER, WORKER, 0.5, 2.5),
            event(ev.THREAD, WORKER, 3, 4, cpu=4),
            event(ev.STEP, LOOP, 9, 1, cpu=1),
        ],
        {"cpu": 6, "worker_wait": 2, "event_loop_wait": 2},
    ),
    "a step that only lets others go first": (
        10,
        [event(ev.STEP, LOOP, 0, 1, cpu=1, ready=1), event(ev.STEP, LOOP, 6, 4, cpu=4)],
        {"cpu": 5, "event_loop_wait": 5},
    ),
    "a sleep that is over before the loop comes back": (
        10,
        [
            event(ev.STEP, LOOP, 0, 1, cpu=1),
            event(ev.WAIT_SLEEP, LOOP, 1, 5),
            event(ev.STEP, LOOP, 9, 1, cpu=1),
        ],
        {"cpu": 2, "sleep": 5, "event_loop_wait": 3},
    ),
    "a statement on a thread of its own, as aiosqlite's": (
        10,
        [
            event(ev.STEP, LOOP, 0, 1, cpu=1),
            event(ev.WAIT_WORKER, OTHER, 1, 1),
            event(ev.STATEMENT, OTHER, 2, 5, cpu=5),
            event(ev.STEP, LOOP, 8, 2, cpu=2),
        ],
        {"cpu": 3, "worker_wait": 1, "database": 5, "event_loop_wait": 1},
    ),
    "gathered waits count once": (
        10,
        [
            event(ev.STEP, LOOP, 0, 1, cpu=1),
            event(ev.WAIT_UPSTREAM, LOOP, 0, 9),
            event(ev.WAIT_UPSTREAM, LOOP, 0, 7),
            event(ev.WAIT_SLEEP, LOOP, 0, 8),
            event(ev.STEP, LOOP, 9, 1, cpu=1),
        ],
        {"cpu": 2, "upstream": 8},
    ),
    "two workers beside each other count once": (
        10,
        [event(ev.THREAD, WORKER, 0, 8, cpu=8), event(ev.THREAD, OTHER, 2, 8, cpu=8)],
        {"cpu": 10},
    ),
    "what lies outside the request is cut off": (
        10,
        [event(ev.STEP, LOOP, 8, 4, cpu=4), event(ev.STEP, LOOP, 20, 4, cpu=4), event(ev.WAIT_SLEEP, LOOP, -5, 7)],
        {"cpu": 2, "sleep": 2, "event_loop_wait": 6},
    ),
}


@pytest.mark.parametrize(("ended", "events", "expected"), CASES.values(), ids=CASES)
def test_parts(ended: float, events: list[list[int]], expected: dict[str, float]) -> None:
    assert parts(ended, *events) == pytest.approx(expected)


def test_the_busy_period_before_a_step_is_waiting_for_the_loop() -> None:
    loop = BusyLoop([(4 * MS, 6 * MS), (6 * MS + 1000, 9 * MS), (9 * MS, 10 * MS)])
    steps = [event(ev.STEP, LOOP, 0, 1, cpu=1), event(ev.STEP, LOOP, 9, 1, cpu=1)]
    assert parts(10, *steps, loop=loop) == pytest.approx({"cpu": 2, "event_loop_wait": 5, "unaccounted": 3})


def test_an_answer_from_upstream_came_some_time_in_the_busy_period() -> None:
    loop = BusyLoop([(5 * MS, 9 * MS), (9 * MS, 10 * MS)])
    events = [
        event(ev.STEP, LOOP, 0, 1, cpu=1),
        event(ev.WAIT_UPSTREAM, LOOP, 0.5, 8.8),
        event(ev.STEP, LOOP, 9, 1, cpu=1),
    ]
    assert parts(10, *events, loop=loop) == pytest.approx({"cpu": 2, "upstream": 6, "event_loop_wait": 2})


def test_busy_since() -> None:
    loop = BusyLoop([(100, 200), (1_000_000, 2_000_000), (2_100_000, 3_000_000)])
    assert loop.busy_since(50) == 50
    assert loop.busy_since(150) == 100
    assert loop.busy_since(900_000) == 900_000
    assert loop.busy_since(3_000_000) == 1_000_000
    assert BusyLoop().busy_since(7) == 7


def test_a_wait_that_another_covers_has_nothing_to_give_to_the_loop() -> None:
    events = [
        event(ev.STATEMENT, LOOP + 1, 1, 9),
        event(ev.WAIT_POOL, LOOP, 1, 9),
        event(ev.STEP, LOOP, 0, 1, cpu=1),
        event(ev.STEP, LOOP, 10, 1, cpu=1),
    ]
    assert parts(11, *events) == pytest.approx({"cpu": 2, "database": 9})


NUMBER = st.integers(-(10**6), 10**7)
KIND = st.sampled_from([ev.STEP, ev.THREAD, *ev.INSIDE, *ev.WAITS, 99])
EVENT = st.tuples(KIND, st.integers(1, 3), NUMBER, NUMBER, NUMBER, NUMBER, st.integers(0, 1), NUMBER)


@given(
    started=st.integers(0, 10**6),
    length=st.integers(-10, 10**7),
    events=st.lists(EVENT, max_size=12),
    steps=st.lists(st.tuples(NUMBER, NUMBER), max_size=6),
)
def test_the_parts_sum_to_the_wall_time_whatever_was_recorded(
    started: int, length: int, events: list[tuple[int, ...]], steps: list[tuple[int, int]]
) -> None:
    flat = [number for each in events for number in each]
    found = account(started, started + length, flat, BusyLoop(steps))
    assert sum(found.values()) == max(length, 0)
    assert all(spent >= 0 for spent in found.values()), found
    assert set(found) <= set(PARTS)


@given(
    durations=st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)), min_size=1, max_size=10),
    busy=st.booleans(),
)
def test_steps_back_to_back_with_gaps_are_told_apart_exactly(durations: list[tuple[int, int]], busy: bool) -> None:
    """A fake clock: the coroutine computes and yields by turns; all of it is CPU and waiting, nothing is lost."""
    now = 0
    computed = waited = 0
    events: list[int] = []
    for computing, waiting in durations:
        events += (ev.STEP, LOOP, now, computing, computing, 0, 1, 0)
        now += computing + waiting
        computed += computing
        waited += waiting
    events += (ev.STEP, LOOP, now, 5, 5, 0, 0, 0)
    found = account(0, now + 5, events, BusyLoop([(0, now)] if busy else []))
    assert (found["cpu"], found.get("event_loop_wait", 0), found["unaccounted"]) == (computed + 5, waited, 0)
