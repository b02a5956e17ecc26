"""Starlette without FastAPI, on the async SQLAlchemy engine."""

from __future__ import annotations

import os

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute

engine = create_async_engine(f"sqlite+aiosqlite:///{os.environ['TEST_DATABASE']}", pool_size=1, max_overflow=0)


async def items(request):
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT id FROM item WHERE id <= :limit"), {"limit": 7})
        return JSONResponse(len(rows.all()))


async def in_greenlet(request):
    async with engine.connect() as connection:
        return JSONResponse(await connection.run_sync(query_inside))


def query_inside(connection):
    return len(connection.execute(text("SELECT id FROM item WHERE id <= 3")).all())


def sync(request):
    return PlainTextResponse("sync")


async def echo(websocket):
    await websocket.accept()
    await websocket.send_text(await websocket.receive_text())
    await websocket.close()


app = Starlette(
    routes=[
        Route("/items", items),
        Route("/in-greenlet", in_greenlet),
        WebSocketRoute("/echo", echo),
        Mount("/under/{tenant}", routes=[Route("/sync/{name}", sync)]),
    ]
)
