"""Circuit breakers: a call that succeeds, one that an open breaker rejects, and eight threads at once.

- `breaker_vs_circuitbreaker`, `breaker_vs_pybreaker`: a plain function behind ours, which keeps a window of the last
  100 calls, counts results, looks at each call's duration and publishes all of it, ÷ behind theirs, which count
  failures in a row;
- `async_breaker_vs_hyx`: likewise a coroutine function;
- `open_rejection_vs_pybreaker`: the same while open: making, raising and catching the error, less the bare call in the
  same `try`;
- `threads_8_vs_1`: seconds a call of ours with eight threads calling, ÷ with one. With one lock round each call they
  would wait for each other.
"""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from typing import TYPE_CHECKING, Any

import circuitbreaker
import pybreaker
from hyx.circuitbreaker import consecutive_breaker

from perfloop.resilience import CircuitBreaker, CountWindow

from .added import Added, added, aloop, loop, nothing, nothing_async

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["measure"]

_THREADS = 8
_CALLS = 80_000


def measure(rounds: int) -> tuple[dict[str, float], dict[str, float]]:
    """Figures and peers."""
    pairs = {
        ("breaker", "circuitbreaker"): _succeeding(circuitbreaker.CircuitBreaker()(nothing), rounds),
        ("breaker", "pybreaker"): _succeeding(pybreaker.CircuitBreaker()(nothing), rounds),
        ("async_breaker", "hyx"): added(
            aloop(nothing_async), aloop(_ours()(nothing_async)), aloop(consecutive_breaker()(nothing_async)),
            rounds=rounds,
        ),
        ("open_rejection", "pybreaker"): _rejected(rounds),
    }  # fmt: skip
    figures: dict[str, float] = {}
    peers: dict[str, float] = {}
    for (what, peer), times in pairs.items():
        figures[f"{what}_vs_{peer}"] = times.ratio
        figures[f"{what}_ns"] = times.ours_ns
        peers[f"{peer}_{what}_ns"] = times.theirs_ns
    figures["threads_8_vs_1"] = _threads(rounds)
    return figures, peers


def _ours() -> CircuitBreaker:
    return CircuitBreaker(window=CountWindow(100), slow_call_duration=1.0, name="benchmark")


def _succeeding(theirs: Callable[[], Any], rounds: int) -> Added:
    return added(loop(nothing), loop(_ours()(nothing)), loop(theirs), rounds=rounds)


def _rejected(rounds: int) -> Added:
    ours, theirs = CircuitBreaker(1, 3600.0), pybreaker.CircuitBreaker(1, 3600)
    for execute in (ours.execute, theirs.call):
        with contextlib.suppress(ZeroDivisionError, pybreaker.CircuitBreakerError):
            execute(_broken)
    return added(loop(_caught(nothing)), loop(_caught(ours(nothing))), loop(_caught(theirs(nothing))), rounds=rounds)


def _broken() -> None:
    raise ZeroDivisionError


def _caught(function: Callable[[], Any]) -> Callable[[], None]:
    def call() -> None:
        try:
            function()
        except Exception:
            return

    return call


def _threads(rounds: int) -> float:
    """The same number of calls by eight threads and by one, in turn."""
    function = _ours()(nothing)

    def together(threads: int) -> float:
        begin = threading.Barrier(threads + 1)

        def work() -> None:
            begin.wait()
            for _ in range(_CALLS // threads):
                function()

        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        begin.wait()
        started = time.perf_counter()
        for worker in workers:
            worker.join()
        return time.perf_counter() - started

    ratios = []
    for number in range(-1, rounds):
        times = {threads: together(threads) for threads in ((1, _THREADS) if number % 2 else (_THREADS, 1))}
        if number >= 0:
            ratios.append(times[_THREADS] / times[1])
    return statistics.median(ratios)
