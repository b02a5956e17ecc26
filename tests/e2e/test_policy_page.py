"""A service's policies on the live page: of `perfloop monitor` in a browser, over a restart, and of several workers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ..servers.processes import Server, free_port, run_server
from .conftest import PERFLOOP
from .test_cli_monitor import Monitored, ask, eventually, state_of, window

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = pytest.mark.services

TOKEN = "a-token-of-the-user"
SERVICE = """
import asyncio, os, signal

from fastapi import FastAPI, HTTPException

from perfloop.exceptions import CallRejected
from perfloop.live import LiveMonitor
from perfloop.monitoring import PerformanceMiddleware
from perfloop.resilience import Bulkhead, CircuitBreaker, Policy, Retry

app = FastAPI()
app.add_middleware(PerformanceMiddleware)
app.mount("/perfloop", LiveMonitor(token="a-token-of-the-user"))
payments = Policy(
    Retry(2, idempotent=True, name="payments"), CircuitBreaker(3, 600.0, name="payments"), name="payments"
)
stock = CircuitBreaker(3, 600.0, name="stock")
search = Bulkhead(1, max_queue=0, timeout=5.0, name="search")

async def charge(fails: bool) -> str:
    if fails:
        raise ConnectionError("s3cret")
    return "paid"

@app.get("/pay")
async def pay(fails: bool = False) -> str:
    try:
        return await payments.aexecute(charge, fails)
    except (CallRejected, ConnectionError) as error:
        raise HTTPException(503) from error

@app.get("/stock")
async def in_stock() -> str:
    return await stock.aexecute(charge, False)

@app.get("/search")
async def find() -> str:
    try:
        return await search.aexecute(charge, False)
    except CallRejected as error:
        raise HTTPException(503) from error

@app.get("/die")
async def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
"""


def part(state: dict[str, Any], kind: str, name: str) -> dict[str, Any]:
    """One part of what the page is sent; empty before there is one."""
    found: list[dict[str, Any]] = [row for row in state["parts"] if (row["kind"], row["name"]) == (kind, name)]
    return found[0] if found else {}


def begin(directory: Path, *words: str, uvicorn: tuple[str, ...] = ()) -> Monitored:
    (directory / "shop.py").write_text(SERVICE)
    serve = [sys.executable, "-m", "uvicorn", "shop:app", "--port", "0", "--log-level", "warning", *uvicorn]
    return Monitored(
        subprocess.Popen(
            [PERFLOOP, "monitor", "--live-web", "0", *words, "--", *serve],
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    )


def test_the_live_page_shows_each_breaker_over_time(browser: Browser, tmp_path: Path) -> None:
    monitored = begin(tmp_path)
    try:
        service = monitored.service
        ask(f"{service}/stock")
        ask(f"{service}/search")
        for _ in range(6):
            ask(f"{service}/pay?fails=true")
        for width, scheme in ((1280, "light"), (375, "dark")):
            with window(browser, width, scheme) as page:  # type: ignore[arg-type]
                page.goto(monitored.page)
                rows = page.locator("#parts .part")
                payments = rows.filter(has_text="circuit breaker").filter(has_text="payments")
                payments.get_by_text("open", exact=True).wait_for()
                payments.get_by_text("turned away", exact=True).wait_for()
                payments.locator("svg.timeline rect.state-open").first.wait_for(state="attached")
                payments.locator("svg.timeline rect.state-rejected").first.wait_for(state="attached")
                stock = rows.filter(has_text="stock")
                stock.get_by_text("closed", exact=True).wait_for()
                stock.locator("svg.timeline rect.state-closed").first.wait_for(state="attached")
                rows.filter(has_text="bulkhead").get_by_text("in use 0 of 1").wait_for()
                rows.filter(has_text="retry").get_by_text("left").wait_for()
                rows.first.get_by_text("payments").wait_for()
                assert page.evaluate("document.documentElement.scrollWidth") <= width
                assert "s3cret" not in page.content()
    finally:
        monitored.end()


def test_the_timeline_goes_on_when_a_worker_is_started_anew(tmp_path: Path) -> None:
    monitored = begin(tmp_path, uvicorn=("--workers", "2"))
    try:
        service, page = monitored.service, monitored.page

        def shown() -> dict[str, Any]:
            return part(state_of(page), "circuit breaker", "payments")

        def state_after_a_failure() -> str:
            ask(f"{service}/pay?fails=true")
            return str(shown().get("state", ""))

        eventually(lambda: state_after_a_failure() == "all 2 open")
        before = {name: words for name, words, _ in shown()["told"]}
        ask(f"{service}/die")
        # A process is known from its first request on.
        eventually(lambda: ask(f"{service}/stock") and shown().get("state") == "1 of 2 open")
        eventually(lambda: tuple(shown()["runs"][-1][2:]) == ("open", 0.5))
        assert ("open", 1.0) in [(state, share) for _, _, state, share in shown()["runs"]]
        after = {name: words for name, words, _ in shown()["told"]}
        assert int(after["turned away in all"]) >= int(before["turned away in all"]) > 0
    finally:
        monitored.end()


def test_lines_of_json_have_the_parts_without_their_course(tmp_path: Path) -> None:
    monitored = begin(tmp_path, "--json")
    try:
        for _ in range(4):
            ask(f"{monitored.service}/pay?fails=true")
        eventually(lambda: "turned away" in str(part(state_of(monitored.page), "circuit breaker", "payments")))
    finally:
        output, _ = monitored.end()
    last = json.loads(output.splitlines()[-1])
    parts = {(each["whole"]["kind"], each["whole"]["name"]): each for each in last["parts"]}
    assert parts["circuit_breaker", "payments"]["whole"]["results"]["not_permitted"] >= 1
    assert parts["circuit_breaker", "payments"]["course"] is None


def test_workers_that_share_their_metrics_show_one_breaker(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SERVICE)
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "shop:app", "--port", str(port), "--no-access-log", "--workers", "2"]
    page = f"http://127.0.0.1:{port}/perfloop"

    def ready(server: Server) -> bool:
        output = server.output()
        return "Uvicorn running on" in output and output.count("Application startup complete") == 2

    def shown() -> str:
        """What is said of the breaker of payments, by whichever worker answers."""
        state = json.loads(ask(f"{page}/events", Authorization=f"Bearer {TOKEN}")[1].partition("data: ")[2])
        ask(f"http://127.0.0.1:{port}/pay?fails=true")
        return str(part(state, "circuit breaker", "payments").get("state", ""))

    env = {**os.environ, "PERFLOOP_METRICS_DIR": str(tmp_path / "metrics")}
    with run_server(command, ready=ready, env=env, cwd=tmp_path):
        eventually(lambda: shown() in ("1 of 2 open", "all 2 open"))
