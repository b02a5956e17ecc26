"""Area `live`: how soon does the live page show a slow request, and what does watching cost the service?

- `shown_seconds_max`, `shown_seconds_p50`: from the end of a slow request, as its client sees it, to its line on the
  page in Chromium, while others keep the service busy;
- `light_cpu_vs_bare`, `full_cpu_vs_bare`: CPU of the shop's process per request with the agent of `perfloop monitor`,
  and with that of `perfloop diagnose`, ÷ without: the median of interleaved rounds; `light_added_us` in microseconds;
- `raw_light_added_us`: the same of an application without a framework, which answers at once;
- `monitor_us_per_request`: CPU that `perfloop monitor` itself takes for a request, beside the service;
- `monitor_idle_cpu_percent`: CPU it takes while nothing happens.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from examples.shop.seed import ensure_database
from playwright.sync_api import sync_playwright

from perfloop import loadtest
from perfloop.monitoring import Service

from .progress import say

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["run"]

REPOSITORY = Path(__file__).parents[1]
_SECONDS = 1.0
_CONNECTIONS = 4
_IDLE_SECONDS = 4.0
_SLOW = 0.3
_BROWSERS = ("/usr/bin/chromium", "/usr/bin/chromium-browser")
_RAW = f"""
import asyncio

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"] == "/slow":
        await asyncio.sleep({_SLOW})
    await send({{"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}})
    await send({{"type": "http.response.body", "body": b"ok"}})
"""


def run(full: bool) -> dict[str, Any]:
    """Measure every figure.

    Args:
        full: three times the rounds.
    """
    rounds = 15 if full else 5
    with tempfile.TemporaryDirectory(prefix="perfloop-bench-") as name:
        directory = Path(name)
        (directory / "raw.py").write_text(_RAW)
        database = directory / "shop.sqlite3"
        ensure_database(database)
        env = {"SHOP_DATABASE": str(database), "PYTHONPATH": str(REPOSITORY)}
        say("the agent in the shop")
        shop = asyncio.run(_agent_cost("examples.shop:app", "/products", REPOSITORY, env, rounds))
        say("the agent in an application without a framework")
        raw = asyncio.run(_agent_cost("raw:app", "/", directory, {}, rounds))
        figures = {f"{mode}_cpu_vs_bare": shop[mode][0] for mode in ("light", "full")}
        figures |= {f"{mode}_added_us": shop[mode][1] for mode in ("light", "full")}
        figures |= {f"raw_{mode}_added_us": raw[mode][1] for mode in ("light", "full")}
        with _monitor(directory) as (pid, page, service):
            say("the monitor, idle and under load")
            figures |= _monitor_cost(pid, service)
            say("the page")
            shown = _shown(page, service, 30 if full else 10)
        figures |= {"shown_seconds_p50": statistics.median(shown), "shown_seconds_max": max(shown)}
    return {"figures": {**figures, "rounds": rounds, "slow_requests": len(shown)}, "peers": {}}


async def _agent_cost(
    application: str, target: str, cwd: Path, env: dict[str, str], rounds: int
) -> dict[str, tuple[float, float]]:
    """CPU per request by mode: the median of its ratios to bare, and of the microseconds it adds."""
    command = (sys.executable, "-m", "uvicorn", application, "--port", "0", "--no-access-log")
    modes = {
        "bare": Service(command, cwd=cwd, env=env, agent=False),
        "light": Service(command, cwd=cwd, env=env, light=True),
        "full": Service(command, cwd=cwd, env=env),
    }
    costs: dict[str, list[float]] = {mode: [] for mode in modes}
    async with contextlib.AsyncExitStack() as stack:
        for service in modes.values():
            await stack.enter_async_context(service)
            await _load(service.url + target)
        for number in range(rounds):
            order = list(modes.items())
            for mode, service in order if number % 2 else order[::-1]:
                before = _cpu(service.pid)
                answered = await _load(service.url + target)
                costs[mode].append((_cpu(service.pid) - before) / answered)
                await service.take_observations()
    pairs = {mode: list(zip(costs[mode], costs["bare"], strict=True)) for mode in ("light", "full")}
    return {
        mode: (statistics.median(a / b for a, b in each), statistics.median(a - b for a, b in each) * 1e6)
        for mode, each in pairs.items()
    }


async def _load(url: str) -> int:
    options = loadtest.LoadOptions(url=url, connections=_CONNECTIONS, duration=_SECONDS, warm_up="none")
    outcome = await loadtest.run(options)
    if outcome.summary.errors:
        raise RuntimeError(f"requests failed: {outcome.results.error_kinds}")
    return outcome.summary.requests


def _cpu(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


@contextlib.contextmanager
def _monitor(directory: Path) -> Iterator[tuple[int, str, str]]:
    """`perfloop monitor` of the application without a framework: its process, its page and the service."""
    command = [sys.executable, "-m", "perfloop", "monitor", "--no-live", "--live-web", "0", "--"]
    command += [sys.executable, "-m", "uvicorn", "raw:app", "--port", "0", "--no-access-log", "--log-level", "warning"]
    log = directory / "monitor.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(command, cwd=directory, env=os.environ, stderr=errors, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while not (service := re.search(r"service  (http://\S+)\n", log.read_text())):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the monitor did not start: {log.read_text()}")
            time.sleep(0.05)
        page = re.search(r"live     (http://\S+)\n", log.read_text())
        assert page is not None
        yield process.pid, page[1], service[1]
    finally:
        process.terminate()
        process.wait(30)


def _monitor_cost(pid: int, service: str) -> dict[str, float]:
    before = _cpu(pid)
    time.sleep(_IDLE_SECONDS)
    idle = (_cpu(pid) - before) / _IDLE_SECONDS
    before = _cpu(pid)
    answered = asyncio.run(_load(f"{service}/"))
    time.sleep(1.0)
    spent = _cpu(pid) - before - idle * (_SECONDS + 1.0)
    return {"monitor_idle_cpu_percent": idle * 100, "monitor_us_per_request": max(spent, 0.0) / answered * 1e6}


def _shown(address: str, service: str, times: int) -> list[float]:
    """Seconds from a slow request's end until the page in Chromium has it, once for each."""
    browser_path = next((path for path in _BROWSERS if Path(path).exists()), None)
    shown: list[float] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(address)
        page.locator("#slowest details").first.wait_for(state="attached")
        sleepers = page.locator("#slowest svg[aria-label*='asyncio.sleep']")
        background = subprocess.Popen(
            [sys.executable, "-m", "perfloop", "load", service, "--rate", "100", "--duration", "120s", "--no-live"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            for number in range(times):
                known = sleepers.count()
                time.sleep(0.137 * (number % 5))  # at no fixed place between two events
                urllib.request.urlopen(f"{service}/slow", timeout=30).read()
                ended = time.monotonic()
                sleepers.nth(known).wait_for(state="attached")
                shown.append(time.monotonic() - ended)
        finally:
            background.terminate()
            background.wait(30)
        browser.close()
    return shown
