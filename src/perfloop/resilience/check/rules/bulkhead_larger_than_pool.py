"""Bulkheads and the pools behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..deployment import within
from ..facts import permits
from ..finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..deployment import Deployment

__all__ = ["find"]


def find(deployment: Deployment) -> Iterator[Finding]:
    """One finding a bulkhead that admits more than its pool has, or a pool whose bulkheads do so together."""
    for pool in deployment.pools:
        named = [part for part in deployment.parts if part.name == pool.name]
        guards = [each for part in dict.fromkeys((*pool.guards, *named)) for each in within(part)]
        bulkheads = {each: number for each in dict.fromkeys(guards) if (number := permits(each)) is not None}
        admitted = sum(bulkheads.values())
        if admitted <= pool.size:
            continue
        names = ", ".join(f"{each.name!r} ({number:g})" for each, number in bulkheads.items())
        yield Finding(
            "bulkhead-larger-than-pool",
            f"{names} may let {admitted:g} calls to pool {pool.name!r}, which has {pool.size}: the others wait there",
            next(iter(bulkheads)).made_at,
            f"admit {pool.size} calls at most, and let the others wait in the bulkhead's queue, which is bounded and "
            "counted; or make the pool larger",
            {"permits": admitted, "pool": pool.size},
        )
