"""Programs that run in threads and in event loops alike.

A program is a generator: it decides, and yields what it wants done. The same program runs in a thread (`run`), in an
event loop (`run_async`), and step by step under a test that interleaves several of them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from typing import Any, Protocol, TypeAlias, TypeVar

import msgspec

__all__ = ["Effect", "Program", "Sleep", "run", "run_async"]

T = TypeVar("T")


class Effect(Protocol):
    """Something that takes time: done at once in a thread, or awaited."""

    def run(self) -> Any: ...
    async def run_async(self) -> Any: ...


Program: TypeAlias = Generator[Effect, Any, T]


def run(program: Program[T]) -> T:
    """Carry a program out in this thread, and give what it returns."""
    try:
        effect = next(program)
        while True:
            try:
                answer = effect.run()
            except BaseException as error:
                effect = program.throw(error)
            else:
                effect = program.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result


async def run_async(program: Program[T], first: Effect | None = None) -> T:
    """Carry a program out in this task, and give what it returns; a cancellation is raised where it waits.

    Args:
        first: what it has asked for, if it has been begun.
    """
    try:
        effect = next(program) if first is None else first
        while True:
            try:
                answer = await effect.run_async()
            except BaseException as error:
                effect = program.throw(error)
            else:
                effect = program.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result


class Sleep(msgspec.Struct, frozen=True):
    """Wait some seconds."""

    seconds: float

    def run(self) -> None:
        time.sleep(self.seconds)

    async def run_async(self) -> None:
        await asyncio.sleep(self.seconds)
