"""Retries inside a breaker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..facts import BREAKERS, attempts, of_kind
from ..finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..deployment import Deployment

__all__ = ["find"]


def find(deployment: Deployment) -> Iterator[Finding]:
    """One finding a breaker that has a retry further inside, in its own policy or in one that is a part of it."""
    for policy in deployment.policies:
        parts = [each for part in policy.parts for each in of_kind(part, "retry", *BREAKERS)]
        for index, breaker in enumerate(parts):
            retry = next((each for each in parts[index:] if attempts(each) > 1), None)
            if breaker.kind in BREAKERS and retry is not None:
                yield Finding(
                    "hidden-failures",
                    f"breaker {breaker.name!r} sees one failure for {attempts(retry)} failed attempts of retry "
                    f"{retry.name!r} inside it, and none where the last one succeeds",
                    policy.made_at,
                    "put the retry outside the breaker, as a Policy's own order does",
                    {"attempts": attempts(retry)},
                )
