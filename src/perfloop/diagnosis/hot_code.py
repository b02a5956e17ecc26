"""Which of the user's functions the sampled CPU time belongs to."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..monitoring.observations import Frame, Stack

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from ..sources import Sources

__all__ = ["HotFunction", "cpu_by_line", "hot_functions", "user_frame"]

_NAMES = """
aiohttp aiosqlite anyio asgiref asyncpg blacksheep bottle celery django falcon fastapi flask gevent gunicorn greenlet
h11 httpcore httptools httpx hypercorn itsdangerous jinja2 litestar mako markupsafe marshmallow msgspec ninja orjson
peewee psycopg psycopg2 pydantic pydantic_core pymysql quart redis rest_framework sanic sqlalchemy sqlmodel starlette
tornado tortoise ujson uvicorn uvloop waitress werkzeug wtforms
"""
FRAMEWORKS = frozenset(_NAMES.split())
"""Packages whose time is theirs although the user's code calls them: servers, frameworks, ORMs, serialisers."""

_PACKAGE = re.compile(r"[/\\](?:site|dist)-packages[/\\]([A-Za-z0-9_]+)")


@dataclass(frozen=True, slots=True)
class HotFunction:
    """One function of the user's code with the CPU time spent in it and in plain library calls it makes."""

    frame: Frame
    """The function with its hottest line."""
    seconds: float
    share: float
    """Of all CPU time sampled in these stacks."""
    samples: int


def user_frame(frames: Sequence[Frame]) -> Frame | None:
    """The user's line a sample belongs to; None when a framework was working, or no user code was on the stack.

    The standard library and libraries that are no framework work for the line that called them.
    """
    for frame in frames:
        if frame.user:
            return frame
        package = _PACKAGE.search(frame.file)
        if package and package[1] in FRAMEWORKS:
            return None
    return None


def cpu_by_line(stacks: Iterable[Stack]) -> tuple[dict[tuple[str, int], float], float]:
    """CPU seconds by the innermost line of user code, whatever it called, and of all stacks together."""
    lines: dict[tuple[str, int], float] = defaultdict(float)
    total = 0.0
    for stack in stacks:
        total += stack.cpu_seconds
        frame = next((frame for frame in stack.frames if frame.user), None)
        if frame is not None:
            lines[frame.file, frame.line] += stack.cpu_seconds
    return dict(lines), total


def hot_functions(
    stacks: Iterable[Stack], sources: Sources, *, not_lines: Collection[tuple[str, int]] = ()
) -> list[HotFunction]:
    """The user's functions by CPU time, most first.

    Args:
        stacks: of one route.
        sources: to tell which function a comprehension or lambda stands in.
        not_lines: (file, line) whose time is known to be something else's, such as a statement's.
    """
    lines: dict[tuple[str, str], dict[int, float]] = defaultdict(lambda: defaultdict(float))
    counts: dict[tuple[str, str], int] = defaultdict(int)
    total = 0.0
    for stack in stacks:
        total += stack.cpu_seconds
        frame = user_frame(stack.frames)
        if frame is None or (frame.file, frame.line) in not_lines:
            continue
        function = sources.definition(frame.file, frame.line) or frame.function
        lines[frame.file, function][frame.line] += stack.cpu_seconds
        counts[frame.file, function] += stack.samples
    if total <= 0:
        return []
    found = []
    for (file, function), seconds in lines.items():
        hottest = max(seconds, key=seconds.__getitem__)
        spent = sum(seconds.values())
        found.append(HotFunction(Frame(file, hottest, function), spent, spent / total, counts[file, function]))
    return sorted(found, key=lambda each: each.seconds, reverse=True)
