"""Timeouts that do not fit inside those of whoever waits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..facts import Times
from ..finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...policy import Policy
    from ..deployment import Deployment

__all__ = ["find"]

_NAME = "timeouts-that-cannot-fit"


def find(deployment: Deployment) -> Iterator[Finding]:
    """One finding a policy whose attempts outlast its deadline, and one a policy that outlasts who enters it."""
    for policy in deployment.policies:
        times = Times.of(policy)
        repeats = times.attempts > 1 or times.attempt < math.inf
        if times.deadline is not None and repeats and times.all_attempts > times.deadline:
            yield _beyond_deadline(policy, times, times.deadline)
        for caller in deployment.callers.get(policy, ()):
            outer = Times.of(caller)
            if outer.timeout is not None and outer.timeout < times.longest < math.inf:
                yield Finding(
                    _NAME,
                    f"policy {policy.name!r} may take {times.longest:.3g} s, but an attempt of {caller.name!r}, which "
                    f"enters it, is given up after {outer.timeout:g} s",
                    caller.made_at,
                    f"give {policy.name!r} a Deadline of less than {outer.timeout:g} s, or {caller.name!r} more time",
                    {"longest": times.longest, "timeout": outer.timeout},
                )


def _beyond_deadline(policy: Policy, times: Times, deadline: float) -> Finding:
    fitting = (deadline - times.backoff) / times.attempts - times.waits
    attempts = "one attempt" if times.attempts == 1 else f"{times.attempts} attempts"
    fix = (
        f"a timeout of {fitting:.3g} s lets all {attempts} have their time"
        if fitting > 0 and times.attempts > 1
        else f"a timeout below {fitting:.3g} s ends it first; the breaker hears nothing of what a caller's ends"
        if fitting > 0
        else f"waits alone take {times.attempts * times.waits + times.backoff:.3g} s: fewer attempts, shorter waits"
    )
    each = "without a timeout" if times.attempt == math.inf else f"of {times.attempt:g} s"
    return Finding(
        _NAME,
        f"policy {policy.name!r} has a deadline of {deadline:g} s, but {attempts} {each}"
        + (f", after up to {times.waits:g} s in queues" if times.waits else "")
        + (f", with {times.backoff:.3g} s of back-off" if times.backoff else "")
        + (f" may take {times.all_attempts:.3g} s" if times.attempt < math.inf else ": the first may take it all"),
        policy.made_at,
        fix,
        {
            "deadline": deadline,
            "attempts": times.attempts,
            "attempt": times.attempt,
            "waits": times.waits,
            "backoff": times.backoff,
            "together": times.all_attempts,
        },
    )
