"""A retry that opens the breaker inside it by a single call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...circuit_breaker import Consecutive
from ..facts import BREAKERS, attempts, of_kind
from ..finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..deployment import Deployment

__all__ = ["find"]


def find(deployment: Deployment) -> Iterator[Finding]:
    """One finding a breaker that opens after as many failures as the retry outside it makes of one call."""
    for policy in deployment.policies:
        parts = [each for part in policy.parts for each in of_kind(part, "retry", *BREAKERS)]
        for index, breaker in enumerate(parts):
            if breaker.kind not in BREAKERS:
                continue
            window = breaker.describe().settings["window"]
            enough = window.max_failures if isinstance(window, Consecutive) else window.minimum_calls
            outside = [each for each in parts[:index] if attempts(each) >= max(enough, 2)]
            if outside:
                yield Finding(
                    "amplified-failures",
                    f"one call that fails opens breaker {breaker.name!r} for all: it takes {enough} failures, and "
                    f"retry {outside[0].name!r} makes {attempts(outside[0])} attempts",
                    policy.made_at,
                    f"more failures than {attempts(outside[0])}, several times as many, or fewer attempts",
                    {"attempts": attempts(outside[0]), "failures": enough},
                )
