"""Trap 11: a timeout that counts the time in the queue. The busier the service, the less of it is left for the work."""

from __future__ import annotations

import asyncio

__all__ = ["limited"]


async def limited(function, permits: asyncio.Semaphore, seconds: float) -> object:
    async with asyncio.timeout(seconds), permits:
        return await function()
