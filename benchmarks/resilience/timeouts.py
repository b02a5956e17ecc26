"""A timeout of a coroutine function, beside `asyncio.timeout`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from perfloop.resilience import Timeout
from perfloop.telemetry import Registry

from .added import added, aloop, nothing_async

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["measure"]


async def _theirs() -> str:
    async with asyncio.timeout(30):
        return await nothing_async()


def measure(rounds: int) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """`timeout_vs_asyncio_timeout`."""
    ours = Timeout(30, registry=Registry())(nothing_async)
    found = added(aloop(nothing_async), aloop(ours), aloop(_theirs), rounds=rounds)
    return {"timeout_vs_asyncio_timeout": found.ratio, "timeout_ns": found.ours_ns}, {
        "asyncio.timeout": found.theirs_ns
    }
