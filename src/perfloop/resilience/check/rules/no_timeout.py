"""Calls that nothing ends, or nothing that the breaker hears of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...timeout import Timeout
from ..deployment import within
from ..facts import BREAKERS, Times, attempts
from ..finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...part import Part
    from ...policy import Policy
    from ..deployment import Deployment

__all__ = ["find"]

_NAME = "no-timeout"
_WITHOUT_WAITING = {"fallback", "rate_limiter", "throttle", "collapsing", "policy"}
"""What makes no difference for how long a call takes: a policy of these alone is asked for nothing."""


def find(deployment: Deployment) -> Iterator[Finding]:
    """One finding a policy without a timeout or deadline, of its own or of whoever enters it; and one a breaker with
    nothing inside it that ends an attempt, unless `timeouts-that-cannot-fit` says that."""
    for policy in deployment.policies:
        if all(each.kind in _WITHOUT_WAITING for each in within(policy)):
            continue
        if not _bounded(policy, deployment, set()):
            yield Finding(
                _NAME,
                f"policy {policy.name!r} waits for its calls for as long as they take",
                policy.made_at,
                "add Timeout(seconds), several times what the slowest percent of the calls takes"
                + (", and Deadline(seconds) round the retry" if attempts(policy) > 1 else ""),
            )
        elif not _heard(policy):
            times = Times.of(policy)
            deadline = times.deadline
            if deadline is not None and times.attempts > 1:
                continue
            yield Finding(
                _NAME,
                f"nothing inside the breaker of policy {policy.name!r} ends an attempt that hangs: where a caller's "
                "deadline does, the breaker hears nothing of it",
                policy.made_at,
                "add Timeout(seconds), shorter than "
                + ("what callers wait" if deadline is None else f"the deadline of {deadline:g} s and what callers wait")
                + ": it counts as a failure",
                {} if deadline is None else {"deadline": deadline},
            )


def _heard(policy: Policy) -> bool:
    """Whether something ends a hang inside the policy's own breakers, in the policy or in all that it calls."""
    kinds = [part.kind in BREAKERS for part in policy.parts]
    if not any(kinds) or any(map(_is_timed, policy.parts[kinds.index(True) :])):
        return True
    return bool(policy.called) and all(map(_is_timed, policy.called))


def _is_timed(part: Part) -> bool:
    return any(
        isinstance(each, Timeout)
        or (each.kind == "thread_pool_bulkhead" and each.describe().settings.get("call_timeout"))
        for each in within(part)
    )


def _bounded(policy: Policy, deployment: Deployment, asked: set[Policy]) -> bool:
    if _is_timed(policy):
        return True
    callers = [caller for caller in deployment.callers.get(policy, ()) if caller not in asked]
    return bool(callers) and all(_bounded(caller, deployment, {*asked, policy}) for caller in callers)
