"""What circuits of one name, in several processes, tell each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["SharedState", "SharedView"]


@dataclass(frozen=True, slots=True)
class SharedView:
    """What all processes are to agree on."""

    version: int
    """Rises with each change; 0: nothing is known."""
    is_open: bool
    remaining: float
    """Seconds until it may be probed; 0: it may be now, or it is closed."""
    reason: str
    done: bool = False
    """Whether what was asked for was done."""


class SharedState(Protocol):
    """Where it is kept. Methods may wait and raise: only a thread of the breaker's own calls them, never a call."""

    def read(self, name: str) -> SharedView:
        """As it is now."""

    def open(self, name: str, holder: str, known: int, seconds: float, reason: str) -> SharedView:
        """Open it for so long, unless it was opened since version `known`, or another holder may send probes now."""

    def close(self, name: str, known: int) -> SharedView:
        """Close it, unless it has changed since version `known`."""

    def claim(self, name: str, holder: str, seconds: float) -> SharedView:
        """Take the right to send probes, for so long: one holder has it, and may take it again before it ends."""
