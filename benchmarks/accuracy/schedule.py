"""Do requests arrive at the server as planned?

- `schedule_ks`: Kolmogorov–Smirnov's distance between the arrivals a server logs and the plan, the worst of the
  profiles. The plans of constant, ramp and sine are their integrals, written down here once more; that of Poisson
  arrivals is the seed's, whose gaps are held to the exponential distribution (`poisson_gaps_ks`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from perfloop.loadtest import LoadOptions, parse_profile, run_sync
from perfloop.loadtest.arrivals import arrival

from ..delay_server import delay_server
from ..progress import say
from .part import Part, flagged, ks_distance

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Distribution = Callable[[NDArray[np.float64]], NDArray[np.float64]]

__all__ = ["run"]

_CONNECTIONS = 64
_SECONDS = 8.0
# The share of the requests that a profile plans until each moment.
_PLANS: dict[str, Distribution] = {
    "constant 500 8s": lambda at: at / _SECONDS,
    "ramp 0..1000 8s": lambda at: (at / _SECONDS) ** 2,
    "sine 0..1000 4s for 8s": lambda at: (at - 4 / math.tau * np.sin(math.tau * at / 4)) / _SECONDS,
}
_POISSON = "poisson 500 8s"
_SEED = 1


def run(core: int, rounds: int) -> Part:
    """Run each profile.

    Args:
        core: the server's.
        rounds: how often; the worst counts.
    """
    planned = np.sort(arrival(parse_profile(_POISSON), seed=_SEED).dues(0, 5000))
    planned = planned[planned < np.inf]
    plans: dict[str, Distribution] = {
        **_PLANS,
        _POISSON: lambda at: np.searchsorted(planned, at, side="right") / len(planned),
    }
    worst, reasons = 0.0, []
    with delay_server(core, "none") as server:
        for _ in range(rounds):
            for text, plan in plans.items():
                profile = parse_profile(text)
                options = LoadOptions(
                    url=server.url, profile=profile, connections=_CONNECTIONS, seed=_SEED, keep_samples=True
                )
                outcome = run_sync(options)
                samples = outcome.samples
                assert samples is not None
                first = samples.due[np.argmin(samples.number)]
                start = first - arrival(profile, seed=_SEED).due(0)
                arrived = np.sort(server.fetch_log().arrived - start)
                if len(arrived) != outcome.summary.requests:
                    raise RuntimeError(f"the server saw {len(arrived)} requests of {outcome.summary.requests}")
                distance = ks_distance(arrived, np.minimum(1.0, np.maximum(0.0, plan(arrived))))
                say(f"{text:24} KS {distance:.4f}  {len(arrived)} requests{flagged(outcome)}")
                worst = max(worst, distance)
                reasons += outcome.summary.reasons
    gaps = np.sort(np.diff(planned, prepend=0.0))
    return Part(
        {"schedule_ks": worst, "poisson_gaps_ks": ks_distance(gaps, 1 - np.exp(-500 * gaps))},
        reasons,
        rounds * len(plans),
        {},
    )
