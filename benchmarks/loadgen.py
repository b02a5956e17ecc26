"""Area `loadgen`: what one request costs the load generator.

The target is nginx with one worker pinned to one core; every client runs alone, pinned to another. The rounds
interleave the clients; each figure is the median of the rounds. A client's cost is all the processor time of its
process from start to end, starting up included, for every client alike, over the requests that nginx counted.

- `cpu_per_request_vs_wrk`, `cpu_per_request_vs_locust`: median of the rounds' ratios, each within one round;
- `server_count_mismatch`: nginx's count against perfloop's claim, summed over all rounds and the open run;
- `rss_growth_mb`: resident memory from second 10 to 60 of an open run at 2,000 requests/s.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

import psutil

from .clients import CLIENTS, Client
from .machine import client_core, on_core, server_core, session_ahead
from .nginx import Nginx, nginx
from .processes import run_measured
from .progress import say

__all__ = ["run"]

_ROUNDS = 5
# Those that the figures divide by one another run long enough that starting Python does not count for much.
_SECONDS = {"wrk": 10, "perfloop": 10, "locust": 10}
_SECONDS_OTHERS = 4
_RATE = 2000
_RSS_FROM, _RSS_TO = 10, 60


def run(full: bool) -> dict[str, Any]:
    """Measure all clients.

    Args:
        full: twice the rounds; without it the area takes five minutes.
    """
    rounds = _ROUNDS * (2 if full else 1)
    clients = [client for client in CLIENTS if not client.missing]
    costs: dict[str, list[float]] = {client.name: [] for client in clients}
    rates: dict[str, list[float]] = {client.name: [] for client in clients}
    mismatches: dict[str, int] = dict.fromkeys(costs, 0)
    checked = 0
    with session_ahead(), nginx(server_core()) as server:
        for number in range(rounds):
            # Each round starts with another client, so that none always follows the same one.
            turn = number % len(clients)
            for client in clients[turn:] + clients[:turn]:
                served, claimed, cost, rate = _measure(server, client)
                say(
                    f"round {number + 1}/{rounds}  {client.name:9} {rate:9,.0f} requests/s"
                    f"  {cost * 1e3:.5f} CPU s per 1,000"
                )
                costs[client.name].append(cost)
                rates[client.name].append(rate)
                mismatches[client.name] += abs(served - claimed)
                if client.name == "perfloop":
                    checked += served
        open_run = _open_run(server)
    figures: dict[str, Any] = {
        f"cpu_per_request_vs_{peer}": _median_ratio(costs["perfloop"], costs[peer])
        for peer in costs
        if peer != "perfloop"
    }
    figures |= {
        "server_count_mismatch": mismatches["perfloop"] + abs(open_run["served"] - open_run["claimed"]),
        "server_count_checked": checked + open_run["served"],
        "rss_growth_mb": open_run["rss_growth_mb"],
        "rss_mb": open_run["rss_mb"],
        "open_run_trustworthy": open_run["trustworthy"],
        "open_run_cpu_s_per_1000": open_run["cpu_s_per_1000"],
        "perfloop_cpu_s_per_1000": statistics.median(costs["perfloop"]) * 1000,
        "perfloop_requests_per_second": statistics.median(rates["perfloop"]),
        "rounds": rounds,
    }
    peers: dict[str, Any] = {}
    for peer in costs:
        if peer != "perfloop":
            peers[f"{peer}_cpu_s_per_1000"] = statistics.median(costs[peer]) * 1000
            peers[f"{peer}_requests_per_second"] = statistics.median(rates[peer])
            peers[f"{peer}_server_count_mismatch"] = mismatches[peer]
    missing = [client.name for client in CLIENTS if client.missing]
    if missing:
        peers["missing"] = missing
    return {"figures": figures, "peers": peers}


def _measure(server: Nginx, client: Client) -> tuple[int, int, float, float]:
    """Requests served and claimed, CPU seconds a request, requests a second."""
    seconds = _SECONDS.get(client.name, _SECONDS_OTHERS)
    before = server.requests_served()
    usage = run_measured(on_core(client_core(), client.command(server.url, seconds)), timeout=seconds + 60)
    served = server.requests_served() - before
    if usage.status not in client.statuses:
        raise RuntimeError(f"{client.name} ended with status {usage.status}: {usage.errors[-500:]}")
    return served, client.claimed(usage.output), usage.cpu_seconds / served, served / seconds


def _open_run(server: Nginx) -> dict[str, Any]:
    """A minute at a constant rate: does memory grow?"""
    duration = _RSS_TO + 1
    command = [sys.executable, "-m", "perfloop", "load", server.url, "--rate", str(_RATE), "--json"]
    before = server.requests_served()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            on_core(client_core(), [*command, "--connections", "64", "--duration", f"{duration}s"]),
            stdout=output,
            stderr=subprocess.DEVNULL,
        )
        try:
            while server.requests_served() - before < _RATE // 10:  # starting up is not the run
                time.sleep(0.1)
            started = time.monotonic()
            measured = psutil.Process(process.pid)
            rss = []
            for moment in (_RSS_FROM, _RSS_TO):
                time.sleep(max(0.0, started + moment - time.monotonic()))
                rss.append(measured.memory_info().rss)
            process.wait(timeout=duration + 30)
        finally:
            process.kill()
            process.wait()
        output.seek(0)
        summary = json.load(output)["summary"]
    say(f"open run  {summary['requests']:,} requests, {rss[0] / 1e6:.1f} → {rss[1] / 1e6:.1f} MB")
    return {
        "served": server.requests_served() - before,
        "claimed": summary["requests"],
        "rss_growth_mb": (rss[1] - rss[0]) / 1e6,
        "rss_mb": rss[1] / 1e6,
        "trustworthy": summary["trustworthy"],
        "cpu_s_per_1000": summary["generator_cpu_seconds"] / summary["requests"] * 1000,
    }


def _median_ratio(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(our / their for our, their in zip(ours, theirs, strict=True))
