"""FastAPI: sync and async endpoints, a mounted application, streaming, background work, failure, child tasks."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import time
import urllib.request

import aiosqlite
from fastapi import APIRouter, BackgroundTasks, FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.middleware.base import BaseHTTPMiddleware

DATABASE = os.environ["TEST_DATABASE"]

app = FastAPI()


@app.get("/orders/{count}")
def list_orders(count: int) -> int:
    found = 0
    with sqlite3.connect(DATABASE) as connection:
        for order in range(count):
            found += len(connection.execute("SELECT * FROM item WHERE order_id = ?", (order,)).fetchall())
    return found


@app.get("/async-orders")
async def async_orders() -> int:
    async with aiosqlite.connect(DATABASE) as connection:
        cursor = await connection.execute("SELECT name FROM item WHERE id < 50")
        return len(list(await cursor.fetchall()))


@app.get("/blocking")
async def blocking() -> str:
    time.sleep(0.04)
    return "late"


@app.get("/computing")
async def computing() -> int:
    total = 0
    deadline = time.thread_time() + 0.04
    while time.thread_time() < deadline:
        total += 1
    return total


@app.get("/gathered")
async def gathered() -> int:
    await asyncio.gather(asyncio.sleep(0.03), asyncio.sleep(0.03), asyncio.to_thread(time.sleep, 0.03))
    return 3


@app.get("/child")
async def child() -> int:
    return await asyncio.create_task(_busy(0.01))


async def _busy(seconds: float) -> int:
    deadline = time.thread_time() + seconds
    while time.thread_time() < deadline:
        pass
    return 1


@app.get("/streamed")
async def streamed() -> StreamingResponse:
    async def pieces():
        for _ in range(3):
            await asyncio.sleep(0.005)
            yield b"piece"

    return StreamingResponse(pieces())


@app.get("/background")
async def background(tasks: BackgroundTasks) -> str:
    tasks.add_task(asyncio.sleep, 0.3)
    return "done"


@app.get("/broken")
def broken() -> None:
    raise LookupError("on purpose")


@app.get("/upstream")
def upstream(request: Request) -> int:
    with urllib.request.urlopen(f"{request.base_url}slow-answer") as answer:
        return len(answer.read())


@app.get("/slow-answer")
async def slow_answer() -> str:
    await asyncio.sleep(0.02)
    return "x" * 1000


@app.get("/outside")
def outside() -> int:
    return subprocess.call(["sleep", "0.02"])


router = APIRouter()


@router.get("/routed/{name}")
def routed(name: str) -> str:
    return name


app.include_router(router, prefix="/api")

inner = FastAPI()


@inner.get("/deep/{name}")
def deep(name: str) -> str:
    return name


app.mount("/mounted", inner)


class PassingOn(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        return await call_next(request)


if os.environ.get("TEST_MIDDLEWARE"):
    app.add_middleware(PassingOn)
