"""Utilisation, saturation and errors of a resource: the USE method (Brendan Gregg, brendangregg.com/usemethod.html)."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Use"]


class Use(Struct, frozen=True, kw_only=True):
    """How a resource fared between two samples. None: this system does not tell."""

    resource: str
    utilisation: float | None = None
    """Share of its time it was busy, or of its room that is taken, 0 to 1."""
    saturation: float | None = None
    """How much work waited for it, as `saturation_is` says."""
    saturation_is: str = ""
    saturation_unit: str = ""
    """`share`, 0 to 1, `s`, or `/s`."""
    errors: int | None = None
    """How often it failed, since the monitor started."""
    errors_are: str = ""
    throughput: dict[str, float] = {}
    """Bytes a second by direction: `read` and `written`, `received` and `sent`."""
