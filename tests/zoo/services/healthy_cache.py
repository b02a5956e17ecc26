"""FastAPI, async: a cache with room for all that is asked for; a load takes some 30 ms."""

from __future__ import annotations

import asyncio
import random

from fastapi import FastAPI

from perfloop import cached

app = FastAPI()


@cached(ttl=3600, key="price:{product}")
async def price_of(product: int) -> float:
    await asyncio.sleep(0.03)
    return product * 1.2


@app.get("/price")
async def price() -> dict[str, float]:
    return {"price": await price_of(random.randrange(200))}
