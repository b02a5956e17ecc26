"""An application under the middleware, for a server of its own: its metrics are at /metrics."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse, StreamingResponse

from perfloop.monitoring import PerformanceMiddleware, slow_requests
from perfloop.telemetry.exporters.asgi import metrics_asgi_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

app = FastAPI()
app.add_middleware(PerformanceMiddleware, slow_threshold=0.2, server_timing=True)
app.mount("/metrics", metrics_asgi_app())


@app.get("/orders/{number}")
async def order(number: int) -> dict[str, int]:
    return {"id": number}


@app.get("/stream")
async def stream() -> StreamingResponse:
    async def pieces() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 10_000
            await asyncio.sleep(0.01)

    return StreamingResponse(pieces())


@app.get("/later")
async def later() -> PlainTextResponse:
    return PlainTextResponse("at once", background=BackgroundTask(asyncio.sleep, 0.1))


@app.get("/broken")
async def broken() -> None:
    raise ValueError


@app.get("/slow")
async def slow() -> str:
    await asyncio.sleep(0.25)
    return "done"


@app.get("/slowest")
async def slowest() -> list[str]:
    return [request.describe() for request in slow_requests()]
