"""The engine on both event loops."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request

import pytest

from .serving import load_here, load_in_thread


@pytest.fixture(params=[load_here, load_in_thread], ids=["asyncio", "uvloop"])
def load(request):
    return request.param


class ServiceProcess:
    """A service of service.py; `seen()` asks it what it saw."""

    def __init__(self, delays: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.loadtest.service", delays], stdout=subprocess.PIPE, text=True
        )
        self.pid = self.process.pid
        self.url = f"http://127.0.0.1:{self.process.stdout.readline().strip()}/"

    def seen(self) -> list[tuple[float, float]]:
        """The arrival (on the clock both share) and the delay of each request, in order of arrival."""
        with urllib.request.urlopen(f"{self.url}seen", timeout=10) as response:
            return json.load(response)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def service():
    """Starts services with the delays asked for."""
    started: list[ServiceProcess] = []

    def start(delays: str = "none") -> ServiceProcess:
        started.append(ServiceProcess(delays))
        return started[-1]

    yield start
    for each in started:
        each.stop()
