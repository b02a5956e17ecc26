from __future__ import annotations

import json
import sys
from collections import deque
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from perfloop.monitoring import LeakEvidence, LeakOptions
from perfloop.monitoring.memory.growth import take_census
from perfloop.monitoring.memory.investigation import investigate

if TYPE_CHECKING:
    from collections.abc import Callable

OPTIONS = LeakOptions(window_seconds=0.01)


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A program of its own."""
    program: Any = ModuleType("program")
    program.LATEST, program.FULL, program.KEPT = deque(maxlen=3_000), deque(maxlen=500), []
    monkeypatch.setitem(sys.modules, "program", program)
    return program


def looked(work: Callable[[int], None], options: LeakOptions = OPTIONS, *, least: float = 0.0) -> LeakEvidence:
    """What is found in a program that has done 1,000 times its work, and does more of it whenever somebody waits."""
    done = 0

    def wait(_: float) -> bool:
        nonlocal done
        for _ in range(20):
            work(done)
            done += 1
        return False

    before = take_census()
    for _ in range(50):
        wait(0)
    found = investigate(before, options, work=lambda: done, bytes_each=least, cpu_each=None, wait=wait)
    assert found is not None
    return found


def test_a_cache_with_room_left_fills_and_nothing_is_traced(program: Any) -> None:
    found = looked(lambda number: program.LATEST.append([number]))
    assert found.filling == "program.LATEST fills: 1,000 of at most 3,000 entries"
    assert (found.windows, found.lines, found.traced_each) == ((), (), None)


def test_what_grows_beside_a_bounded_cache_is_investigated(program: Any) -> None:

    def work(number: int) -> None:
        program.LATEST.append([number])
        program.KEPT.append([number])

    found = looked(work)
    assert found.filling is None
    assert found.lines


def test_a_full_cache_does_not_grow(program: Any) -> None:
    program.FULL.extend([number] for number in range(500))
    found = looked(lambda number: program.FULL.append([number]), LeakOptions(window_seconds=0))
    assert found.filling is None
    assert found.path is None or "FULL" not in found.path.text


def test_holder_line_and_types_are_found(program: Any) -> None:
    found = looked(lambda number: program.KEPT.append([f"a text, number {number}"]))
    assert found.path is not None
    assert found.path.text == "program.KEPT"
    assert (found.path_length, found.path_grew) == (1_000, 968)
    assert found.types[0].name == "list"
    assert found.lines[0].file == __file__
    assert [window.frames for window in found.windows] == [1]
    assert found.traced_each is not None
    assert found.traced_each > 50


def test_callers_are_traced_where_the_line_is_a_librarys(program: Any) -> None:
    found = looked(
        lambda _: program.KEPT.append(json.loads('{"texts": ["one", "two", "three"], "numbers": [1.5, 2.5]}'))
    )
    assert [window.frames for window in found.windows] == [1, 12]
    assert found.lines[0].file == __file__
    assert found.lines[0].through is not None


def test_lines_that_explain_nothing_are_not_named(program: Any) -> None:
    found = looked(lambda number: program.KEPT.append(number), least=1e6)
    assert found.lines == ()
    assert found.traced_each is not None


def test_nothing_is_traced_when_that_is_not_wanted(program: Any) -> None:
    found = looked(lambda number: program.KEPT.append([number]), LeakOptions(window_seconds=0))
    assert found.path is not None
    assert found.windows == ()


@pytest.mark.usefixtures("program")
def test_a_program_that_stops_ends_it() -> None:
    found = investigate(take_census(), OPTIONS, work=lambda: 0.0, bytes_each=0.0, cpu_each=None, wait=lambda _: True)
    assert found is None


@pytest.mark.usefixtures("program")
def test_a_window_without_requests_says_nothing_of_what_a_request_keeps() -> None:
    waits = 0

    def wait(_: float) -> bool:
        nonlocal waits
        waits += 1
        return False

    found = investigate(take_census(), OPTIONS, work=lambda: 7.0, bytes_each=1.0, cpu_each=None, wait=wait)
    assert found is not None
    assert (found.lines, found.traced_each) == ((), None)
    assert [window.requests for window in found.windows] == [0]
    assert waits > 2


def test_a_window_that_is_over_before_it_began_waits_once_in_each_half(
    program: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the machine is so busy that nothing ran for longer than the window."""
    late = iter(range(0, 1_000_000, 60))
    monkeypatch.setattr("perfloop.monitoring.memory.allocations.time.monotonic", lambda: float(next(late)))
    found = looked(lambda number: program.KEPT.append([number]))
    assert found.lines
    assert found.lines[0].file == __file__
