"""FastAPI, async handler: computes for some 40 ms on the event loop, in a function."""

from __future__ import annotations

from fastapi import FastAPI

app = FastAPI()


def checksum(limit: int) -> int:
    return sum(number * number % 7 for number in range(limit))  # PLANTED


@app.get("/report")
async def report() -> dict[str, int]:
    return {"checksum": checksum(500_000)}


@app.get("/ping")
async def ping() -> dict[str, str]:
    return {"ping": "pong"}
