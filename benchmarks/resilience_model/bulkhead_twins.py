"""Bulkheads that have one fault each, as shipped libraries have them."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from perfloop.exceptions import BulkheadTimedOut

from .bulkheads import LIMIT, TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .stepped_loop import SteppedLoop

__all__ = ["BULKHEAD_TWINS", "CarefulBulkhead"]


class CarefulBulkhead:
    """The one without fault, by hand: permits are handed on in order. The others leave something out."""

    def __init__(self, loop: SteppedLoop) -> None:
        self.loop = loop
        self.free = LIMIT
        self.waiting: deque[asyncio.Future[None]] = deque()

    async def aexecute(self, function: Callable[[], Awaitable[Any]]) -> Any:
        await self.enter()
        try:
            return await function()
        finally:
            self.leave()

    async def enter(self) -> None:
        if self.free and not self.waiting:
            self.free -= 1
            return
        turn: asyncio.Future[None] = self.loop.create_future()
        self.waiting.append(turn)
        timer = self.loop.call_later(TIMEOUT, self.expire, turn)
        try:
            await turn
        except asyncio.CancelledError:
            self.cancelled(turn)
            raise
        finally:
            timer.cancel()

    def expire(self, turn: asyncio.Future[None]) -> None:
        if not turn.done():
            self.waiting.remove(turn)
            turn.set_exception(BulkheadTimedOut("late"))

    def cancelled(self, turn: asyncio.Future[None]) -> None:
        if turn in self.waiting:
            self.waiting.remove(turn)
        elif not turn.cancelled() and turn.exception() is None:  # granted in the same moment
            self.leave()

    def leave(self) -> None:
        while self.waiting:
            turn = self.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.free += 1


class LeaksGrants(CarefulBulkhead):
    """Forgets the permit of a waiter that is cancelled in the moment it is granted."""

    def cancelled(self, turn: asyncio.Future[None]) -> None:
        if turn in self.waiting:
            self.waiting.remove(turn)


class LeaksWaiters(CarefulBulkhead):
    """Grants permits to waiters that are gone."""

    def cancelled(self, turn: asyncio.Future[None]) -> None:
        if not turn.cancelled() and turn.exception() is None:
            self.leave()

    def leave(self) -> None:
        if not self.waiting:
            self.free += 1
            return
        turn = self.waiting.popleft()
        if not turn.done():
            turn.set_result(None)


class LetsOthersPass(CarefulBulkhead):
    """Wakes a waiter that then looks for the permit, which somebody else may have taken: the first comes last."""

    async def enter(self) -> None:
        while not self.free:
            turn: asyncio.Future[None] = self.loop.create_future()
            self.waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                self.waiting = deque(other for other in self.waiting if other is not turn)
                if turn.done() and not turn.cancelled():
                    self.wake()
                raise
        self.free -= 1

    def leave(self) -> None:
        self.free += 1
        self.wake()

    def wake(self) -> None:
        if self.waiting:
            turn = self.waiting.popleft()
            if not turn.done():
                turn.set_result(None)


class LooksThenTakes(CarefulBulkhead):
    """Looks whether a permit is free, lets others go on, and takes it then."""

    async def enter(self) -> None:
        while not self.free:
            await super().enter()
            self.free += 1
        await asyncio.sleep(0)
        self.free -= 1


class FollowsTheCaller(CarefulBulkhead):
    """Gives the permit back when the caller leaves, while the work goes on."""

    async def aexecute(self, function: Callable[[], Awaitable[Any]]) -> Any:
        await self.enter()
        try:
            return await asyncio.shield(asyncio.ensure_future(function()))
        finally:
            self.leave()


class WaitsTooShort(CarefulBulkhead):
    """Counts the time to wait from the beginning of somebody else's wait."""

    def expire(self, turn: asyncio.Future[None]) -> None:
        for each in list(self.waiting):
            super().expire(each)


BULKHEAD_TWINS = (LeaksGrants, LeaksWaiters, LetsOthersPass, LooksThenTakes, FollowsTheCaller, WaitsTooShort)
