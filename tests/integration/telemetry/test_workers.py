"""Services of several workers: whichever is scraped knows what all have answered, the killed ones too."""

from __future__ import annotations

import http.client
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ...servers.processes import Server, free_port, has_ended, run_server
from ...servers.uvicorn import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

APP = "tests.integration.telemetry.counting"
SERVERS = {
    "uvicorn": ["-m", "uvicorn", f"{APP}:app", "--workers", "4", "--no-access-log", "--port"],
    "gunicorn": ["-m", "gunicorn", f"{APP}:wsgi", "--workers", "2", "--preload", "--bind"],
    "granian": [
        "-m",
        "granian",
        "--interface",
        "asgi",
        f"{APP}:app",
        "--workers",
        "2",
        "--respawn-failed-workers",
        "--port",
    ],
}


def get(port: int, path: str = "/", **headers: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().read()
    finally:
        connection.close()


def scraped(port: int) -> dict[str, float]:
    """Every sample without labels, and the sums over labels of the others."""
    sums: dict[str, float] = {}
    for family in text_string_to_metric_families(get(port, "/metrics").decode()):
        for sample in family.samples:
            if "le" not in sample.labels:
                sums[sample.name] = sums.get(sample.name, 0) + sample.value
    return sums


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def answers(port: int) -> Callable[[Server], bool]:
    def ready(_: Server) -> bool:
        return get(port, "/metrics").startswith(b"#")

    return ready


@pytest.mark.parametrize("server", SERVERS)
def test_the_sum_is_what_was_sent_also_after_a_worker_is_killed(server: str, tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, *SERVERS[server], f"127.0.0.1:{port}" if server == "gunicorn" else str(port)]
    env = {"PERFLOOP_METRICS_DIR": str(tmp_path / "metrics")}
    with run_server(command, ready=answers(port), env=env, cwd=REPOSITORY):
        sent = 0
        pids: set[int] = set()

        def send_until(enough: Callable[[], bool]) -> None:
            nonlocal sent

            def one() -> bool:
                nonlocal sent
                try:
                    pids.add(int(get(port)))
                except ConnectionError:  # what the killed one had left unanswered in its queue
                    return False
                sent += 1
                return enough()

            wait_for(one)

        send_until(lambda: sent >= 100 and len(pids) > 1)
        victim = min(pids)
        assert scraped(port)["shop_requests_total"] == sent
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: has_ended(victim))
        known = len(pids)
        # gunicorn and granian replace it, and so does uvicorn; that may take them a while.
        send_until(lambda: len(pids) > known)
        sums = scraped(port)
        assert sums["shop_requests_total"] == sent
        assert sums["http_server_request_duration_seconds_count"] == sent
        assert sums["http_server_request_duration_seconds_sum"] == pytest.approx(sent * 0.01)
        assert sums["shop_workers"] == len(pids) - 1, "the killed one is no worker any more"
        assert sums["shop_pid_largest"] >= max(pids) or server == "gunicorn"
