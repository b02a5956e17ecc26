"""Area `capacity`: is the capacity that `perfloop capacity` finds the one the service has?

Three servers of k slots with a fixed service time, first come, first served (see `slots`). With constant arrivals
such a server answers every request at once up to k ÷ service time and falls behind for ever above, so that is its
capacity whatever the latency target; it is taken from the service times the slots measured themselves.

- `worst_relative_error`: of the estimate, over the servers;
- `truth_inside`: in how many of the intervals the true capacity lies;
- `interval_width`: the widest, as a share of its estimate.
"""

from __future__ import annotations

from typing import Any

from perfloop.loadtest import LoadOptions
from perfloop.loadtest.capacity import CapacityOptions, find_capacity_sync
from perfloop.units import format_duration

from .machine import ahead_on, client_core, server_core, session_ahead
from .progress import say
from .slots import slot_server

__all__ = ["run"]

_CASES = ((1, 0.005), (4, 0.010), (8, 0.004))
_ALLOWED_LATENCY = 10
"""p99 may be so many service times."""


def run(full: bool) -> dict[str, Any]:
    """Search for the capacity of each server.

    Args:
        full: three searches each; without it the area takes three to five minutes.
    """
    cases: list[dict[str, Any]] = []
    with session_ahead(), ahead_on(client_core()):
        for slots, seconds in _CASES * (3 if full else 1):
            cases.append(_case(slots, seconds))
    return {
        "figures": {
            "worst_relative_error": max(case["error"] for case in cases),
            "truth_inside": sum(case["inside"] for case in cases),
            "interval_width": max(case["width"] for case in cases),
            "longest_search_s": max(case["seconds"] for case in cases),
            **{
                f"k{case['slots']}_{name}": case[name]
                for case in cases
                for name in ("truth_rps", "estimate_rps", "low_rps", "high_rps", "probes")
            },
        },
        # Poisson arrivals at the same service would queue below it already; no peer searches with an interval.
        "peers": {},
    }


def _case(slots: int, seconds: float) -> dict[str, Any]:
    with slot_server(slots, seconds, server_core()) as server:
        record = find_capacity_sync(
            CapacityOptions(load=LoadOptions(url=server.url), targets=(f"p99<{1000 * _ALLOWED_LATENCY * seconds:g}ms",))
        )
        truth = server.capacity()
    low, estimate, high = record.capacity_rps or (0.0, 0.0, 0.0)
    case = {
        "slots": slots,
        "truth_rps": truth,
        "estimate_rps": estimate,
        "low_rps": low,
        "high_rps": high,
        "error": abs(estimate / truth - 1),
        "inside": low <= truth <= high,
        "width": (high - low) / estimate if estimate else 1.0,
        "probes": len(record.probes),
        "seconds": sum(probe.seconds + probe.recovery_seconds for probe in record.probes),
    }
    say(
        f"k={slots} s={1000 * seconds:g} ms: {record.verdict} {estimate:.1f} ({low:.1f}–{high:.1f})  truth {truth:.1f}"
        f"  {len(record.probes)} probes in {format_duration(case['seconds'])} {record.reasons or ''}"
    )
    return case
