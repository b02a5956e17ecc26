"""A retry of calls that do not fail, beside stamina's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import stamina

from perfloop.resilience import Retry
from perfloop.telemetry import Registry

from .added import added, aloop, loop, nothing, nothing_async

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["measure"]


def measure(rounds: int) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """`retry_vs_stamina`, and the same for coroutine functions."""
    ours, theirs = Retry(idempotent=True, registry=Registry()), stamina.retry(on=Exception)
    sync = added(loop(nothing), loop(ours(nothing)), loop(theirs(nothing)), rounds=rounds, their_calls=1000)
    coroutines = (aloop(nothing_async), aloop(ours(nothing_async)), aloop(theirs(nothing_async)))
    asynchronous = added(*coroutines, rounds=rounds, their_calls=1000)
    figures = {
        "retry_vs_stamina": sync.ratio,
        "retry_ns": sync.ours_ns,
        "async_retry_vs_stamina": asynchronous.ratio,
        "async_retry_ns": asynchronous.ours_ns,
    }
    return figures, {"stamina_ns": sync.theirs_ns, "stamina_async_ns": asynchronous.theirs_ns}
