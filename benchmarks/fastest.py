"""The highest open rate at which perfloop, on one core, still trusts its own figures."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from .machine import client_core, on_core
from .processes import run_measured
from .progress import say

if TYPE_CHECKING:
    from .nginx import Nginx

__all__ = ["Fastest", "fastest_open_rate"]

_SECONDS = 2
_STEP = 0.05
_LEAST = 0.4
# A run can be spoilt by what else this machine does; a rate that is too high is spoilt each time.
_TRIES = 2


class Fastest(NamedTuple):
    """What was found, requests a second, and the p99 send lag there in ms; zero where no rate was trusted."""

    rate: float
    send_lag_p99_ms: float


def fastest_open_rate(server: Nginx, closed_rate: float) -> Fastest:
    """Step down from `closed_rate`, a twentieth of it at a time, to the first rate that holds.

    Args:
        closed_rate: what wrk does, requests a second.
    """
    for step in range(1, round((1 - _LEAST) / _STEP) + 1):
        rate = round(closed_rate * (1 - step * _STEP))
        for _ in range(_TRIES):
            summary = _run(server, rate)
            lag = summary["send_lag_ms"]["p99"]
            say(
                f"open at {rate:,}/s: {summary['rate']:,.0f}/s  p99 send lag {lag:.3f} ms  {summary['reasons'] or 'ok'}"
            )
            if summary["trustworthy"] and summary["rate"] >= 0.98 * rate:
                return Fastest(summary["rate"], lag)
            if summary["rate"] < 0.9 * rate:
                break
    return Fastest(0.0, 0.0)


def _run(server: Nginx, rate: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "perfloop", "load", server.url, "--rate", str(rate), "--json", "--timeout", "1s"]
    usage = run_measured(
        on_core(client_core(), [*command, "--connections", "64", "--duration", f"{_SECONDS}s"]), timeout=_SECONDS + 60
    )
    summary: dict[str, Any] = json.loads(usage.output)["summary"]
    return summary
