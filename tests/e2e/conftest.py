"""The real command in a process of its own, against a small real server."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from ..servers.processes import Server, run_server
from ..servers.uvicorn import LISTENS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

PERFLOOP = Path(sys.executable).with_name("perfloop")
CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

SHOP = '''\
"""A small service: pages that answer at once, one that never does, one that fails, one that echoes."""
import asyncio, json, sqlite3

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    path, status, body = scope["path"], 200, b"hello"
    if path != "/products":
        await asyncio.sleep(0.02)
    if path == "/never":
        await asyncio.sleep(3600)
    elif path == "/slow":  # the longer an answer takes, the later the generator may be: on a busy machine, too
        await asyncio.sleep(0.5)
    elif path == "/orders":
        sqlite3.connect(":memory:").execute("SELECT ?", (1,)).fetchone()
    elif path == "/broken":
        status, body = 500, b"broken"
    elif path == "/missing":
        status, body = 404, b"missing"
    elif path == "/protected":
        status = 200 if (b"authorization", b"Bearer s3cret") in scope["headers"] else 401
    elif path == "/basic":
        status = 200 if (b"authorization", b"Basic dXNlcjpzM2NyZXQ=") in scope["headers"] else 401
    elif path == "/cart":
        got = b""
        while True:
            message = await receive()
            got += message.get("body", b"")
            if not message.get("more_body"):
                break
        status = 200 if scope["method"] == "POST" and got == b\'{"item": 3}\' else 400
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
'''


class Perfloop(Protocol):
    """Runs `perfloop` with these words until it ends."""

    def __call__(
        self, *words: str, stdin: bytes = b"", env: dict[str, str] | None = None, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]: ...


def trusted(perfloop: Perfloop, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    """Run a command whose exit status matters: on a machine too busy to measure on (status 3) again, some times."""
    for attempt in range(12):
        time.sleep(0.4 * attempt)
        run = perfloop(*words, stdin=stdin)
        if run.returncode != 3:
            break
    return run


@pytest.fixture(scope="session")
def shop_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that holds shop.py."""
    directory = tmp_path_factory.mktemp("shop")
    (directory / "shop.py").write_text(SHOP)
    return directory


@pytest.fixture(scope="session")
def service(shop_directory: Path) -> Iterator[str]:
    """The URL of a running small shop, without a slash at its end."""
    command = [sys.executable, "-m", "uvicorn", "shop:app", "--port", "0", "--no-access-log"]

    def ready(server: Server) -> bool:
        return LISTENS.search(server.output()) is not None

    with run_server(command, ready=ready, cwd=shop_directory) as server:
        match = LISTENS.search(server.output())
        assert match is not None
        yield match[1]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, without colour or terminal settings of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def perfloop(workplace: Path) -> Perfloop:
    """The command, run in the empty working directory, its output captured."""

    def run(
        *words: str, stdin: bytes = b"", env: dict[str, str] | None = None, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [PERFLOOP, *words],
            input=stdin,
            capture_output=True,
            cwd=workplace,
            env={**os.environ, **(env or {})},
            timeout=timeout,
        )
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium, headless."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Playwright makes a fresh user data directory and removes it afterwards.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield browser
        browser.close()
