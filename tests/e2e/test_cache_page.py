"""A service's caches on the live page: of `perfloop monitor` in a browser, and mounted in the service's own workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
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
import asyncio

from fastapi import FastAPI

from perfloop import EntryOptions, MultiLevelCache, cached
from perfloop.caching import MemoryLevel
from perfloop.exceptions import LevelFailed
from perfloop.live import LiveMonitor
from perfloop.monitoring import PerformanceMiddleware

class Down(MemoryLevel):
    def read(self, keys):
        raise LevelFailed("down")

app = FastAPI()
app.add_middleware(PerformanceMiddleware)
app.mount("/perfloop", LiveMonitor(token="a-token-of-the-user"))
products = MultiLevelCache(
    int, key=int, name="products", max_entries=100, policy="lru", ghosts=True, options=EntryOptions(ttl=600)
)
baskets = MultiLevelCache(str, name="baskets", levels=[Down("redis")])

@cached(ttl=60, key="user:{name}")
async def user(name: str) -> str:
    return name

@app.get("/products")
async def all_products() -> int:
    for number in range(150):  # more than there is room for
        await products.aget_or_load(number, lambda: number)
    return 150

@app.get("/users/{name}")
async def get_user(name: str) -> str:
    return await user(name)

@app.get("/baskets")
async def get_basket() -> str | None:
    await baskets.aset("s3cret", "s3cret")
    return await baskets.aget("s3cret")

@app.get("/wait")
async def wait() -> None:
    await asyncio.sleep(0.3)
"""


def test_the_live_page_shows_what_caches_find_and_what_twice_the_size_would(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SERVICE)
    serve = [sys.executable, "-m", "uvicorn", "shop:app", "--port", "0", "--log-level", "warning"]
    command = subprocess.Popen(
        [PERFLOOP, "monitor", "--live-web", "0", "--", *serve], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    monitored = Monitored(command)
    try:
        service = monitored.service
        for _ in range(20):
            assert ask(f"{service}/products")[0] == 200
        for _ in range(4):
            ask(f"{service}/users/s3cret")
        ask(f"{service}/baskets")
        for width, scheme in ((1280, "light"), (375, "dark")):
            with window(browser, width, scheme) as page:  # type: ignore[arg-type]
                page.goto(monitored.page)
                rows = page.locator("#caches tbody tr")
                products = rows.filter(has_text="products")
                products.get_by_text("twice the size: 0 % → 95 %").wait_for()
                products.get_by_text("of 100").first.wait_for()
                assert products.locator("td.outcome.bad").inner_text().startswith("loses") or width == 375
                user = rows.filter(has_text="shop.user")
                user.get_by_text("user:{name}").first.wait_for()
                user.get_by_text("75 %").first.wait_for()
                redis = rows.filter(has_text="redis")
                redis.get_by_text("left alone for a while").wait_for()
                assert page.evaluate("document.documentElement.scrollWidth") <= width
                assert "s3cret" not in page.content()
    finally:
        command.send_signal(signal.SIGINT)
        command.wait(60)


def test_workers_that_share_their_metrics_show_one_cache(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SERVICE)
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "shop:app", "--port", str(port), "--no-access-log", "--workers", "2"]
    page = f"http://127.0.0.1:{port}/perfloop"

    def ready(server: Server) -> bool:
        output = server.output()
        return "Uvicorn running on" in output and output.count("Application startup complete") == 2

    def shown() -> dict[str, Any]:
        """The cache of products, of whichever worker answers."""
        state = json.loads(ask(f"{page}/events", Authorization=f"Bearer {TOKEN}")[1].partition("data: ")[2])
        found: dict[str, Any] = next(row for row in state["caches"] if row["name"] == "products")
        return found

    def of_both() -> dict[str, Any] | None:
        """The cache of products, once both workers have their own: one answers while the other waits."""
        busy = [threading.Thread(target=ask, args=(f"http://127.0.0.1:{port}/wait",)) for _ in range(2)]
        for each in busy:
            each.start()
        ask(f"http://127.0.0.1:{port}/products")
        for each in busy:
            each.join()
        answer = shown()
        return answer if answer["kept"] == "200" else None

    env = {**os.environ, "PERFLOOP_METRICS_DIR": str(tmp_path / "metrics")}
    with run_server(command, ready=ready, env=env, cwd=tmp_path):
        both = eventually(of_both)
        assert both["kept_note"] == "of 200"
        assert both["notes"][0].startswith(("twice the size: ", "other sizes: too early to say"))


def test_lines_of_json_have_the_caches(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SERVICE)
    serve = [sys.executable, "-m", "uvicorn", "shop:app", "--port", "0", "--log-level", "warning"]
    command = subprocess.Popen(
        [PERFLOOP, "monitor", "--live-web", "0", "--json", "--", *serve],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    monitored = Monitored(command)
    try:
        ask(f"{monitored.service}/users/ada")
        eventually(
            lambda: any("user" in row["name"] and row["lookups"] != "0/s" for row in state_of(monitored.page)["caches"])
        )
    finally:
        output, _ = monitored.end()
    last = json.loads(output.splitlines()[-1])
    caches = {each["whole"]["name"]: each for each in last["caches"]}
    assert set(caches) == {"products", "baskets", "shop.user"}
    assert caches["shop.user"]["whole"]["levels"][0]["misses"] == 1
    assert caches["shop.user"]["whole"]["about"]["keys"] == ["user:{name}"]
    assert "ada" not in output
