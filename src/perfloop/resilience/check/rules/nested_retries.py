"""Retries inside retries."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..facts import attempts
from ..finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..deployment import Deployment

__all__ = ["find"]


def find(deployment: Deployment) -> Iterator[Finding]:
    """One finding a way through policies of which at least two repeat calls."""
    for path in deployment.paths():
        repeating = [policy for policy in path if attempts(policy) > 1]
        if len(repeating) < 2:
            continue
        calls = math.prod(attempts(policy) for policy in repeating)
        names = " → ".join(f"{policy.name} ({attempts(policy)})" for policy in repeating)
        yield Finding(
            "nested-retries",
            f"one call may become {calls} attempts: {names}",
            repeating[0].made_at,
            "retry in one place, that nearest to what fails, and give the others no retry; a budget bounds the rest",
            {"attempts": calls, "policies": len(repeating)},
        )
