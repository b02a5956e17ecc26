from __future__ import annotations

from perfloop.records import Figures, LoadSummary, current_environment


def test_the_environment_is_this_one() -> None:
    environment = current_environment()
    assert environment.python.count(".") == 2
    assert environment.cpu_count >= 1
    assert environment.memory_bytes is None or environment.memory_bytes > 2**20


def test_a_share_of_errors_is_of_all_requests() -> None:
    summary = LoadSummary(
        requests=80,
        errors=10,
        rate=10.0,
        elapsed_seconds=8.0,
        bytes_received=0,
        bytes_per_second=0.0,
        latency_ms=Figures(),
        service_time_ms=Figures(),
        queue_ms=Figures(),
        send_lag_ms=Figures(),
        generator_cpu_seconds=0.0,
        trustworthy=True,
        warm_up_seconds=2.0,
        warm_up_requests=20,
        warm_up_errors=8,
    )
    assert (summary.all_requests, summary.succeeded, summary.error_share, summary.run_seconds) == (100, 78, 0.1, 10.0)
