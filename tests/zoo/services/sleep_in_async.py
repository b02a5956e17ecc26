"""FastAPI, async handler: time.sleep on the event loop."""

from __future__ import annotations

import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/quote")
async def quote() -> dict[str, int]:
    time.sleep(0.03)  # PLANTED
    return {"price": 499}


@app.get("/ping")
async def ping() -> dict[str, str]:
    return {"ping": "pong"}
