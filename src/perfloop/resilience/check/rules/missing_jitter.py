"""Retries that come back all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...retry import Retry
from ..facts import attempts
from ..finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..deployment import Deployment

__all__ = ["find"]


def find(deployment: Deployment) -> Iterator[Finding]:
    """One finding a retry whose waits are the same for all callers."""
    for retry in deployment.parts:
        if isinstance(retry, Retry) and attempts(retry) > 1 and not retry.backoff.jittered:
            yield Finding(
                "missing-jitter",
                f"retry {retry.name!r} waits equally long for all callers: who failed together tries again together",
                retry.made_at,
                "a back-off with jitter, such as the default",
                {"attempts": attempts(retry)},
            )
