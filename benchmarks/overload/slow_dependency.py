"""A dependency that turns slow, and the route that does not need it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from ..progress import say
from .client import Call, Clients, p99
from .servers import Upstream, service

__all__ = ["measure"]

_TIMEOUT = 2.0
_OWN_RATE, _REPORT_RATE = 200.0, 50.0
_WARM_UP, _BEFORE, _SLOW = 2.0, 8.0, 8.0
_SLOW_SECONDS = 5.0


async def measure(scale: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """The figures, and those of the service without a policy."""
    ours, theirs = await _run("guarded", scale), await _run("unguarded", scale)
    figures = {
        "unrelated_p99_vs_before": ours[1] / ours[0],
        "unrelated_p99_before_ms": ours[0] * 1000,
        "unrelated_p99_during_ms": ours[1] * 1000,
        "unrelated_answered_share": ours[2],
    }
    peers = {"naive_unrelated_p99_vs_before": theirs[1] / theirs[0], "naive_unrelated_answered_share": theirs[2]}
    return figures, peers


async def _run(name: str, scale: float) -> tuple[float, float, float]:
    """p99 of the unrelated route before and from when the dependency is slow, and the share answered then."""
    async with Upstream() as upstream:
        with service(name, UPSTREAM=str(upstream.port)) as port:
            clients = Clients(port, _TIMEOUT)
            measured = (_BEFORE + _SLOW) * scale
            own = asyncio.create_task(clients.open("/own", (_OWN_RATE, _WARM_UP), (_OWN_RATE, measured), attempts=1))
            reports = asyncio.create_task(clients.open("/report", (_REPORT_RATE, _WARM_UP + measured), attempts=1))
            await asyncio.sleep(_WARM_UP + _BEFORE * scale)
            upstream.delay = _SLOW_SECONDS
            moment = time.monotonic()
            _, calls = await own
            (asked,) = await reports
    if not all(call.answered for call in asked if call.due < moment - _WARM_UP):
        raise RuntimeError(f"{name}: reports failed before the dependency was slow")
    before, during = ([call for call in calls if (call.due >= moment) is late] for late in (False, True))
    answered = sum(call.answered for call in during) / len(during)
    say(
        f"{name:9} p99 of the other route {_p99(before) * 1000:.1f} ms before, {_p99(during) * 1000:.1f} ms while the"
        f" dependency is slow; {answered:.1%} answered"
    )
    return _p99(before), _p99(during), answered


def _p99(calls: list[Call]) -> float:
    return p99([call.attempts[-1].seconds for call in calls])
