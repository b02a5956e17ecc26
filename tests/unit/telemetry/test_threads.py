"""Recording is exact under threads that are switched as often as the interpreter can."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import pytest

from perfloop.telemetry import OVERFLOW, Counter, Event, Family, Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

THREADS = 8
TIMES = 4_000


@pytest.fixture(autouse=True)
def _switch_as_often_as_possible() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def in_threads(work: Callable[[int], None], threads: int = THREADS) -> None:
    failures: list[BaseException] = []
    together = threading.Barrier(threads)

    def run(number: int) -> None:
        together.wait()
        try:
            work(number)
        except BaseException as error:
            failures.append(error)

    running = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert failures == []


def test_counter() -> None:
    counter = Registry().counter("c", "C.")
    in_threads(lambda _: [counter.inc() for _ in range(TIMES)] and None)
    assert counter.value == THREADS * TIMES


def test_counter_read_meanwhile_never_falls() -> None:
    counter = Registry().counter("c", "C.")
    seen: list[float] = []

    def work(number: int) -> None:
        for _ in range(TIMES // 4):
            if number:
                counter.inc()
            else:
                seen.append(counter.value)

    in_threads(work)
    assert seen == sorted(seen)
    assert counter.value == (THREADS - 1) * (TIMES // 4)


def test_gauge_moves() -> None:
    gauge = Registry().gauge("g", "G.")

    def work(number: int) -> None:
        for _ in range(TIMES):
            gauge.inc(3)
            gauge.dec(2)

    in_threads(work)
    assert gauge.value == THREADS * TIMES


def test_gauge_set_overwrites_whole_moves_only() -> None:
    gauge = Registry().gauge("g", "G.")

    def work(number: int) -> None:
        for _ in range(TIMES // 4):
            if number:
                gauge.inc(1000)
            else:
                gauge.set(7)

    in_threads(work)
    assert gauge.value % 1000 == 7
    gauge.set(5)
    assert gauge.value == 5


def test_histogram() -> None:
    histogram = Registry().histogram("h", "H.")
    values = [0.004, 0.02, 0.3, 4.0]
    in_threads(lambda _: [histogram.observe(values[turn % 4]) for turn in range(TIMES)] and None)
    snapshot = histogram.snapshot()
    assert snapshot.count == THREADS * TIMES
    assert snapshot.sum == pytest.approx(THREADS * TIMES * sum(values) / 4, rel=1e-9)
    assert snapshot.cumulative()[0] == snapshot.count // 4


def test_histogram_read_meanwhile() -> None:
    histogram = Registry().histogram("h", "H.")
    counts: list[int] = []

    def work(number: int) -> None:
        for turn in range(TIMES // 8):
            if number:
                histogram.observe(number * 0.001 * (turn + 1))
            else:
                snapshot = histogram.snapshot()
                cumulative = snapshot.cumulative()
                assert cumulative == sorted(cumulative)
                counts.append(snapshot.count)

    in_threads(work)
    assert counts == sorted(counts)
    assert histogram.snapshot().count == (THREADS - 1) * (TIMES // 8)


def test_threads_that_come_and_go_are_all_counted_and_do_not_pile_up() -> None:
    counter = Registry().counter("c", "C.")
    for _ in range(200):
        thread = threading.Thread(target=counter.inc)
        thread.start()
        thread.join()
    assert counter.value == 200
    assert len(counter._cells) < 50


def test_children_are_made_once() -> None:
    family = Registry().counter("f", "F.", labels=["n"])
    in_threads(lambda _: [family.labels(turn % 100).inc() for turn in range(1000)] and None)
    values = [child.value for _, child in family.children()]
    assert values == [THREADS * 10] * 100


def test_the_bound_on_children_holds() -> None:
    family = Registry().counter("f", "F.", labels=["n"], max_series=50)
    in_threads(lambda number: [family.labels(f"{number}-{turn}").inc() for turn in range(100)] and None)
    children = dict(family.children())
    assert len(children) == 51
    assert children[(OVERFLOW,)].value == family.dropped == THREADS * 100 - 50
    assert sum(child.value for child in children.values()) == THREADS * 100


def test_events() -> None:
    event = Event(capacity=10)
    in_threads(lambda _: [event.record(turn=turn) for turn in range(500)] and None)
    snapshot = event.snapshot()
    assert (snapshot.count, snapshot.dropped, len(snapshot.kept)) == (THREADS * 500, THREADS * 500 - 10, 10)


def test_registering_at_once_gives_one_instrument() -> None:
    registry = Registry()
    together = threading.Barrier(THREADS, timeout=20)

    def work(number: int) -> None:
        for turn in range(300):
            together.wait()
            registry.counter(f"c{turn}", "C.").inc()

    in_threads(work)
    assert [family.series[0].value for family in registry.collect()] == [THREADS] * 300


def test_children_are_made_one_at_a_time() -> None:
    inside: list[int] = []
    most: list[int] = []

    def make() -> Counter:
        inside.append(1)
        for _ in range(2000):  # long enough for another thread to come in, if it could
            pass
        most.append(len(inside))
        inside.pop()
        return Counter()

    family = Family("f", "counter", "F.", "", ("n",), make, max_series=1000)
    in_threads(lambda number: [family.labels(f"{number}-{turn}").inc() for turn in range(50)] and None)
    assert set(most) == {1}
