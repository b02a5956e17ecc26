"""FastAPI, async: pages through more than the cache has room for, again and again, and drops the oldest each time."""

from __future__ import annotations

import asyncio
import itertools

from fastapi import FastAPI

from perfloop import EntryOptions, MultiLevelCache

app = FastAPI()
PAGES: MultiLevelCache[int, str] = MultiLevelCache(  # PLANTED
    str, key=int, name="pages", max_entries=100, policy="lru", options=EntryOptions(ttl=3600)
)
NUMBERS = itertools.cycle(range(115))


@app.get("/page")
async def page() -> dict[str, str]:
    number = next(NUMBERS)

    async def load() -> str:
        await asyncio.sleep(0.03)
        return f"page {number}"

    return {"page": await PAGES.aget_or_load(number, load)}
