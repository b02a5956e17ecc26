"""A service that draws numbers from Redis; every tenth visitor is turned away."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator  # noqa: TC003 - FastAPI reads annotations at run time
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Request
from redis.asyncio import Redis


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with Redis.from_url(os.environ["TICKETS_STORE"]) as store:
        app.state.store = store
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/ticket")
async def ticket(request: Request) -> dict[str, int]:
    number = await request.app.state.store.incr("tickets")
    if number % 10 == 0:
        raise HTTPException(503, "come back later")
    return {"number": number}
