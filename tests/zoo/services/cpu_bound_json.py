"""FastAPI, sync handler: encodes the same large object again and again; the time is the line's that calls json."""

from __future__ import annotations

import json

from fastapi import FastAPI, Response

app = FastAPI()
CATALOGUE = [{"id": number, "name": f"product {number}", "tags": ["a", "b", "c"]} for number in range(4_000)]


def encode() -> str:
    return json.dumps(CATALOGUE, indent=1)  # PLANTED


@app.get("/catalogue")
def catalogue() -> Response:
    return Response(encode(), media_type="application/json")
