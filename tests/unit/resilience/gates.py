"""Parts as plain as they come, that keep what happened to them."""

from __future__ import annotations

import asyncio
from typing import Any

from perfloop.exceptions import CallRejected
from perfloop.resilience import Description, Gate, Part

__all__ = ["Around", "Door"]


class Door(Gate[int]):
    """A gate. `ended` holds what it was told, `open_tokens` what it has not been told of."""

    kind = "bulkhead"

    def __init__(
        self,
        *,
        rejects: bool = False,
        waits: float = 0,
        interrupted: type[BaseException] | None = None,
        log: list[str] | None = None,
        **settings: Any,
    ) -> None:
        """A gate that rejects, lets wait (so many seconds of a fake clock, or turns of the loop), or is interrupted."""
        self.rejects, self.waits, self.interrupted = rejects, waits, interrupted
        self.log: list[str] = [] if log is None else log
        self.admitted = 0
        self.open_tokens: set[int] = set()
        self.ended: list[tuple[int, float]] = []
        self._clock = settings.get("clock")
        super().__init__(**settings)

    def try_acquire(self) -> int | None:
        if self.rejects:
            raise CallRejected("closed")
        return None if self.waits else self._admit()

    def _admit(self) -> int:
        self.admitted += 1
        self.open_tokens.add(self.admitted)
        self.log.append(f"+{self.name}")
        return self.admitted

    def acquire(self) -> int:
        if self._clock is not None:
            self._clock.advance(self.waits)
        return self._admit()

    async def aacquire(self) -> int:
        for _ in range(int(self.waits)):
            await asyncio.sleep(0)
        return self._admit()

    def release(self, token: int, outcome: int, seconds: float) -> None:
        self.open_tokens.remove(token)
        self.log.append(f"-{self.name}")
        self.ended.append((outcome, seconds if self._clock is not None else 0.0))
        if self.interrupted is not None:
            raise self.interrupted

    def describe(self) -> Description:
        return Description(self.kind, self.name, {"waits": self.waits})


class Around(Part):
    """No gate: it only says when it is entered and left."""

    kind = "around"

    def __init__(self, *, log: list[str] | None = None, **settings: Any) -> None:
        self.log: list[str] = [] if log is None else log
        super().__init__(**settings)

    def wrap(self, function):
        def around(*args, **kwargs):
            self.log.append(f"+{self.name}")
            try:
                return function(*args, **kwargs)
            finally:
                self.log.append(f"-{self.name}")

        return around

    def awrap(self, function):
        async def around(*args, **kwargs):
            self.log.append(f"+{self.name}")
            try:
                return await function(*args, **kwargs)
            finally:
                self.log.append(f"-{self.name}")

        return around

    def describe(self) -> Description:
        return Description(self.kind, self.name, {"waits": 0})
