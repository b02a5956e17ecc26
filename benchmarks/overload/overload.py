"""Three times as many calls as the service can answer, and what becomes of it afterwards."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

from ..progress import say
from .client import OK, TIMED_OUT, Attempt, Call, Clients, p99
from .servers import service

__all__ = ["measure"]

_TIMEOUT = 0.4
_FACTOR = 3.0
_USUAL = 0.8
_CLOSED_CLIENTS = 16
_WARM_UP, _CAPACITY, _BEFORE, _OVERLOAD, _AFTER = 1.0, 4.0, 10.0, 12.0, 8.0
_SETTLED = 0.95
_STEP = 0.5


class _Run(NamedTuple):
    goodput: float
    accepted_p99: float
    usual_p99: float
    recovery: float
    rejected: int
    timed_out: int
    lag_p99: float


async def measure(scale: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """The figures, and those of the service without the middleware."""
    with service("naive") as port:
        clients = Clients(port, _TIMEOUT)
        await clients.closed("/", _CLOSED_CLIENTS, _WARM_UP)
        capacity = await clients.closed("/", _CLOSED_CLIENTS, _CAPACITY * scale)
        say(f"capacity {capacity:.1f} answers/s")
        naive = await _run("naive", clients, capacity, scale)
    with service("shedding") as port:
        clients = Clients(port, _TIMEOUT)
        await clients.open("/", (_USUAL * capacity, _WARM_UP))
        ours = await _run("shedding", clients, capacity, scale)
    figures = {
        "goodput_vs_capacity": ours.goodput / capacity,
        "accepted_p99_vs_80pct_load": ours.accepted_p99 / ours.usual_p99,
        "recovery_s": ours.recovery,
        "naive_goodput_vs_capacity": naive.goodput / capacity,
        "capacity": capacity,
        "accepted_p99_ms": ours.accepted_p99 * 1000,
        "p99_at_80pct_load_ms": ours.usual_p99 * 1000,
        "rejected_attempts": ours.rejected,
        "timed_out_attempts": ours.timed_out,
        "client_lag_p99_ms": ours.lag_p99 * 1000,
    }
    peers = {
        "naive_accepted_p99_ms": naive.accepted_p99 * 1000,
        "naive_p99_at_80pct_load_ms": naive.usual_p99 * 1000,
        "naive_recovery_s": naive.recovery,
        "naive_timed_out_attempts": naive.timed_out,
        "naive_client_lag_p99_ms": naive.lag_p99 * 1000,
    }
    return figures, peers


async def _run(name: str, clients: Clients, capacity: float, scale: float) -> _Run:
    usual, overload, after = await clients.open(
        "/",
        (_USUAL * capacity, _BEFORE * scale),
        (_FACTOR * capacity, _OVERLOAD * scale),
        (_USUAL * capacity, _AFTER * scale),
    )
    usual_attempts = [attempt for call in usual for attempt in call.attempts]
    attempts = [attempt for call in overload for attempt in call.attempts]
    began, ended = overload[0].due, after[0].due
    every = [attempt for call in (*usual, *overload, *after) for attempt in call.attempts]
    run = _Run(
        goodput=sum(each.status == OK and began <= each.sent + each.seconds < ended for each in every)
        / (ended - began),
        accepted_p99=_accepted_p99(attempts),
        usual_p99=_accepted_p99(usual_attempts),
        recovery=_recovery(after),
        rejected=sum(attempt.status > OK for attempt in attempts),
        timed_out=sum(attempt.status == TIMED_OUT for attempt in attempts),
        lag_p99=p99([call.lag for call in overload]),
    )
    say(
        f"{name:9} p99 {run.usual_p99 * 1000:.1f} ms at 80 %, {run.accepted_p99 * 1000:.1f} ms overloaded;"
        f" goodput {run.goodput:.1f}/s, {run.rejected} rejected, {run.timed_out} timed out;"
        f" recovered after {run.recovery:.1f} s; client lag {run.lag_p99 * 1000:.1f} ms"
        f" ({sum(attempt.status > OK for attempt in usual_attempts)} rejected at 80 %)"
    )
    return run


def _accepted_p99(attempts: list[Attempt]) -> float:
    return p99([attempt.seconds for attempt in attempts if attempt.status in (OK, TIMED_OUT)])


def _recovery(calls: list[Call]) -> float:
    """Seconds from the first of the calls until of those of each further step almost all are answered."""
    began = calls[0].due
    steps = [list(step) for _, step in itertools.groupby(calls, lambda call: (call.due - began) // _STEP)]
    shares = [sum(call.answered for call in step) / len(step) for step in steps]
    bad = [number for number, share in enumerate(shares) if share < _SETTLED]
    return (bad[-1] + 1) * _STEP if bad else 0.0
