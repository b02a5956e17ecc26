"""FastAPI, async: a cache with room for a quarter of what is asked for, evenly; a load takes some 30 ms."""

from __future__ import annotations

import asyncio
import random

from fastapi import FastAPI

from perfloop import EntryOptions, MultiLevelCache

app = FastAPI()
PRICES: MultiLevelCache[int, float] = MultiLevelCache(  # PLANTED
    float, key=int, name="prices", max_entries=50, options=EntryOptions(ttl=3600)
)


@app.get("/price")
async def price() -> dict[str, float]:
    product = random.randrange(200)

    async def load() -> float:
        await asyncio.sleep(0.03)
        return product * 1.2

    return {"price": await PRICES.aget_or_load(product, load)}
