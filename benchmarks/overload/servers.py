"""Processes of the area: a service under uvicorn, and an upstream service that turns slow when told to."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ..machine import on_core, server_core

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Upstream", "service"]

_LISTENS = re.compile(r"running on http://127\.0\.0\.1:(\d+)")
_STARTUP_SECONDS = 30.0


@contextlib.contextmanager
def service(name: str, **environment: str) -> Iterator[int]:
    """`benchmarks.overload.services:NAME` with one worker, on the server's core; gives its port."""
    command = [sys.executable, "-m", "uvicorn", f"benchmarks.overload.services:{name}", "--port", "0"]
    command += ["--no-access-log", "--loop", "uvloop", "--http", "httptools"]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            on_core(server_core(), command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=Path(__file__).parents[2],
            env={**os.environ, **environment},
        )
        try:
            deadline = time.monotonic() + _STARTUP_SECONDS
            while True:
                log.seek(0)
                output = log.read()
                found = _LISTENS.search(output)
                if found is not None:
                    break
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the service does not start: {output[-500:]}")
                time.sleep(0.02)
            yield int(found[1])
        finally:
            process.kill()
            process.wait()


class Upstream:
    """Answers each request after `delay` seconds, which may be changed; in the event loop of whoever has it."""

    def __init__(self) -> None:
        self.delay = 0.005
        self.port = 0
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Upstream:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Answering(self), "127.0.0.1", 0, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._server is not None
        self._server.close()


class _Answering(asyncio.Protocol):
    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        asyncio.get_running_loop().call_later(self._upstream.delay, self._answer)

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
            self._transport.close()
