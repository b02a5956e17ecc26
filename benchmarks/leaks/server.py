"""`python -m benchmarks.leaks.server NAME`: one of the services under uvicorn, watched by the leak detector.

Prints its port, and, when its standard input ends, what the detector said: one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from typing import TYPE_CHECKING, Any

import uvicorn

from perfloop.monitoring import LeakOptions, LeakReport, MemoryLeakDetector

from .services import SERVICES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

__all__ = ["INTERVAL"]

INTERVAL = 0.2
"""Seconds between samples: the services live 150 times as fast as the default of 30 s is meant for."""

# A share of the time for collections that is larger by as much, too.
_OPTIONS = LeakOptions(interval=INTERVAL, warm_up=1.0, pause_budget=0.15, window_seconds=1.0)


class Application:
    """One service as an ASGI application, which counts its requests."""

    def __init__(self, work: Callable[[int], Awaitable[None]]) -> None:
        self.requests = 0
        self.in_flight = 0
        self._work = work

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        """Answer one request."""
        assert scope["type"] == "http"
        self.in_flight += 1
        try:
            await self._work(self.requests)
            self.requests += 1
        finally:
            self.in_flight -= 1
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


async def _serve(server: uvicorn.Server, listener: socket.socket) -> None:
    # Not by a signal: uvicorn raises that again when it is done.
    asyncio.get_running_loop().add_reader(sys.stdin, lambda: setattr(server, "should_exit", True))
    await server.serve(sockets=[listener])


def main(name: str) -> None:
    """Serve until standard input ends."""
    application = Application(SERVICES[name].work)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(application, lifespan="off", access_log=False, log_level="warning"))
    reports: list[LeakReport] = []
    with MemoryLeakDetector(
        _OPTIONS,
        requests=lambda: application.requests,
        in_flight=lambda: application.in_flight,
        on_leak=reports.append,
    ) as detector:
        print(listener.getsockname()[1], flush=True)
        asyncio.run(_serve(server, listener))
        samples = detector.samples
        said = {
            "kind": detector.verdict.kind,
            "reason": detector.verdict.reason,
            "samples": len(samples),
            "requests": application.requests,
            "reported": [report.verdict.kind for report in reports],
            "lines": [str(line) for report in reports[:1] if report.evidence for line in report.evidence.lines],
            "windows": [
                (window.seconds, window.cpu_ratio, window.memory_bytes)
                for report in reports
                if report.evidence
                for window in report.evidence.windows
            ],
            "report": str(reports[0]) if reports else None,
            "growth": max((sample.rss - samples[0].rss for sample in samples), default=0),
        }
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
