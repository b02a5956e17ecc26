"""Parts of several processes over time: states, what was turned away, what remains of a process that ended."""

from __future__ import annotations

import pytest

from perfloop.monitoring.live.parts import PartWatch, worst_state
from perfloop.monitoring.observations import PartSample
from perfloop.telemetry.resilience import PartReport, Transition

KIND = "circuit_breaker"


def sample(
    pid: int, state: str = "closed", turned_away: float = 0, *, moved: tuple[Transition, ...] = (), name: str = "pay"
) -> PartSample:
    values = [
        (KIND, name, "calls", "successful", 10.0, "sum"),
        (KIND, name, "calls", "not_permitted", turned_away, "sum"),
        (KIND, name, "failure_rate", "", 0.1 * pid, "max"),
        *((KIND, name, "state", each, float(each == state), "sum") for each in ("closed", "open", "half_open")),
    ]
    return PartSample(pid=pid, at=0.0, report=PartReport(values, list(moved)))


def states(watch: PartWatch, now: float, last: int) -> list[str]:
    (part,) = watch.parts(now, course=True)
    assert part.course is not None
    assert len(part.course.states) == len(part.course.shares) == len(part.course.rejected) == 300
    return part.course.states[-last:]


def test_a_service_without_parts_shows_none() -> None:
    watch = PartWatch(60)
    watch.add([], 1.0)
    assert watch.parts(2.0, course=True) == []


def test_a_state_lasts_until_something_else_is_told() -> None:
    watch = PartWatch(60)
    watch.add([sample(1)], 100.0)
    for tick in range(1, 7):
        watch.add([], 100.0 + tick)
    watch.add([sample(1, "open", 4)], 107.0)
    watch.add([], 108.0)
    assert states(watch, 108.0, 10) == ["", *["closed"] * 7, "open", "open"]
    (part,) = watch.parts(108.0, course=True)
    assert part.course is not None
    assert part.course.rejected[-3:] == [0.0, 4.0, 0.0]
    assert part.course.rejected[0] is None
    assert (part.late.results["not_permitted"], part.whole.states) == (4.0, {"open": 1})


def test_the_course_is_left_out_where_it_is_not_asked_for() -> None:
    watch = PartWatch(60)
    watch.add([sample(1)], 100.0)
    assert watch.parts(100.0, course=False)[0].course is None


def test_workers_are_one_part_and_the_share_says_how_many_are_open() -> None:
    watch = PartWatch(60)
    watch.add([sample(1), sample(2, "open"), sample(3), sample(4)], 100.0)
    (part,) = watch.parts(100.0, course=True)
    assert part.course is not None
    assert (part.course.states[-1], part.course.shares[-1]) == ("open", 0.25)
    assert part.whole.gauges["failure_rate"] == pytest.approx(0.4)
    assert part.whole.results["successful"] == 40


def test_a_process_that_ends_leaves_its_counts_and_a_gap_until_the_next_one() -> None:
    watch = PartWatch(60)
    watch.add([sample(1, "open", 5)], 100.0)
    watch.forget(1, 101.0)
    watch.forget(9, 101.0)
    watch.add([], 102.0)
    (gone,) = watch.parts(102.0, course=True)
    assert (gone.whole.results["not_permitted"], gone.whole.states) == (5.0, {})
    watch.add([sample(2, "closed", 2)], 103.0)
    assert states(watch, 103.0, 4) == ["open", "open", "", "closed"] or states(watch, 103.0, 4)[-1] == "closed"
    (again,) = watch.parts(103.0, course=True)
    assert again.whole.results["not_permitted"] == 7.0


def test_a_moment_between_two_looks_is_seen() -> None:
    moved = (Transition(101.2, KIND, "pay", "open"), Transition(104.5, KIND, "pay", "half_open"))
    closed = Transition(104.6, KIND, "pay", "closed")
    watch = PartWatch(60)
    watch.add([sample(1)], 100.0)
    for second in range(101, 106):
        watch.add([], float(second))
    watch.add([sample(1, moved=(*moved, closed))], 106.0)
    assert states(watch, 106.0, 7) == ["closed", "open", "open", "open", "open", "closed", "closed"]
    # Told again, it changes nothing.
    watch.add([sample(1, moved=(*moved, closed))], 107.0)
    assert states(watch, 107.0, 3) == ["closed", "closed", "closed"]


def test_a_moment_of_long_ago_that_is_told_again_changes_nothing() -> None:
    moved = (Transition(101.5, KIND, "pay", "open"), Transition(103.5, KIND, "pay", "closed"))
    watch = PartWatch(60)
    watch.add([sample(1)], 100.0)
    for second in range(101, 500):
        # A process tells of its last transitions as long as it keeps them.
        watch.add([sample(1, moved=moved)] if second > 104 else [], float(second))
        (part,) = watch.parts(float(second), course=True)
        assert part.course is not None
        assert part.course.states.count("open") <= 3
    assert states(watch, 499.0, 300) == ["closed"] * 300


def test_of_several_a_moment_is_marked_alone() -> None:
    watch = PartWatch(60)
    watch.add([sample(1), sample(2)], 100.0)
    watch.add([], 101.0)
    watch.add([sample(1, moved=(Transition(100.5, KIND, "pay", "open"),))], 102.0)
    assert states(watch, 102.0, 3) == ["open", "closed", "closed"]


def test_where_nobody_looked_nothing_is_known() -> None:
    watch = PartWatch(60)
    values = {(KIND, "pay", "state", "closed"): 1.0, (KIND, "pay", "calls", "not_permitted"): 7.0}
    watch.set(values, (), 100.0)
    watch.set({**values, (KIND, "pay", "calls", "not_permitted"): 90.0}, (), 150.0)
    (part,) = watch.parts(150.0, course=True)
    assert part.course is not None
    assert part.course.states[-3:] == ["", "", "closed"]
    assert part.course.rejected[-1] == 0.0


def test_what_lets_nobody_through_comes_first() -> None:
    watch = PartWatch(60)
    watch.add([sample(1, name="a"), sample(2, "open", 1, name="b"), sample(3, turned_away=3, name="c")], 100.0)
    assert [part.whole.name for part in watch.parts(100.0, course=False)] == ["b", "c", "a"]


def test_names_without_end_are_bounded() -> None:
    watch = PartWatch(60)
    watch.add([sample(number, name=f"n{number:03}") for number in range(150)], 100.0)
    assert len(watch.parts(100.0, course=False)) == 100


def test_words() -> None:
    assert worst_state(["closed", "half_open"]) == "half_open"
    assert worst_state([]) == ""
