"""Starlette, async handler, aiosqlite: a statement off the event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiosqlite
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from ._database import database

if TYPE_CHECKING:
    from starlette.requests import Request

PATH = database("healthy_async_database", orders=40_000)


async def statistics(request: Request) -> JSONResponse:
    async with aiosqlite.connect(PATH) as connection:
        rows = await connection.execute_fetchall("SELECT count(*), sum(placed) FROM orders")
    return JSONResponse({"rows": [tuple(row) for row in rows]})


app = Starlette(routes=[Route("/statistics", statistics)])
