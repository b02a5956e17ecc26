"""What a program of the cache asks of the world, and the two shells that do it.

A program is a generator: it decides, and yields what it wants done. The same program runs in a thread (`run`), in an
event loop (`run_async`), and step by step under a test that interleaves several of them.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import msgspec

__all__ = ["Call", "Effect", "Load", "Program", "Request", "Sleep", "Transport", "run", "run_async"]

T = TypeVar("T")
Request = TypeVar("Request", contravariant=True)


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


class Transport(Protocol[Request]):
    """The way to one server, as a thread and as an event loop go it.

    Raises:
        LevelFailed: the server cannot be reached, is too slow, or refuses. Nothing else, whatever the library raises.
    """

    def send(self, request: Request) -> Any: ...
    async def send_async(self, request: Request) -> Any: ...


class Call(msgspec.Struct, Generic[Request], frozen=True):
    """Send a request, and give the answer."""

    transport: Transport[Request]
    request: Request

    def run(self) -> Any:
        return self.transport.send(self.request)

    async def run_async(self) -> Any:
        return await self.transport.send_async(self.request)


class Sleep(msgspec.Struct, frozen=True):
    """Wait some seconds."""

    seconds: float

    def run(self) -> None:
        time.sleep(self.seconds)

    async def run_async(self) -> None:
        await asyncio.sleep(self.seconds)


class Load(msgspec.Struct, frozen=True):
    """Call the user's loader. In an event loop a plain function runs in a thread, so that it holds nobody up."""

    loader: Callable[..., Any]
    arguments: tuple[Any, ...] = ()

    def run(self) -> Any:
        value = self.loader(*self.arguments)
        if inspect.isawaitable(value):
            if inspect.iscoroutine(value):
                value.close()
            raise TypeError("Expected a value of the loader, got an awaitable: load it with an `a…` method")
        return value

    async def run_async(self) -> Any:
        if inspect.iscoroutinefunction(self.loader):
            return await self.loader(*self.arguments)
        value = await asyncio.to_thread(self.loader, *self.arguments)
        return await value if isinstance(value, Awaitable) else value
