"""The states of a circuit."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["CircuitState"]


class CircuitState(IntEnum):
    """Whether calls go through. The number is what the gauge `state` shows."""

    CLOSED = 0
    """They do, and are counted."""
    OPEN = 1
    """None does until the reset timeout is over."""
    HALF_OPEN = 2
    """A few do, as probes: their outcomes decide."""
    RECOVERING = 3
    """The probes have succeeded, and a share that grows goes through."""
    FORCED_OPEN = 4
    """None does, until somebody says otherwise."""
    FORCED_CLOSED = 5
    """All do and are counted, whatever becomes of them."""
    DISABLED = 6
    """All do, and none counts."""
