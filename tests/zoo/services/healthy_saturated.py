"""FastAPI, sync handlers: each waits for something slow, in a thread, as it should; the threads are the limit."""

from __future__ import annotations

import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/slow")
def slow() -> dict[str, str]:
    time.sleep(0.02)
    return {"slow": "but sound"}
