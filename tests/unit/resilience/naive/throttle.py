"""Trap 12: a request is counted when it has been answered.

Wrong: a service that hangs answers none, so that all of them look accepted, and the client sends on.
"""

from __future__ import annotations

__all__ = ["CountingAnswers"]


class CountingAnswers:
    def __init__(self, multiplier: float = 2.0) -> None:
        self._multiplier = multiplier
        self.requests = self.accepts = 0

    def rejects(self, draw: float) -> bool:
        return draw < max(0.0, (self.requests - self._multiplier * self.accepts) / (self.requests + 1))

    def answered(self, accepted: bool) -> None:
        self.requests += 1
        self.accepts += accepted
