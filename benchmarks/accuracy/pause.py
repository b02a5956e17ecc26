"""Does a pause of the service show in the percentiles as the analysis says?

nginx is stopped for a measured S ≈ 1.4 s in a run of T = 20 s at R = 2,000 requests/s. A request due t seconds into the
pause waits for the rest of it, and then for the R·t requests before it, which drain at a rate µ: its latency is
S − t·(1 − R/µ). One per cent of the run's R·T requests wait longer than the one due at t = 0.01·T, so

    p99 = S − 0.01·T·(1 − R/µ)

µ is measured in the same run: the requests answered after the pause until one is sent the moment it is due.

- `pause_p99_relative_error`: the worst over the pauses;
- `send_lag_p99_ms`: of runs at the same rate without a pause, the worst.
"""

from __future__ import annotations

import threading
import time

import numpy as np

from perfloop.loadtest import LoadOptions, LoadOutcome, run_sync

from ..nginx import Nginx, nginx
from ..progress import say
from .part import Part, flagged

__all__ = ["run"]

_RATE = 2000
_SECONDS = 20.0
_PAUSE = 1.4
_PAUSE_AFTER = 8.0
_CONNECTIONS = 64
_PAUSES = 3
_HEALTHY_SECONDS = 5.0


def run(core: int, rounds: int) -> Part:
    """Pause nginx a few times, and run as often without a pause.

    Args:
        core: the server's.
        rounds: how often a few times.
    """
    pauses: list[dict[str, float]] = []
    reasons: list[str] = []
    send_lag = 0.0
    with nginx(core) as server:
        for _ in range(_PAUSES * rounds):
            healthy = run_sync(_options(server, _HEALTHY_SECONDS, keep_samples=False))
            send_lag = max(send_lag, healthy.summary.send_lag_ms.p99)
            paused, figures = _paused_run(server)
            pauses.append(figures)
            reasons += healthy.summary.reasons + paused.summary.reasons
            say(
                f"pause {figures['pause_s']:.4f} s  p99 {figures['p99_s']:.4f} s"
                f"  expected {figures['expected_s']:.4f} s"
                f"  drain {figures['drain_per_s']:,.0f}/s  error {figures['error']:.4f}"
                f"  send lag p99 without pause {healthy.summary.send_lag_ms.p99:.3f} ms"
                f"{flagged(healthy)}{flagged(paused)}"
            )
    worst = max(pauses, key=lambda figures: figures["error"])
    return Part(
        {
            "pause_p99_relative_error": worst["error"],
            "pauses": len(pauses),
            **{f"worst_{name}": value for name, value in worst.items() if name != "error"},
            "send_lag_p99_ms": send_lag,
        },
        reasons,
        2 * len(pauses),
        # What a tool that counts from the send would have said of the same runs.
        {"p99_from_the_send_s": max(figures["from_send_s"] for figures in pauses)},
    )


def _options(server: Nginx, seconds: float, *, keep_samples: bool) -> LoadOptions:
    return LoadOptions(
        url=server.url,
        rate=_RATE,
        connections=_CONNECTIONS,
        duration=seconds,
        keep_samples=keep_samples,
        warm_up="none",
    )


def _paused_run(server: Nginx) -> tuple[LoadOutcome, dict[str, float]]:
    moments: list[float] = []

    def pause() -> None:
        time.sleep(_PAUSE_AFTER)
        moments.append(server.stop())
        time.sleep(max(0.0, moments[0] + _PAUSE - time.monotonic()))
        moments.append(server.go_on())

    pausing = threading.Thread(target=pause)
    pausing.start()
    outcome = run_sync(_options(server, _SECONDS, keep_samples=True))
    pausing.join()
    stopped, continued = moments
    samples = outcome.samples
    assert samples is not None
    drain = _drain_rate(samples.due, samples.free, samples.done, continued)
    length = continued - stopped
    expected = length - 0.01 * _SECONDS * (1 - _RATE / drain)
    p99 = outcome.summary.latency_ms.p99 / 1000
    return outcome, {
        "pause_s": length,
        "p99_s": p99,
        "expected_s": expected,
        "drain_per_s": drain,
        "error": abs(p99 - expected) / expected,
        "from_send_s": float(np.quantile(samples.done - samples.written, 0.99)),
    }


def _drain_rate(due: np.ndarray, free: np.ndarray, done: np.ndarray, continued: float) -> float:
    """Requests a second answered from the end of the pause until nothing waits any more."""
    caught_up = np.flatnonzero((due > continued) & (free <= due))
    end = due[caught_up[0]]
    answered = np.count_nonzero((done > continued) & (done <= end))
    return float(answered / (end - continued))
