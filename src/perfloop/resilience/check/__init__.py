"""What is wrong with settings together, that each alone does not show. One file a rule; `RULES` lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..parts import live_parts
from ..policy import Policy
from ..settings import count
from .deployment import Deployment
from .finding import Finding, Rule
from .pools import Pool, SharedLimit, known_limits, known_pools, register_limit, register_pool
from .rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..part import Part

__all__ = [
    "RULES",
    "Finding",
    "Pool",
    "Rule",
    "SharedLimit",
    "check",
    "check_all",
    "known_limits",
    "known_pools",
    "register_limit",
    "register_pool",
]


def check(parts: Iterable[Part], *, workers: int = 1) -> list[Finding]:
    """What is wrong with these parts and policies together, those they call, and the pools and limits they use.

    Args:
        parts: parts and policies.
        workers: how many processes have them.

    Returns:
        findings in the order of `RULES`; the same one only once, however many policies were made at its line.

    Raises:
        InvalidValue: fewer than one worker.
    """
    known = list(dict.fromkeys(parts))
    for each in known:
        if isinstance(each, Policy):
            known += [called for called in each.called if called not in known]
    contained = {part for each in known if isinstance(each, Policy) for part in each.parts}
    roots = [each for each in known if each not in contained]
    deployment = Deployment(roots, known_pools(), known_limits(), count(workers, "workers"))
    found: dict[object, Finding] = {}
    for rule in RULES:
        for finding in rule.find(deployment):
            found.setdefault((finding.rule, finding.where, tuple(finding.numbers.items())), finding)
    return list(found.values())


def check_all(*, workers: int = 1) -> list[Finding]:
    """What is wrong with all parts and policies alive in this process, and the pools and limits it was told of.

    Args:
        workers: how many such processes the deployment runs.

    Raises:
        InvalidValue: fewer than one worker.
    """
    return check(live_parts(), workers=workers)
