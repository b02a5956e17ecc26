"""The parts and resource pools alive in this process: what `perfloop resilience check` looks at."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .part import Part

__all__ = ["live_parts", "register"]

_parts: weakref.WeakSet[Part] = weakref.WeakSet()


def register(part: Part) -> None:
    """Count the part among those alive."""
    _parts.add(part)


def live_parts() -> list[Part]:
    """Every part that is still in use, by kind and name."""
    return sorted(_parts, key=lambda part: (part.kind, part.name))
