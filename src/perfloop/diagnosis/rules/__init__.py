"""The rules, one file each. Each is a pure function of the evidence; `find` runs them all and ranks what they find."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import (
    blocking_call_in_async,
    cache_key_never_repeats,
    cache_loses,
    cache_policy,
    cache_too_small,
    cpu_bound,
    loop_blocked_by_cpu,
    n_plus_one,
    slow_query,
)
from .rule import Rule

if TYPE_CHECKING:
    from ...records import Finding
    from ..evidence import Evidence

__all__ = ["RULES", "Rule", "find"]

RULES: tuple[Rule, ...] = (
    n_plus_one.RULE,
    slow_query.RULE,
    loop_blocked_by_cpu.RULE,
    blocking_call_in_async.RULE,
    cpu_bound.RULE,
    cache_too_small.RULE,
    cache_policy.RULE,
    cache_key_never_repeats.RULE,
    cache_loses.RULE,
)


def find(evidence: Evidence) -> list[Finding]:
    """All findings, the one whose fix saves most first."""
    if not evidence.requests:
        return []
    findings = [finding for rule in RULES for finding in rule.find(evidence)]
    return sorted(findings, key=lambda finding: (-finding.share_of_time, -finding.share_of_p99))
