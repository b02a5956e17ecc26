"""Calls that hold the event loop, of kinds that no sleep is: real ones, in a real service."""

from __future__ import annotations

import sys
import textwrap
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from perfloop.diagnosis import DiagnosisOptions, diagnose
from perfloop.loadtest import Request

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.alone

SERVICE = """
import os
import threading
import urllib.request

from fastapi import FastAPI

app = FastAPI()
NEVER = threading.Event()


def rates():
    with urllib.request.urlopen(os.environ["BANK"]) as answer:
        return answer.read()


@app.get("/quote")
async def quote():
    return {"bytes": len(rates())}


@app.get("/locked")
async def locked():
    return {"seen": NEVER.wait(0.03)}


@app.get("/ping")
async def ping():
    return {}
"""


class SlowBank(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        time.sleep(0.03)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def bank() -> Iterator[str]:
    """A service upstream that takes 30 ms to answer."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), SlowBank)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    thread.join()
    server.server_close()


async def test_waiting_upstream_or_for_a_lock_holds_the_loop(tmp_path, bank: str) -> None:
    (tmp_path / "service.py").write_text(textwrap.dedent(SERVICE))
    options = DiagnosisOptions(
        command=(sys.executable, "-m", "uvicorn", "service:app", "--port", "0", "--no-access-log"),
        cwd=tmp_path,
        env={"BANK": bank},
        requests=tuple(Request(target=target) for target in ("/quote", "/locked", "/ping")),
        duration=2.0,
        step_duration=0.3,
    )
    for _ in range(4):
        record = await diagnose(options)
        found = {finding.route: finding for finding in record.findings if finding.rule == "blocking-call-in-async"}
        # A machine that was busy with other work may hide them, and says so: then again.
        if len(found) == 2 or record.summary.trustworthy:
            break
    assert set(found) == {"GET /quote", "GET /locked"}, record.findings
    lines = SERVICE.splitlines()
    upstream, lock = found["GET /quote"], found["GET /locked"]
    assert "urlopen" in lines[upstream.place.line - 1]
    assert "async client" in upstream.fix
    assert "await asyncio.to_thread(rates, …)" in upstream.fix
    assert "NEVER.wait" in lines[lock.place.line - 1]
    assert upstream.predicted.capacity_rps[1] > 1.2 * record.capacity_rps
