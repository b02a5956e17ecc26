"""What a test stages: time, levels that are slow, busy or dead, and a backplane without a wire."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from perfloop.caching import LeaseState, MemoryLevel
from perfloop.exceptions import LevelFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from perfloop.caching import Invalidation, Stored
    from perfloop.caching.effects import Program

__all__ = ["Announced", "Dead", "Party", "Paused", "Time", "settle"]


class Time:
    def __init__(self, seconds: float = 100.0) -> None:
        self.seconds = seconds

    def now(self) -> float:
        return self.seconds


async def settle() -> None:
    """Let all tasks go as far as they can."""
    for _ in range(50):
        await asyncio.sleep(0)


class Paused(MemoryLevel):
    """Its answer is under way for a while."""

    def __init__(self, time: Time) -> None:
        super().__init__(clock=time)
        self.begun, self.go = asyncio.Event(), asyncio.Event()

    def read(self, keys: Sequence[str]) -> Program[list[Stored | None]]:
        found = yield from super().read(keys)
        yield self
        return found

    def run(self) -> None: ...

    async def run_async(self) -> None:
        self.begun.set()
        await self.go.wait()


class Announced(MemoryLevel):
    """Tells when it has said that somebody else loads."""

    def __init__(self, said: asyncio.Event) -> None:
        super().__init__()
        self._said = said

    def lease(self, keys: Sequence[str], *arguments: Any, **named: Any) -> Program[Any]:
        leases = yield from super().lease(keys, *arguments, **named)
        if any(lease.state is LeaseState.BUSY for lease in leases):
            self._said.set()
        return leases


class Dead(MemoryLevel):
    def _ask(self, request: Callable[[], Any]) -> Program[Any]:
        raise LevelFailed("it is gone", where="dead")
        yield

    def ping(self) -> None:
        raise ConnectionError


class Party:
    """A backplane in this process: who publishes is heard by the others at once."""

    name = "party"

    def __init__(self, lines: list[Party]) -> None:
        self._lines = lines
        self._hear: tuple[Any, ...] = ()
        lines.append(self)

    def listen(self, on_message: Any, on_gap: Any, on_deaf: Any) -> None:
        self._hear = (on_message, on_gap, on_deaf)
        on_deaf()
        on_gap()

    def publish(self, invalidation: Invalidation) -> Program[None]:
        for line in self._lines:
            if line is not self and line._hear:
                line._hear[0](invalidation)
        return
        yield

    def close(self) -> None:
        self._hear = ()

    def turn_deaf(self) -> None:
        self._hear[2]()
