"""Breakers of several processes in one exposition, and as a collector of OpenTelemetry gets them."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

from perfloop.resilience import FAILURE, CircuitBreaker
from perfloop.telemetry import Registry
from perfloop.telemetry.exporters.opentelemetry import OtlpExporter
from perfloop.telemetry.exporters.prometheus import render

from ...unit.telemetry.exporters.test_opentelemetry import Collector

if TYPE_CHECKING:
    from pathlib import Path

WORKER = """\
import sys
from perfloop.resilience import CircuitBreaker
from perfloop.telemetry import Registry

registry = Registry(directory=sys.argv[1])
breaker = CircuitBreaker(2, 600.0, name="pay", registry=registry)
for _ in range(int(sys.argv[2])):
    breaker.release(breaker.try_acquire(), 1, 0.1)
registry.collect()
print("counted", flush=True)
sys.stdin.read()
"""

WANTED = {
    'perfloop_circuit_breaker_state{name="pay",state="open"} 1',
    'perfloop_circuit_breaker_state{name="pay",state="closed"} 2',
    'perfloop_circuit_breaker_failure_rate_ratio{name="pay"} 1',
    'perfloop_circuit_breaker_calls_total{name="pay",result="failed"} 3',
}


def test_states_of_several_processes_are_added_and_shares_are_the_worst(tmp_path: Path) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, tmp_path, str(failures)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for failures in (2, 1, 0)
    ]
    try:
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == b"counted\n"
        registry = Registry(directory=tmp_path)
        deadline = time.monotonic() + 60
        # Workers leave their gauges for others every few seconds.
        while missing := WANTED - set(lines := render(registry)[0].decode().splitlines()):
            assert time.monotonic() < deadline, (missing, lines)
            time.sleep(0.1)
    finally:
        for worker in workers:
            worker.communicate(timeout=60)


def test_a_collector_gets_states_as_points_of_their_own() -> None:
    registry = Registry()
    breaker = CircuitBreaker(1, 600.0, name="pay", registry=registry)
    breaker.release(breaker.try_acquire(), FAILURE, 0.1)
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever, args=(0.01,))
        thread.start()
        endpoint = f"http://127.0.0.1:{collector.server_address[1]}"
        with OtlpExporter(endpoint, registry.collect, resource={"service.name": "shop"}, interval=600):
            pass
        collector.shutdown()
        thread.join()
    (sent,) = collector.got[-1].resource_metrics
    found = {metric.name: metric for metric in sent.scope_metrics[0].metrics}
    state, rate = found["perfloop.circuit_breaker.state"], found["perfloop.circuit_breaker.failure_rate"]
    points = {
        tuple(each.value.string_value for each in point.attributes): point.as_double or point.as_int
        for point in state.gauge.data_points
    }
    assert points["pay", "open"] == 1
    assert points["pay", "closed"] == 0
    assert (state.description, rate.unit) == ("Circuit breakers in this state.", "1")
    assert found["perfloop.circuit_breaker.calls"].unit == "{call}"
