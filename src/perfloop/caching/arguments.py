"""For type checkers: what `MultiLevelCache` takes besides the types of its values and keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..clock import Clock
    from ..telemetry import Registry
    from .backplane import Backplane
    from .levels import Level
    from .options import EntryOptions
    from .shared import Breaker

__all__ = ["How"]


class How(TypedDict, total=False):
    """See `MultiLevelCache`."""

    levels: Sequence[Level]
    max_entries: int | None
    max_weight: int | None
    policy: str
    ghosts: bool
    options: EntryOptions | None
    name: str
    version: str
    breaker: Callable[[Level], Breaker] | None
    backplane: Backplane | None
    max_loads: int
    lease_seconds: float
    tell_keys: bool
    registry: Registry | None
    clock: Clock
