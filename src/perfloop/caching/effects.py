"""What a program of the cache asks of the world."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from ..coordination.effects import Effect, Program, Sleep, run, run_async

__all__ = ["Call", "Effect", "Load", "Program", "Request", "Sleep", "Transport", "run", "run_async"]

Request = TypeVar("Request", contravariant=True)


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
        value = await asyncio.to_thread(self._called)
        return await value if isinstance(value, Awaitable) else value

    def _called(self) -> Any:
        try:
            return self.loader(*self.arguments)
        except StopIteration as error:  # no future takes it, and who waits for it would do so for ever
            raise RuntimeError("Expected a value of the loader, which raised StopIteration") from error
