"""What a rule finds in some parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfloop.resilience.check import Finding, check

if TYPE_CHECKING:
    from perfloop.resilience import Part


def found(rule: str, *parts: Part, workers: int = 1) -> list[Finding]:
    """The findings of that rule alone."""
    return [finding for finding in check(parts, workers=workers) if finding.rule == rule]
