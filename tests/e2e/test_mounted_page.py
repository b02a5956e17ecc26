"""The live page mounted in a service: a browser watches it through a restart of the service."""

from __future__ import annotations

import contextlib
import sys
import urllib.request
from typing import TYPE_CHECKING

import pytest

from ..servers.processes import Server, free_port, run_server
from .test_cli_monitor import ask, window

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
def serve(directory: Path, port: int) -> Iterator[str]:
    command = [sys.executable, "-m", "uvicorn", "shop:app", "--port", str(port), "--no-access-log"]

    def ready(server: Server) -> bool:
        return "Uvicorn running on" in server.output()

    with run_server(command, ready=ready, env={"PERFLOOP_MONITOR_TOKEN": TOKEN}, cwd=directory):
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
            assert page.locator("#routes tbody tr").count() == 1  # its own requests are not shown
        page.get_by_role("status").get_by_text("Connection lost", exact=True).wait_for()
        with serve(tmp_path, port) as service:
            page.get_by_role("status").get_by_text("No requests", exact=True).wait_for()
            urllib.request.urlopen(f"{service}/orders/1", timeout=30).read()
            page.get_by_role("status").get_by_text("Running", exact=True).wait_for()
            assert page.get_by_role("heading", level=1).inner_text() == "The shop"
