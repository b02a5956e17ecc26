"""The live page mounted in a service: a browser watches it through a restart of the service."""

from __future__ import annotations

import contextlib
import json
import sys
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from ..servers.processes import Server, free_port, run_server
from .test_cli_monitor import SPAN, ask, eventually, window

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = pytest.mark.services

TOKEN = "a-token-of-the-user"
SERVICE = """
import asyncio

from fastapi import FastAPI

from perfloop.live import LiveMonitor
from perfloop.monitoring import PerformanceMiddleware

app = FastAPI()
app.add_middleware(PerformanceMiddleware, slow_threshold=0.2)
app.mount("/perfloop", LiveMonitor(title="The shop"))

@app.get("/orders/{number}")
async def orders(number: int):
    await asyncio.sleep(0.3 if number > 9 else 0)
    return number
"""


@contextlib.contextmanager
def serve(directory: Path, port: int, workers: int = 1, **env: str) -> Iterator[str]:
    command = [sys.executable, "-m", "uvicorn", "shop:app", "--port", str(port), "--no-access-log"]
    command += ["--workers", str(workers)]

    def ready(server: Server) -> bool:
        # A single process says that it is up before it listens, several workers after.
        output = server.output()
        return "Uvicorn running on" in output and output.count("Application startup complete") == workers

    with run_server(command, ready=ready, env={"PERFLOOP_MONITOR_TOKEN": TOKEN, **env}, cwd=directory):
        yield f"http://127.0.0.1:{port}"


def test_the_page_in_a_service_and_its_restart(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SERVICE)
    port = free_port()
    with window(browser, 900, "light", alone=True) as page:
        with serve(tmp_path, port) as service:
            assert ask(f"{service}/perfloop/")[0] == 401
            page.goto(f"{service}/perfloop/?token={TOKEN}")
            assert page.url == f"{service}/perfloop/"
            page.get_by_role("status").get_by_text("No requests", exact=True).wait_for()
            urllib.request.urlopen(f"{service}/orders/77", timeout=30).read()
            page.locator("#routes tbody").get_by_text("GET /orders/{number}").wait_for()
            page.locator("#slowest details").get_by_text("GET /orders/{number}").wait_for()
            page.locator("#note").get_by_text("alone; workers that share").wait_for()
            assert page.locator("#routes tbody tr").count() == 1  # its own requests are not shown
        page.get_by_role("status").get_by_text("Connection lost", exact=True).wait_for()
        with serve(tmp_path, port) as service:
            page.get_by_role("status").get_by_text("No requests", exact=True).wait_for()
            urllib.request.urlopen(f"{service}/orders/1", timeout=30).read()
            page.get_by_role("status").get_by_text("Running", exact=True).wait_for()
            assert page.get_by_role("heading", level=1).inner_text() == "The shop"


def test_whichever_worker_answers_shows_the_slow_requests_of_all_and_finds_them(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SERVICE)
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    with serve(tmp_path, free_port(), 2, PERFLOOP_METRICS_DIR=str(tmp_path / "metrics")) as service:
        page = f"{service}/perfloop"

        def state() -> dict[str, Any]:
            """Of whichever worker answers: each connection is a new one."""
            found: dict[str, Any] = json.loads(ask(f"{page}/events", **bearer)[1].partition("data: ")[2])
            return found

        def answered() -> set[int]:
            """The workers that have answered slowly: more of both, until there are two."""
            ask(f"{service}/orders/77", traceparent=f"00-{'ab' * 16}-{SPAN}-01")
            return {request["pid"] for request in state()["slowest"]}

        eventually(lambda: len(answered()) == 2)
        workers = answered()
        for _ in range(20):
            assert {request["pid"] for request in state()["slowest"]} == workers
            found = json.loads(ask(f"{page}/requests/{SPAN}", **bearer)[1])
            assert (found["request"], found["span"]) == ("GET /orders/{number}", SPAN)
        eventually(lambda: "2 processes" in {tile[0]: tile[2] for tile in state()["tiles"]}["resident"])
        assert "alone" not in state()["note"]
