"""User code is told from library code, and a call's place is found."""

from __future__ import annotations

import json
import sys
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

import perfloop
from perfloop.agent import frames
from perfloop.agent.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("file", "user"),
    [
        (__file__, True),
        ("/srv/app/main.py", True),
        ("/srv/app/templates/page.html", True),
        (json.__file__, False),
        (pytest.__file__, False),
        ("/usr/lib/python3/dist-packages/flask/app.py", False),
        (frames.__file__, False),
        (perfloop.__file__, False),
        ("<string>", False),
        ("", False),
    ],
)
def test_user_code(file: str, user: bool) -> None:
    assert frames.is_user_code(file) is user


def told(table: str, number: int) -> object:
    """What the parent is told about a number."""
    return getattr(TABLES, table).values[number - 1]


def test_the_site_is_the_users_frames_innermost_first() -> None:
    def inner() -> int:
        return frames.call_site(sys._getframe())

    # Through a library's frame, which is left out.
    number = json.JSONDecoder(object_hook=lambda _: inner()).decode("{}")
    site = told("sites", number)
    assert isinstance(site, list)
    found = [told("frames", frame) for frame in site]
    functions = [frame[2] for frame in found]  # type: ignore[index]
    assert functions[:3] == ["inner", "<lambda>", "test_the_site_is_the_users_frames_innermost_first"]
    assert {frame[0] for frame in found[:3]} == {str(Path(__file__))}  # type: ignore[index]
    assert all(frame[3] for frame in found)  # type: ignore[index]
    assert len(found) <= 10
    assert frames.call_site(None) == 0


def test_the_same_place_has_the_same_number() -> None:
    numbers = {frames.call_site(sys._getframe()) for _ in range(3)}
    assert len(numbers) == 1


def test_a_stack_has_all_frames_but_the_agents() -> None:
    stack = told("stacks", frames.stack_of(sys._getframe()))
    assert isinstance(stack, list)
    first = told("frames", stack[0])
    assert first[2] == "test_a_stack_has_all_frames_but_the_agents"  # type: ignore[index]
    assert any(not told("frames", frame)[3] for frame in stack)  # type: ignore[index]


def test_the_frame_of_a_handler_is_its_definition() -> None:
    def handler() -> None: ...

    @wraps(handler)
    def decorated() -> None: ...

    class Callable:
        def __call__(self) -> None: ...

        def method(self) -> None: ...

    line = handler.__code__.co_firstlineno
    for each in (handler, decorated, partial(decorated)):
        assert told("frames", frames.code_frame(each)) == (str(Path(__file__)), line, "handler", True)
    assert told("frames", frames.code_frame(Callable()))[2] == "__call__"  # type: ignore[index]
    assert told("frames", frames.code_frame(Callable().method))[2] == "method"  # type: ignore[index]
    assert frames.code_frame(len) == 0


def test_a_site_found_again_is_the_one_a_walk_finds() -> None:
    def ask(depth: int) -> tuple[int, int]:
        return (ask(depth - 1)) if depth else (frames.site_at("SELECT 1", 0), frames.call_site(sys._getframe()))

    def here() -> tuple[int, int]:
        return ask(0)

    sites = set()
    for _ in range(3):
        for depth in (0, 1, 2, 3, 7):
            for pair in (ask(depth), here()):
                # They are asked for by two instructions of one line.
                assert _lines(pair[0]) == _lines(pair[1])
                sites.add(pair[0])
    assert len(sites) == 6


def test_a_site_is_told_by_the_frames_beyond_a_librarys_too() -> None:
    def through_a_library(ask: Callable[[], int]) -> int:
        return cast("int", json.JSONDecoder(object_hook=lambda _: ask()).decode("{}"))

    def directly(ask: Callable[[], int]) -> int:
        return ask()

    def twice(call: Callable[[Callable[[], int]], int]) -> list[int]:
        return [call(lambda: frames.site_at("SELECT 3", 0)) for _ in range(2)]

    (first, again), (third, once_more) = twice(through_a_library), twice(directly)
    assert (first, third) == (again, once_more)
    assert [line[2] for line in _lines(first)][:3] == ["<lambda>", "<lambda>", "through_a_library"]
    assert [line[2] for line in _lines(third)][:2] == ["<lambda>", "directly"]


def test_what_is_no_site_is_none_again() -> None:
    program = "import sys\nfound.append(frames.site_at('SELECT 2', 0))"
    found: list[int] = []
    code = compile(program, "<generated>", "exec")
    for _ in range(2):
        exec(code, {"frames": frames, "found": found})
    assert found[0] == found[1] != 0


def _lines(site: int) -> list[tuple[str, int, str, bool]]:
    return [TABLES.frames.values[number - 1] for number in TABLES.sites.values[site - 1]]
