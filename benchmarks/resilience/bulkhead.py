"""A bulkhead with room for the call, beside hyx's: asyncio, no contention."""

from __future__ import annotations

from hyx.bulkhead import bulkhead

from perfloop.resilience import Bulkhead

from .added import added, aloop, nothing_async

__all__ = ["measure"]

_PLACES = 10


def measure(rounds: int) -> tuple[dict[str, float], dict[str, float]]:
    """`bulkhead_vs_hyx`, and the nanoseconds that both add to a call."""
    ours, theirs = Bulkhead(_PLACES), bulkhead(max_concurrency=_PLACES, max_capacity=2 * _PLACES)
    result = added(aloop(nothing_async), aloop(ours(nothing_async)), aloop(theirs(nothing_async)), rounds=rounds)
    return {"bulkhead_vs_hyx": result.ratio}, {"bulkhead_ns": result.ours_ns, "hyx_bulkhead_ns": result.theirs_ns}
