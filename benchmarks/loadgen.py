"""Area `loadgen`: what one request costs the load generator.

The target is nginx with one worker pinned to one core; every client runs alone, pinned to another. The rounds
interleave the clients; each figure is the median of the rounds. A client's cost is all the processor time of its
process from start to end, starting up included, for every client alike, over the requests that nginx counted.

- `cpu_per_request_vs_wrk`, `cpu_per_request_vs_locust`: median of the rounds' ratios, each within one round;
- `open_cpu_per_request_vs_wrk`: the same of an open run at 20,000 requests/s, whose median p99 send lag is
  `open_send_lag_p99_ms`; `precise_send_lag_p99_ms` is that of the same run with --precise;
- `open_max_rate_vs_wrk`: the highest open rate that perfloop itself trusts, over what wrk does in its closed model;
- `scenario_cpu_vs_wrk`: the same for a declarative scenario of three weighted templated requests;
- `python_scenario_cpu_vs_locust`: the same for a scenario in Python that does what locust's user does, with a template;
- `h2_ok`: over HTTP/2 all of `h2_requests` were answered with 200, and nginx counted as many, on connections that nginx
  ends after every 1,000 requests, as it does by default; `h2_connections` it took;
- `h2_cpu_per_request_vs_h2load`: the same as of wrk, over HTTP/2 with 4 connections of 10 streams, on connections that
  last: h2load opens no other when one ends;
- `server_count_mismatch`: nginx's count against perfloop's claim, summed over all rounds and the open run;
- `rss_mb_growth_per_million`: resident memory from second 2 to 6.5 of a closed run, over half a million requests;
- `rss_growth_mb`: resident memory from second 10 to 60 of an open run at 2,000 requests/s.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any, NamedTuple

import psutil

from .clients import CLIENTS, HTTP2_CONNECTIONS, OPEN_RATE, STREAMS, Client, all_requests
from .fastest import fastest_open_rate
from .machine import client_core, on_core, server_core, session_ahead
from .nginx import Nginx, nginx
from .processes import run_measured
from .progress import say

__all__ = ["run"]

_ROUNDS = 5
_MEMORY_AT = (2.0, 6.5)
_RATE = 2000
_HTTP2_SECONDS = 1
_RSS_FROM, _RSS_TO = 10, 60


def run(full: bool) -> dict[str, Any]:
    """Measure all clients.

    Args:
        full: twice the rounds; without it the area takes under six minutes.
    """
    rounds = _ROUNDS * (2 if full else 1)
    clients = [client for client in CLIENTS if not client.missing]
    runs: dict[str, list[_Run]] = {client.name: [] for client in clients}
    with session_ahead(), nginx(server_core()) as server:
        for number in range(rounds):
            # Each round starts with another client, so that none always follows the same one.
            turn = number % len(clients)
            for client in clients[turn:] + clients[:turn]:
                run = _measure(server, client)
                say(
                    f"round {number + 1}/{rounds}  {client.name:16} {run.rate:9,.0f} requests/s"
                    f"  {run.cost * 1e3:.5f} CPU s per 1,000"
                )
                runs[client.name].append(run)
        http2 = _http2_run(server)
        fastest = fastest_open_rate(server, _median(runs["wrk"], "rate"))
        open_run = _open_run(server)
    ours = [run for name, each in runs.items() if name.startswith("perfloop") for run in each]
    figures: dict[str, Any] = {
        f"cpu_per_request_vs_{peer}": _median_ratio(runs["perfloop"], runs[peer])
        for peer in runs
        if not peer.startswith("perfloop") and not peer.endswith("http2")
    }
    figures |= {
        "open_cpu_per_request_vs_wrk": _median_ratio(runs["perfloop open"], runs["wrk"]),
        "open_send_lag_p99_ms": _median(runs["perfloop open"], "send_lag_p99_ms"),
        "precise_send_lag_p99_ms": _median(runs["perfloop precise"], "send_lag_p99_ms"),
        "scenario_cpu_vs_wrk": _median_ratio(runs["perfloop scenario"], runs["wrk"]),
        "python_scenario_cpu_vs_locust": _median_ratio(runs["perfloop python"], runs["locust"]),
        "h2_cpu_per_request_vs_h2load": _median_ratio(runs["perfloop http2"], runs["h2load http2"]),
        "open_rate": OPEN_RATE,
        "open_max_rate_vs_wrk": fastest.rate / _median(runs["wrk"], "rate"),
        "open_max_rate": fastest.rate,
        "open_max_rate_send_lag_p99_ms": fastest.send_lag_p99_ms,
        "server_count_mismatch": sum(run.mismatch for run in ours) + abs(open_run["served"] - open_run["claimed"]),
        "server_count_checked": sum(run.served for run in ours) + open_run["served"],
        "rss_mb_growth_per_million": _median(runs["perfloop"], "growth_per_million"),
        "rss_growth_mb": open_run["rss_growth_mb"],
        "rss_mb": open_run["rss_mb"],
        "open_run_trustworthy": open_run["trustworthy"],
        "open_run_cpu_s_per_1000": open_run["cpu_s_per_1000"],
        "perfloop_cpu_s_per_1000": _median(runs["perfloop"], "cost") * 1000,
        "perfloop_requests_per_second": _median(runs["perfloop"], "rate"),
        "h2_cpu_s_per_1000": _median(runs["perfloop http2"], "cost") * 1000,
        "h2_requests_per_second": _median(runs["perfloop http2"], "rate"),
        "rounds": rounds,
        **http2,
    }
    peers: dict[str, Any] = {}
    for peer, each in runs.items():
        peer = peer.replace(" ", "_")
        if not peer.startswith("perfloop"):
            peers[f"{peer}_cpu_s_per_1000"] = _median(each, "cost") * 1000
            peers[f"{peer}_requests_per_second"] = _median(each, "rate")
            peers[f"{peer}_server_count_mismatch"] = sum(run.mismatch for run in each)
    missing = [client.name for client in CLIENTS if client.missing]
    if missing:
        peers["missing"] = missing
    return {"figures": figures, "peers": peers}


class _Run(NamedTuple):
    """One run of one client."""

    served: int
    mismatch: int
    cost: float
    """CPU seconds a request."""
    rate: float
    send_lag_p99_ms: float
    growth_per_million: float
    """MB of resident memory."""


def _measure(server: Nginx, client: Client) -> _Run:
    before = server.requests_served()
    usage = run_measured(
        on_core(client_core(), client.command(server.http2_url if client.http2 else server.url, client.seconds)),
        timeout=client.seconds + 60,
        read_memory_at=_MEMORY_AT if client.name == "perfloop" else (),
    )
    served = server.requests_served() - before
    if usage.status not in client.statuses:
        raise RuntimeError(f"{client.name} ended with status {usage.status}: {usage.errors[-500:]}")
    lag = growth = 0.0
    if client.name.startswith("perfloop"):
        lag = json.loads(usage.output)["summary"]["send_lag_ms"]["p99"]
    if usage.resident_bytes:
        first, last = usage.resident_bytes
        between = served / client.seconds * (_MEMORY_AT[1] - _MEMORY_AT[0])
        growth = (last - first) / between
    return _Run(
        served,
        abs(served - client.claimed(usage.output)),
        usage.cpu_seconds / served,
        served / client.seconds,
        lag,
        growth,
    )


def _http2_run(server: Nginx) -> dict[str, Any]:
    """HTTP/2 on connections that end: is every request answered, and does nginx count as many?"""
    before = server.requests_served()
    command = [*(sys.executable, "-m", "perfloop", "load", server.http2_leaving_url, "--http2", "--json")]
    command += ["--connections", str(HTTP2_CONNECTIONS), "--streams", str(STREAMS), "--duration", f"{_HTTP2_SECONDS}s"]
    usage = run_measured(on_core(client_core(), command), timeout=60)
    served = server.requests_served() - before
    record = json.loads(usage.output)
    requests, errors = all_requests(record["summary"]), record["summary"]["errors"]
    opened = next(phase["count"] for phase in record["results"]["phases"] if phase["name"] == "connect")
    say(f"HTTP/2  {requests:,} requests over {opened} connections, {errors} errors, nginx counted {served:,}")
    return {
        "h2_ok": errors == 0 and requests == served and record["results"]["statuses"] == {"200": requests},
        "h2_requests": requests,
        "h2_connections": opened,
    }


def _open_run(server: Nginx) -> dict[str, Any]:
    """A constant rate: does memory grow?"""
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
    requests = all_requests(summary)
    say(f"open run  {requests:,} requests, {rss[0] / 1e6:.1f} → {rss[1] / 1e6:.1f} MB")
    return {
        "served": server.requests_served() - before,
        "claimed": requests,
        "rss_growth_mb": (rss[1] - rss[0]) / 1e6,
        "rss_mb": rss[1] / 1e6,
        "trustworthy": summary["trustworthy"],
        "cpu_s_per_1000": summary["generator_cpu_seconds"] / requests * 1000,
    }


def _median(runs: list[_Run], figure: str) -> float:
    return float(statistics.median(getattr(run, figure) for run in runs))


def _median_ratio(ours: list[_Run], theirs: list[_Run]) -> float:
    return statistics.median(our.cost / their.cost for our, their in zip(ours, theirs, strict=True))
