"""What keeps a connection: the chat of the support, and the stock as it changes."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse

__all__ = ["router"]

ANSWER_SECONDS = 0.005
CHANGE_SECONDS = 0.02

router = APIRouter(tags=["live"])


@router.websocket("/support/{topic}")
async def support(socket: WebSocket, topic: str) -> None:
    """Greets, and answers each message."""
    await socket.accept()
    try:
        await socket.send_text(f"Welcome! How can we help with {topic}?")
        while True:
            question = await socket.receive_text()
            await asyncio.sleep(ANSWER_SECONDS)
            await socket.send_text(f"You asked: {question}")
    except WebSocketDisconnect:
        pass


async def changes() -> AsyncIterator[str]:
    for number in itertools.count(1):
        change = json.dumps({"product": number % 50 + 1, "stock": 100 - number % 100})
        yield f"id: {number}\nevent: stock\ndata: {change}\n\n"
        await asyncio.sleep(CHANGE_SECONDS)


@router.get("/stock-changes", include_in_schema=False)
async def stock_changes() -> StreamingResponse:
    """The stock of products as it changes, as server-sent events without an end."""
    return StreamingResponse(changes(), media_type="text/event-stream")
