"""A service that writes down each visit in PostgreSQL, with the span the visitor announced."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator  # noqa: TC003 - FastAPI reads annotations at run time
from contextlib import asynccontextmanager

import psycopg
from fastapi import FastAPI, Request

TABLE = "CREATE TABLE IF NOT EXISTS visits (span bigint NOT NULL, page text NOT NULL)"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    connection = await psycopg.AsyncConnection.connect(os.environ["VISITS_DATABASE"], autocommit=True)
    async with connection:
        await connection.execute(TABLE)
        app.state.connection = connection
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/visit/{page}")
async def visit(page: str, request: Request) -> dict[str, int]:
    # traceparent: version-trace-span-flags, both in hexadecimal
    span = int(request.headers["traceparent"].split("-")[2], 16)
    connection: psycopg.AsyncConnection = request.app.state.connection
    await connection.execute("INSERT INTO visits (span, page) VALUES (%s, %s)", (span, page))
    return {"span": span}
