"""Trap 13: a budget that is paid when a retry goes out. Calls that fail together all find it untouched, and wait."""

from __future__ import annotations

__all__ = ["NaiveBudget", "retried"]


class NaiveBudget:
    def __init__(self, ratio: float, least: int) -> None:
        self.ratio, self.least = ratio, least
        self.calls = self.retries = 0

    def allows(self) -> bool:
        return self.retries < max(self.least, self.ratio * self.calls)


async def retried(function, budget: NaiveBudget, sleep) -> object:
    budget.calls += 1
    try:
        return await function()
    except Exception:
        if not budget.allows():
            raise
    await sleep(0.1)
    budget.retries += 1
    return await function()
