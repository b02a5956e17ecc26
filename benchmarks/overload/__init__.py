"""Area `overload`: does a service keep its capacity when three times as much is asked of it, and recover?

One worker of uvicorn, pinned to one core, with and without perfloop's `ResilienceMiddleware` as it comes; clients on
another core, who time out and try again (`client.py`). The work and the capacity are the same: what a closed loop gets
out of the service without the middleware, measured first.

- `goodput_vs_capacity`: answers a second that came within the clients' timeout, over the capacity, at three times as
  many calls a second as that, not counting repetitions; `naive_goodput_vs_capacity` without the middleware;
- `accepted_p99_vs_80pct_load`: p99 of all attempts in the overload that were not turned away, those that timed out
  included with the timeout, over the p99 of the same service at 80 % of its capacity;
- `recovery_s`: from the end of the overload, when 80 % of the capacity is asked for again, until of the calls of each
  following half second 95 % are answered. As long as it was watched if that does not come.

A dependency that turns slow: of two routes with one pool of threads one asks an upstream service, which from some
moment takes 5 s. With a Policy of circuit breaker, bulkhead and timeout round that call, and without:

- `unrelated_p99_vs_before`: p99 of the other route from then on, over its p99 before.
"""

from __future__ import annotations

import asyncio
import gc
import os
from typing import Any

import uvloop

from ..machine import client_core, session_ahead
from . import overload, slow_dependency

__all__ = ["run"]


def run(full: bool) -> dict[str, Any]:
    """Measure both.

    Args:
        full: three times as long; without it the area takes two minutes.
    """
    scale = 3.0 if full else 1.0
    cores = os.sched_getaffinity(0)
    figures: dict[str, Any] = {}
    peers: dict[str, Any] = {}
    with session_ahead():
        os.sched_setaffinity(0, {client_core()})
        gc.disable()  # its pauses would be the clients' own
        try:
            for part in (overload, slow_dependency):
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    ours, theirs = runner.run(part.measure(scale))
                figures |= ours
                peers |= theirs
        finally:
            gc.enable()
            os.sched_setaffinity(0, cores)
    return {"figures": figures, "peers": peers}
