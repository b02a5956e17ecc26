"""What waits to be counted is counted before anybody reads it, and exactly once."""

from __future__ import annotations

import os
import threading
from decimal import Decimal

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.telemetry import Counter, Histogram
from perfloop.telemetry.batched import Batched, turn


class Kept(Batched):
    def __init__(self) -> None:
        super().__init__()
        self.counted: list[float] = []

    def _count(self, values: list[float]) -> None:
        self.counted += values
        if values == [1]:
            # As a finaliser or a signal handler may, in the middle.
            self.pending.append(2)
            self.settle()


def test_what_comes_while_it_counts_is_left_for_the_next_time() -> None:
    kept = Kept()
    kept.pending.append(1)
    kept.settle()
    assert (kept.counted, kept.pending) == ([1], [2])
    kept.settle()
    assert (kept.counted, kept.pending) == ([1, 2], [])


@pytest.mark.parametrize("wait", [False, True])
def test_only_readers_wait_for_a_thread_that_counts(wait: bool) -> None:
    kept = Kept()
    kept.pending.append(3)
    with turn():
        other = threading.Thread(target=kept.settle, kwargs={"wait": wait})
        other.start()
        if not wait:
            other.join(30)
        assert not kept.counted
    other.join(30)
    assert kept.counted == ([3] if wait else [])


def test_a_child_forked_while_a_thread_counts_goes_on_counting() -> None:
    counting, ended = threading.Event(), threading.Event()

    class Slow(Kept):
        def _count(self, values: list[float]) -> None:
            if values == [7]:
                counting.set()
                ended.wait(60)
            self.counted += values

    slow = Slow()
    slow.pending.append(7)
    thread = threading.Thread(target=slow.settle)
    thread.start()
    assert counting.wait(30)
    child = os.fork()
    if not child:
        slow.pending.append(8)
        done = threading.Thread(target=slow.settle, daemon=True)
        done.start()
        done.join(10)
        os._exit(0 if slow.counted == [8] else 1)
    status = os.waitpid(child, 0)[1]
    ended.set()
    thread.join()
    assert status == 0
    assert slow.counted == [7]


def test_an_instrument_asks_its_sources_before_it_is_read() -> None:
    histogram, counter = Histogram(), Counter()
    histogram.feed(lambda: histogram.observe(0.5))
    counter.feed(lambda: counter.inc(2))
    assert [histogram.snapshot().count, histogram.snapshot().count] == [1, 2]
    assert [counter.value, counter.value] == [2, 4]


def test_many_values_at_once_are_all_counted_or_none() -> None:
    histogram = Histogram()
    histogram.observe_all([0.5, 0.25])
    with pytest.raises(InvalidValue):
        histogram.observe_all([0.5, float("nan")])
    assert (histogram.snapshot().count, histogram.snapshot().sum) == (2, 0.75)


@pytest.mark.parametrize("value", [None, "1", float("nan"), 10**400])
def test_a_value_that_is_none_is_refused_at_once_not_when_it_is_counted(value: object) -> None:
    histogram = Histogram()
    with pytest.raises((TypeError, InvalidValue)):
        histogram.observe(value)  # type: ignore[arg-type]
    assert histogram.snapshot().count == 0


def test_numbers_of_other_kinds_add_up() -> None:
    histogram = Histogram()
    for value in (Decimal("0.5"), 0.25, 1, -1):
        histogram.observe(value)  # type: ignore[arg-type]
    assert (histogram.snapshot().count, histogram.snapshot().sum) == (4, 0.75)
