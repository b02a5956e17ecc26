"""FastAPI, async: the number of the request is an argument of a cached function, and so a part of its key."""

from __future__ import annotations

import asyncio
import itertools
import random

from fastapi import FastAPI

from perfloop import cached

app = FastAPI()
NUMBERS = itertools.count()


@cached(ttl=3600)  # PLANTED
async def report(region: int, request_id: int) -> str:
    await asyncio.sleep(0.03)
    return f"report of {region}"


@app.get("/report")
async def get_report() -> dict[str, str]:
    return {"report": await report(random.randrange(8), next(NUMBERS))}
