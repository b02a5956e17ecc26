"""The rules of a cache level, one function each, by subject."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import entries, holds, leases, names, tags

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...caching.effects import Program
    from .scene import Scene

__all__ = ["CHECKS"]

CHECKS: dict[str, Callable[[Scene], Program[None]]] = {
    f"{module.__name__.rpartition('.')[2]}: {check.__name__.replace('_', ' ')}": check
    for module in (entries, leases, holds, tags, names)
    for check in module.CHECKS
}
