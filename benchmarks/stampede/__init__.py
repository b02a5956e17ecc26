"""Area `stampede`: does a cache that misses, or has lost a level, take the database behind it along?

- `loads`: calls of the loader when 1,000 tasks and threads in 4 processes miss one key at the same time, Redis between
  them; the worst of the rounds, `rounds` of them; `naive_loads` with a plain look-up, load and put, as a cache without
  single-flight does it;
- `loader_limit_exceeded`: how often more loaders ran at one time than allowed while Redis was killed and came back
  under 2,000 requests a second over a key space ten times the process' own level; `outage_loads` of them in all;
- `p99_during_outage_over_before`: the latency's 99th percentile, from the intended time, while Redis is gone ÷ before;
- `recovered`: whether after its return the loader is called as seldom as before, without anything restarted;
  `recovery_s`: when that was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..redis_server import redis_server
from . import misses, outage

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["run"]


def run(full: bool) -> dict[str, Any]:
    """All figures; with `full` more rounds, and a longer outage."""
    with redis_server() as server:
        figures: dict[str, Any] = misses.figures(server, rounds=20 if full else 5)
        lost: Mapping[str, Any] = outage.figures(server, seconds=30.0 if full else 10.0)
    return {"figures": {**figures, **lost}, "peers": {"naive_loads": figures["naive_loads"]}}
