"""Area `accuracy`: is what perfloop says true? Each file holds it to something known without it.

- `pause`: what a pause of the service must show in the percentiles, by analysis;
- `delays`: the delays a server logs that it gave, and Little's law;
- `schedule`: the arrivals a server logs, against the plan;
- `starvation`: a generator that is starved must say so. Nothing ails it in any other run: then it must not.
"""

from __future__ import annotations

from typing import Any

from ..machine import ahead_on, client_core, server_core, session_ahead
from ..progress import say
from . import delays, pause, schedule, starvation

__all__ = ["run"]


def run(full: bool) -> dict[str, Any]:
    """Run every part.

    Args:
        full: three times the runs; without it the area takes four minutes.
    """
    rounds = 3 if full else 1
    figures: dict[str, Any] = {}
    peers: dict[str, Any] = {}
    reasons: list[str] = []
    runs = 0
    with session_ahead():
        with ahead_on(client_core()):
            for part in (pause, delays, schedule):
                result = part.run(server_core(), rounds)
                figures |= result.figures
                peers |= result.peers
                reasons += result.reasons
                runs += result.runs
        starved = starvation.run(server_core(), client_core(), rounds)
    say(f"flagged though healthy: {reasons or 'no'}")
    return {
        "figures": figures
        | {
            "healthy_generator_flagged": bool(reasons),
            "healthy_generator_runs": runs,
            "flagged_because": reasons,
            "starved_generator_flagged": all(starved.values()),
            **{f"flagged_{name}": flagged for name, flagged in starved.items()},
        },
        "peers": peers,
    }
