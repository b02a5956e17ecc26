"""Limits of one process, times the processes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..facts import demand
from ..finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..deployment import Deployment

__all__ = ["find"]


def find(deployment: Deployment) -> Iterator[Finding]:
    """One finding a shared limit that all processes together may go beyond."""
    workers = deployment.workers
    for limit in deployment.limits:
        shares = [demand(each, workers) for each in limit.of]
        together = sum(shares)
        if together <= limit.most:
            continue
        each_may = limit.most / workers
        if each_may >= 1:
            each_may = math.floor(each_may)  # nobody has half a connection
        names = ", ".join(f"{each.name!r} {share:g}" for each, share in zip(limit.of, shares, strict=True))
        yield Finding(
            "limits-times-workers",
            f"{workers} process{'es' * (workers > 1)} together may ask {together:g} of {limit.name!r}, which gives "
            f"{limit.most:g}: {names}",
            limit.made_at,
            f"at most {each_may:g} a process, or one limit that all share: a rate limiter with a store, "
            "a pooler in front of the server",
            {"together": together, "most": limit.most, "workers": workers},
        )
