"""Calls that nothing ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...timeout import Timeout
from ..deployment import within
from ..facts import of_kind
from ..finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...policy import Policy
    from ..deployment import Deployment

__all__ = ["find"]

_WITHOUT_WAITING = {"fallback", "rate_limiter", "throttle", "collapsing", "policy"}
"""What makes no difference for how long a call takes: a policy of these alone is asked for nothing."""


def find(deployment: Deployment) -> Iterator[Finding]:
    """One finding a policy without a timeout or deadline, of its own or of whoever enters it."""
    for policy in deployment.policies:
        if all(each.kind in _WITHOUT_WAITING for each in within(policy)) or _bounded(policy, deployment, set()):
            continue
        yield Finding(
            "no-timeout",
            f"policy {policy.name!r} waits for its calls for as long as they take",
            policy.made_at,
            "add Timeout(seconds), of some times what the slowest percent takes, and Deadline(seconds) round a retry",
        )


def _bounded(policy: Policy, deployment: Deployment, asked: set[Policy]) -> bool:
    if any(isinstance(each, Timeout) for each in within(policy)):
        return True
    if any(each.describe().settings.get("call_timeout") for each in of_kind(policy, "thread_pool_bulkhead")):
        return True
    callers = [caller for caller in deployment.callers.get(policy, ()) if caller not in asked]
    return bool(callers) and all(_bounded(caller, deployment, {*asked, policy}) for caller in callers)
