"""Counts calls from a full second to the next: at the border of two it lets through twice what it promises."""

from __future__ import annotations

__all__ = ["FixedWindow"]


class FixedWindow:
    """A counter that begins anew each `per` microseconds."""

    def __init__(self, limit: int, per: int) -> None:
        self.limit, self.per = limit, per
        self._window, self._count = -1, 0

    def take(self, now: int) -> bool:
        if now // self.per != self._window:
            self._window, self._count = now // self.per, 0
        self._count += 1
        return self._count <= self.limit
