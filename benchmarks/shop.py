"""Area `shop`: is a diagnosis right, complete and cheap? On the shop of examples/, as the demo runs it.

- `prediction_error`: |predicted p99 − measured p99| ÷ measured p99 of `GET /orders?page=1`, the prediction made from
  the faulty shop alone, the measurement made on the shop with the N+1 fixed, under the load of the judged run, with the
  agent in both. The median of several rounds, each a diagnosis and a measurement.
- `unaccounted_p95`: over all routes of a mixed load, the worst of the 95th percentile of requests' unaccounted share
  and of the slowest 1 %'s mean unaccounted share.
- `agent_throughput_vs_bare`: closed-loop throughput of the shop with the agent ÷ without it, the median of interleaved
  pairs, service and generator each on a core of its own.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from examples.shop.seed import ensure_database

from perfloop import loadtest
from perfloop.diagnosis import DiagnosisOptions, diagnose
from perfloop.monitoring import Service
from perfloop.stats import Histogram

from .machine import session_ahead

if TYPE_CHECKING:
    from collections.abc import Iterable

    from perfloop.records import DiagnosisRecord, LoadPlan

__all__ = ["run"]

REPOSITORY = Path(__file__).parents[1]
COMMAND = (sys.executable, "-m", "uvicorn", "examples.shop:app", "--port", "0", "--no-access-log")
N_PLUS_ONE = (loadtest.Request(target="/orders?page=1"),)
MIX = (
    loadtest.Request(target="/orders?page=1"),
    loadtest.Request(target="/customers/4217/orders"),
    loadtest.Request(target="/orders/49999", weight=2),
    loadtest.Request(target="/products", weight=2),
    loadtest.Request(target="/shipping-quote"),
)
# Without the route that mostly sleeps: throughput is then limited by the processor, and the agent's cost shows whole.
BUSY_MIX = MIX[:-1]
SERVER_CPU, CLIENT_CPU = 0, 1
CONNECTIONS = 8
WARM_UP_SECONDS = 1.5
RUNS_A_ROUND = 2
PAIRS_A_START = 8


def run(full: bool) -> dict[str, Any]:
    """Measure all three figures.

    Args:
        full: more and longer runs; without it the area takes about four minutes.
    """
    # The services get sessions of their own: on two cores they would otherwise keep the generator from its schedule.
    with tempfile.TemporaryDirectory(prefix="perfloop-bench-") as directory, session_ahead():
        database = Path(directory) / "shop.sqlite3"
        ensure_database(database)
        return {"figures": asyncio.run(_measure(database, full)), "peers": {}}


async def _measure(database: Path, full: bool) -> dict[str, float]:
    figures = await _prediction(database, rounds=5 if full else 3)
    figures |= await _unaccounted(database)
    figures |= await _throughput(database, starts=6 if full else 3)
    return figures


@dataclass(frozen=True, slots=True)
class _Round:
    """One prediction and what came of it. Latencies are p99 in ms."""

    unfixed: float
    predicted: tuple[float, float, float]
    measured: float
    rate: float
    requests: int

    @property
    def error(self) -> float:
        return abs(self.predicted[1] - self.measured) / self.measured


async def _prediction(database: Path, rounds: int) -> dict[str, float]:
    """Each round predicts and measures anew: the median round stands for all, and the worst is shown beside it."""
    done = sorted([await _predict_and_measure(database) for _ in range(rounds)], key=lambda each: each.error)
    median = done[(rounds - 1) // 2]
    low, predicted, high = median.predicted
    return {
        "prediction_error": median.error,
        "prediction_error_worst": done[-1].error,
        "predicted_p99_ms": predicted,
        "predicted_p99_low_ms": low,
        "predicted_p99_high_ms": high,
        "measured_p99_ms": median.measured,
        "unfixed_p99_ms": median.unfixed,
        "judged_rate": median.rate,
        "prediction_rounds": rounds,
        "prediction_requests": sum(each.requests for each in done),
    }


async def _predict_and_measure(database: Path) -> _Round:
    before = await _trusted(_options(database, N_PLUS_ONE))
    latency = Histogram()
    requests = before.summary.requests
    async with Service(COMMAND, cwd=REPOSITORY, env=_env(database, "n_plus_one")) as service:
        await _load(service.url, N_PLUS_ONE, duration=WARM_UP_SECONDS)
        for _ in range(RUNS_A_ROUND):
            outcome = await _repeat(service.url, before.plan)
            latency.merge(outcome.latency)
            requests += outcome.summary.requests
    return _Round(
        unfixed=before.summary.latency_ms.p99,
        predicted=_n_plus_one(before),
        measured=latency.percentile(99) / 1e3,
        rate=before.plan.rate or 0.0,
        requests=requests,
    )


async def _trusted(options: DiagnosisOptions) -> DiagnosisRecord:
    """A diagnosis that trusts itself; a machine that other work keeps busy gets three chances.

    Raises:
        RuntimeError: none of them was trustworthy.
    """
    for _ in range(3):
        record = await diagnose(options)
        if record.summary.trustworthy:
            return record
    raise RuntimeError(f"this machine is too busy: {'; '.join(record.summary.reasons)}")


def _options(database: Path, requests: tuple[loadtest.Request, ...]) -> DiagnosisOptions:
    return DiagnosisOptions(command=COMMAND, cwd=REPOSITORY, env=_env(database), requests=requests)


def _n_plus_one(record: DiagnosisRecord) -> tuple[float, float, float]:
    for finding in record.findings:
        if finding.rule == "n-plus-one":
            return finding.predicted.p99_ms
    raise RuntimeError(f"no n-plus-one among the findings: {[finding.rule for finding in record.findings]}")


async def _unaccounted(database: Path) -> dict[str, float]:
    # Where the time goes inside the service does not depend on when the generator sent.
    record = await diagnose(_options(database, MIX))
    shares = [route.unaccounted_p95 for route in record.routes]
    for route in record.routes:
        shares += [
            cohort.parts_ms.get("unaccounted", 0.0) / cohort.mean_ms
            for cohort in (route.typical, route.slowest)
            if cohort.mean_ms
        ]
    if len(record.routes) != len(MIX):
        raise RuntimeError(f"expected a breakdown of {len(MIX)} routes, got {[route.route for route in record.routes]}")
    return {"unaccounted_p95": max(shares), "unaccounted_requests": sum(route.requests for route in record.routes)}


async def _throughput(database: Path, starts: int) -> dict[str, float]:
    allowed = os.sched_getaffinity(0)
    if not {SERVER_CPU, CLIENT_CPU} <= allowed:
        raise RuntimeError(f"agent_throughput_vs_bare needs processors 0 and 1, this process may use {sorted(allowed)}")
    throughput: list[float] = []
    cpu: list[float] = []
    requests = 0
    os.sched_setaffinity(0, {CLIENT_CPU})
    try:
        for start in range(starts):
            async with _pinned(database, agent=False) as bare, _pinned(database, agent=True) as observed:
                for service in (bare, observed):
                    await _load(service.url, BUSY_MIX, duration=WARM_UP_SECONDS)
                # The one that waits costs nothing, so pairs can be short and many: what else the machine does meanwhile
                # falls on both.
                for pair in range(PAIRS_A_START):
                    measured = {}
                    for service in (bare, observed) if (start + pair) % 2 else (observed, bare):
                        used = _cpu_seconds(service)
                        outcome = await _load(service.url, BUSY_MIX, duration=1.5)
                        if outcome.summary.errors:
                            raise RuntimeError(f"requests failed: {outcome.results.error_kinds}")
                        used = _cpu_seconds(service) - used
                        measured[service] = outcome.summary.rate, used / outcome.summary.requests
                        requests += outcome.summary.requests
                    throughput.append(measured[observed][0] / measured[bare][0])
                    cpu.append(measured[observed][1] / measured[bare][1])
    finally:
        os.sched_setaffinity(0, allowed)
    low, _, high = statistics.quantiles(throughput, n=4)
    return {
        "agent_throughput_vs_bare": statistics.median(throughput),
        "agent_throughput_lower_quartile": low,
        "agent_throughput_upper_quartile": high,
        "agent_cpu_per_request_vs_bare": statistics.median(cpu),
        "throughput_pairs": len(throughput),
        "throughput_requests": requests,
    }


def _pinned(database: Path, *, agent: bool) -> Service:
    return Service(COMMAND, cwd=REPOSITORY, env=_env(database), agent=agent, cpus=frozenset({SERVER_CPU}))


def _cpu_seconds(service: Service) -> float:
    total = 0.0
    for pid in service.processes():
        times = psutil.Process(pid).cpu_times()
        total += times.user + times.system
    return total


async def _load(url: str, requests: Iterable[loadtest.Request], duration: float) -> loadtest.LoadOutcome:
    return await loadtest.run(
        loadtest.LoadOptions(
            url=url, requests=tuple(requests), connections=CONNECTIONS, duration=duration, warm_up="none"
        )
    )


async def _repeat(url: str, plan: LoadPlan) -> loadtest.LoadOutcome:
    """The open load of a judged run again."""
    assert plan.rate is not None
    return await loadtest.run(
        loadtest.LoadOptions(
            url=url,
            requests=N_PLUS_ONE,
            connections=plan.connections,
            rate=plan.rate,
            arrival=plan.arrival or "constant",
            duration=plan.duration_seconds,
            warm_up="none",
        )
    )


def _env(database: Path, fix: str = "") -> dict[str, str]:
    return {"SHOP_DATABASE": str(database), "SHOP_FIX": fix}
