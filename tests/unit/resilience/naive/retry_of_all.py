"""Trap 3: a retry that takes a cancellation, or an interrupt, for a failure of the call."""

from __future__ import annotations

__all__ = ["retried"]


async def retried(function, attempts: int = 3) -> object:
    while True:
        attempts -= 1
        try:
            return await function()
        except BaseException:
            if not attempts:
                raise
