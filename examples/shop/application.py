"""The shop's web application."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

from . import customers, live, orders, products, shipping
from .database import DATABASE, engine
from .seed import ensure_database

__all__ = ["app"]


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    await run_in_threadpool(ensure_database, DATABASE)
    # What is loaded now stays: no collection need look at it again.
    gc.collect()
    gc.freeze()
    yield
    engine.dispose()


app = FastAPI(title="Shop", lifespan=lifespan)
app.include_router(orders.router)
app.include_router(customers.router)
app.include_router(products.router)
app.include_router(shipping.router)
app.include_router(live.router)


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}
