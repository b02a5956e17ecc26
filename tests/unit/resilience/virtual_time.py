"""An event loop whose waits pass at once: its clock is moved instead."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from perfloop.testing import FakeClock

__all__ = ["run"]


class _Selector(selectors.DefaultSelector):
    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(timeout)
        ready = super().select(0)
        if not ready:
            self.clock.advance(max(0.0, timeout))
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: FakeClock) -> None:
        super().__init__(_Selector(clock))
        self.time = clock.now  # type: ignore[method-assign]


def run(main: Coroutine[Any, Any, Any], clock: FakeClock) -> Any:
    """What the coroutine returns, after no real time."""
    with asyncio.Runner(loop_factory=lambda: _Loop(clock)) as runner:
        return runner.run(main)
