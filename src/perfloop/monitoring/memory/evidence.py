"""What an investigation of a leak found, and how it reads."""

from __future__ import annotations

from msgspec import Struct

from ...units import format_bytes, format_duration
from .allocations import AllocatingLine, WindowCost  # noqa: TC001  # a Struct's types are read at run time
from .growth import TypeGrowth  # noqa: TC001  # a Struct's types are read at run time
from .retaining import RetainingPath  # noqa: TC001  # a Struct's types are read at run time
from .verdict import LeakVerdict  # noqa: TC001  # a Struct's types are read at run time

__all__ = ["LeakEvidence", "LeakReport"]


class LeakEvidence(Struct, frozen=True, kw_only=True):
    """The growing types, the holder, the allocating lines, and what it cost to find them."""

    types: tuple[TypeGrowth, ...] = ()
    """Types with more instances than when the suspicion arose, the largest gain first."""
    path: RetainingPath | None = None
    """Who holds the container that grew most; None where no container grew."""
    path_length: int = 0
    """Entries of that container."""
    path_grew: int = 0
    """How many of them are new."""
    lines: tuple[AllocatingLine, ...] = ()
    """What was allocated and kept while tracing, the most important line first."""
    traced_each: float | None = None
    """Bytes a request (or second) that Python allocated and kept; None when nothing was traced."""
    windows: tuple[WindowCost, ...] = ()
    """The windows of tracing that were opened."""
    pause_seconds: float = 0.0
    """Time that counting the heap and finding the holder took, in which other threads were slower or stood still."""
    filling: str | None = None
    """Why this is a bounded cache with room left, in words; None when it is not."""


class LeakReport(Struct, frozen=True, kw_only=True):
    """A leak, as it is reported."""

    verdict: LeakVerdict
    evidence: LeakEvidence | None
    """None when nothing was investigated."""

    def __str__(self) -> str:
        lines = [f"{self.verdict.kind}: {self.verdict.reason}"]
        found = self.evidence
        if found is None:
            return lines[0]
        for at, line in enumerate(found.lines):
            through = f" through {line.through}" if line.through else ""
            size = f"{format_bytes(line.bytes_each)} a {self.verdict.per}"
            lines.append(f"  {'allocated at' if not at else '         and'}  {line}{through}, {size}")
        # What Python holds explains no native memory.
        python = self.verdict.kind == "python leak"
        if found.path is not None and python:
            lines.append(
                f"  held by       {found.path.text}, {found.path_length:,} entries, {found.path_grew:,} of them new"
            )
        if found.types and python:
            grown = ", ".join(f"{each.name} +{each.grew:,}" for each in found.types)
            lines.append(f"  growing       {grown}")
        lines.append(f"  looked at     the heap for {format_duration(found.pause_seconds)}")
        for window in found.windows:
            slower = "" if window.cpu_ratio is None else f", {window.cpu_ratio:.1f} × the CPU time a {self.verdict.per}"
            lines.append(
                f"  traced        {window.seconds:.1f} s, {window.requests:,.0f} {self.verdict.per}s{slower}, "
                f"{format_bytes(window.memory_bytes)} of notes, {format_duration(window.own_seconds)} to read them"
            )
        return "\n".join(lines)
