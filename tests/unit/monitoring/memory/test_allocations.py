from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perfloop.monitoring.memory.allocations import Trace, WindowCost, allocating_lines, is_library, trace_window

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfloop.monitoring.memory.allocations import Frames

COST = WindowCost(
    seconds=2, requests=200, frames=1, memory_bytes=1_000, cpu_ratio=2.0, own_seconds=0.1, cut_short=False
)
APP, OTHER, LIBRARY = ("/srv/shop.py", 10), ("/srv/shop.py", 20), (json.__file__, 5)


def trace(
    middle: dict[Frames, tuple[int, int]],
    end: dict[Frames, tuple[int, int]],
    held: set[Frames] = frozenset(),  # type: ignore[assignment]
) -> Trace:
    return Trace(middle=middle, end=end, requests=(100, 100), held=frozenset(held), cost=COST)


def test_a_line_that_keeps_as_much_in_both_halves_leaks() -> None:
    (line,) = allocating_lines(trace({(APP,): (1_000, 10)}, {(APP,): (2_000, 20)}))
    assert (str(line), line.bytes_each, line.blocks_each) == ("/srv/shop.py:10", 10, 0.1)


@pytest.mark.parametrize(
    ("middle", "end"),
    [((5_000, 5), (5_000, 5)), ((0, 0), (5_000, 5)), ((5_000, 5), (0, 0))],
    ids=["once", "late", "freed"],
)
def test_what_stays_of_one_half_only_does_not_count(middle: tuple[int, int], end: tuple[int, int]) -> None:
    assert allocating_lines(trace({(APP,): middle}, {(APP,): end})) == []


def test_what_a_growing_container_holds_comes_first() -> None:
    """A cache that replaces its entries allocates more than what leaks."""
    middle: dict[Frames, tuple[int, int]] = {(APP,): (1_000, 10), (OTHER,): (9_000, 10)}
    end: dict[Frames, tuple[int, int]] = {(APP,): (2_000, 20), (OTHER,): (18_000, 20)}
    assert [str(line) for line in allocating_lines(trace(middle, end, {(APP,)}))] == [
        "/srv/shop.py:10",
        "/srv/shop.py:20",
    ]
    assert str(allocating_lines(trace(middle, end))[0]) == "/srv/shop.py:20"


def test_the_programs_line_is_named_for_a_librarys() -> None:
    frames: Frames = (OTHER, APP, LIBRARY)
    (line,) = allocating_lines(trace({frames: (1_000, 10)}, {frames: (2_000, 20)}))
    assert (str(line), line.through) == ("/srv/shop.py:10", f"{json.__file__}:5")


def test_small_and_few_lines_are_left_out() -> None:
    middle: dict[Frames, tuple[int, int]] = {(("/srv/a.py", at),): (100 * at, 1) for at in range(1, 9)}
    end: dict[Frames, tuple[int, int]] = {frames: (2 * size, 2) for frames, (size, _) in middle.items()}
    assert [line.line for line in allocating_lines(trace(middle, end))] == [8, 7, 6]
    assert [line.line for line in allocating_lines(trace(middle, end), limit=10, share=0.2)] == [8]
    assert allocating_lines(trace(middle, end), least=8.5) == []


def test_a_window_without_requests_says_nothing() -> None:
    empty = Trace(middle={}, end={(APP,): (5, 5)}, requests=(0, 10), held=frozenset(), cost=COST)
    assert allocating_lines(empty) == []


@pytest.mark.parametrize(
    ("file", "library"),
    [(json.__file__, True), (pytest.__file__, True), ("<frozen importlib._bootstrap>", True), (__file__, False)],
)
def test_what_is_a_library(file: str, library: bool) -> None:
    assert is_library(file) == library


class Program:
    """A program that works whenever somebody waits."""

    def __init__(self, work: Callable[[int], None]) -> None:
        self.done = 0
        self._work = work

    def wait(self, _: float) -> bool:
        for _ in range(20):
            self._work(self.done)
            self.done += 1
        return False

    def trace(self, *, frames: int = 1, seconds: float = 0.1, memory: int = 10**7, growing: Any = ()) -> Trace | None:
        return trace_window(
            frames=frames,
            seconds=seconds,
            memory_bytes=memory,
            work=lambda: self.done,
            cpu_each=1e-5,
            wait=self.wait,
            growing=lambda: list(growing),
        )


def here(text: str) -> int:
    return next(at for at, line in enumerate(Path(__file__).read_text().splitlines(), 1) if line.endswith(text))


def test_the_line_that_leaks_is_found_and_the_cost_stated() -> None:
    kept: list[str] = []

    def work(number: int) -> None:
        kept.append(f"a text of some length, number {number}")  # leaks a text
        json.dumps({"number": number})

    found = Program(work).trace(growing=[kept])
    assert found is not None
    line = allocating_lines(found)[0]
    assert (line.file, line.line, line.held) == (__file__, here("# leaks a text"), True)
    assert line.bytes_each == pytest.approx(90, rel=0.3)
    assert (found.cost.frames, found.cost.requests, found.cost.cut_short) == (1, sum(found.requests), False)
    assert found.cost.memory_bytes > 0
    assert found.cost.cpu_ratio is not None
    assert not tracemalloc.is_tracing()


def test_callers_are_found_with_more_frames() -> None:
    kept: list[object] = []

    def work(number: int) -> None:
        kept.append(json.loads('{"number": [1.5, 2.5]}'))  # leaks through json

    found = Program(work).trace(frames=12, growing=[kept])
    assert found is not None
    line = allocating_lines(found)[0]
    assert line.line == here("# leaks through json")
    assert line.through is not None
    assert "json" in line.through


def test_what_is_replaced_is_not_named() -> None:
    latest: dict[int, str] = {}

    def work(number: int) -> None:
        latest[number % 10] = f"a text of some length, number {number}"

    found = Program(work).trace(seconds=0.2)
    assert found is not None
    assert all(line.bytes_each < 20 for line in allocating_lines(found))


def test_the_window_ends_when_its_notes_are_too_large() -> None:
    kept: list[str] = []
    found = Program(lambda number: kept.append(f"text {number}")).trace(seconds=60, memory=20_000)
    assert found is not None
    assert found.cost.cut_short
    assert found.cost.seconds < 60


def test_nothing_is_traced_when_somebody_else_traces() -> None:
    tracemalloc.start()
    try:
        assert Program(lambda _: None).trace() is None
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()


def test_a_program_that_stops_ends_the_window() -> None:
    assert (
        trace_window(
            frames=1,
            seconds=60,
            memory_bytes=10**7,
            work=lambda: 0.0,
            cpu_each=None,
            wait=lambda _: True,
            growing=list,
        )
        is None
    )
    assert not tracemalloc.is_tracing()


def test_tracing_ends_when_a_count_of_requests_raises() -> None:
    counts = iter([0.0])

    with pytest.raises(StopIteration):
        trace_window(
            frames=1,
            seconds=0.01,
            memory_bytes=10**7,
            work=lambda: next(counts),
            cpu_each=None,
            wait=lambda _: False,
            growing=list,
        )
    assert not tracemalloc.is_tracing()
