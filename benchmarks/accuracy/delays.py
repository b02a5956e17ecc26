"""Is the service time measured the delay that was given?

A server logs, for each request, how long it really kept it. Between that and what a client can see lies the way: the
kernel's work and two wake-ups. A bare client, a few sockets and an epoll, measures it on the same core before and after
the run, against the same server with the same delays (what it sees less what the server logs for it). So what perfloop
should measure is known without perfloop: the distribution of the logged delays plus that of the way.

- `ks_constant`, `ks_bimodal`, `ks_pareto`: Kolmogorov–Smirnov's distance between that and perfloop's histogram of the
  service time, at the edges of the histogram's cells, so that its rounding counts for nothing;
- `littles_law_error`: |throughput × mean latency − connections| ÷ connections in a closed run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfloop.loadtest import LoadOptions, LoadOutcome, run_sync

from ..delay_server import DelayServer, delay_server
from ..progress import say
from .part import Part, flagged

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["run"]

_RATE = 200
_CONNECTIONS = 64
_SECONDS = 15.0
_PROBE_SECONDS = 4.0
_CLOSED_CONNECTIONS = 32
_CLOSED_SECONDS = 12.0
# The histogram's cells are 1 µs wide for values of so many binary digits, and twice as wide for each further one.
_DIGITS = 11
_QUANTILES = 500


def run(core: int, rounds: int) -> Part:
    """Measure each distribution, and Little's law.

    Args:
        core: the server's.
        rounds: how often; the worst counts.
    """
    figures: dict[str, float] = {}
    reasons: list[str] = []
    for _ in range(rounds):
        for delays in ("constant", "bimodal", "pareto"):
            with delay_server(core, delays) as server:
                distance, way, outcome = _distance(server)
            say(f"{delays:9} KS {distance:.4f}  the way takes {way * 1e6:.0f} µs{flagged(outcome)}")
            figures[f"ks_{delays}"] = max(distance, figures.get(f"ks_{delays}", 0.0))
            figures["way_us"] = max(way * 1e6, figures.get("way_us", 0.0))
            reasons += outcome.summary.reasons
        with delay_server(core, "bimodal") as server:
            outcome = run_sync(
                LoadOptions(url=server.url, connections=_CLOSED_CONNECTIONS, duration=_CLOSED_SECONDS, warm_up="none")
            )
        in_flight = outcome.summary.rate * outcome.summary.latency_ms.mean / 1000
        error = abs(in_flight - _CLOSED_CONNECTIONS) / _CLOSED_CONNECTIONS
        say(f"throughput × latency {in_flight:.3f} of {_CLOSED_CONNECTIONS} in flight{flagged(outcome)}")
        figures["littles_law_error"] = max(error, figures.get("littles_law_error", 0.0))
        reasons += outcome.summary.reasons
    return Part(figures, reasons, 4 * rounds, {})


def _distance(server: DelayServer) -> tuple[float, float, LoadOutcome]:
    """The distance, the median way in seconds, and the run."""
    ways = [server.probe(_RATE, _PROBE_SECONDS)]
    # Random arrivals: at a constant rate sends and answers could meet again and again.
    options = LoadOptions(
        url=server.url,
        rate=_RATE,
        arrival="poisson",
        connections=_CONNECTIONS,
        duration=_SECONDS,
        seed=1,
        warm_up="none",
    )
    outcome = run_sync(options)
    given = np.sort(server.fetch_log().delay)
    ways.append(server.probe(_RATE, _PROBE_SECONDS))
    way = np.concatenate(ways)
    if len(given) != outcome.summary.requests:
        raise RuntimeError(f"the server saw {len(given)} requests, perfloop claims {outcome.summary.requests}")
    cells, counts = outcome.service_time.distribution()
    highest = cells.astype(np.float64)
    # Times are rounded to whole µs, and a cell holds those up to its highest: at a cell's edges the measured
    # distribution is known exactly, and where nothing was measured the distance is greatest at the end of the gap.
    width = 2.0 ** np.maximum(np.frexp(highest)[1] - _DIGITS, 0)
    measured = np.cumsum(counts) / np.sum(counts)
    before = np.append(0.0, measured[:-1])
    at_end = np.abs(measured - _expected(given, way, (highest + 0.5) / 1e6))
    at_start = np.abs(before - _expected(given, way, (highest - width + 0.5) / 1e6))
    return float(max(at_end.max(), at_start.max())), float(np.median(way)), outcome


def _expected(given: NDArray[np.float64], way: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """The distribution function of a delay plus the way."""
    # The quantiles of the way stand for it: a thousandth more or less is nothing.
    ways = np.quantile(way, (np.arange(_QUANTILES) + 0.5) / _QUANTILES).tolist()
    below = np.zeros(len(at))
    for seconds in ways:
        below += np.searchsorted(given, at - seconds, side="right")
    return below / (len(given) * _QUANTILES)
