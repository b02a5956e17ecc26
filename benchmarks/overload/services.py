"""The services under test: `uvicorn benchmarks.overload.services:NAME`, one worker.

`naive` and `shedding` do the same work: each request needs one of three connections of a pool for 28 ms, as of a
database, and a millisecond of the processor. `unguarded` and `guarded` answer on two routes out of one pool of threads,
as FastAPI does plain functions: `/own` works for itself, `/report` asks an upstream service.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

from perfloop.resilience import Bulkhead, CircuitBreaker, CountWindow, Policy, Timeout, remaining
from perfloop.resilience.integrations.asgi import ResilienceMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["guarded", "naive", "shedding", "unguarded"]

_CONNECTIONS = 3
_QUERY_SECONDS = 0.028
_ROWS = [{"id": number, "name": f"article {number}", "tags": ["a", "b"]} for number in range(150)]
_THREADS = 40
"""As many as FastAPI has for plain functions."""
_OWN_SECONDS = 0.02
_UPSTREAM_TIMEOUT = 5.0

_pool = asyncio.Semaphore(_CONNECTIONS)
_threads = ThreadPoolExecutor(_THREADS)


async def naive(scope: Any, receive: Any, send: Any) -> None:
    """Takes all requests, and works on each, however long it waited and whether or not somebody still waits for it."""
    if scope["type"] != "http":
        return
    async with _pool:
        await asyncio.sleep(_QUERY_SECONDS)
        rows = json.loads(json.dumps(_ROWS))
    await _answer(send, 200, b"%d" % len(rows))


shedding = ResilienceMiddleware(naive)


async def _answer(send: Any, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _report() -> int:
    """Ask the upstream service; with a deadline, for no longer."""
    left = remaining()
    upstream = HTTPConnection(
        "127.0.0.1", int(os.environ["UPSTREAM"]), timeout=_UPSTREAM_TIMEOUT if left is None else left
    )
    try:
        upstream.request("GET", "/")
        return upstream.getresponse().status
    finally:
        upstream.close()


def _own() -> int:
    time.sleep(_OWN_SECONDS)
    return 200


_policy = Policy(
    CircuitBreaker(window=CountWindow(size=20, minimum_calls=10), reset_timeout=2.0, name="upstream"),
    Bulkhead(8, timeout=0, name="upstream"),
    Timeout(0.1, name="upstream"),
)


def _service(report: Callable[[], int]) -> Any:
    async def service(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        function = report if scope["path"] == "/report" else _own
        try:
            status = await asyncio.get_running_loop().run_in_executor(_threads, function)
        except Exception as error:
            await _answer(send, 503, type(error).__name__.encode())
        else:
            await _answer(send, status, b"ok")

    return service


unguarded = _service(_report)
guarded = _service(_policy.wrap(_report))
