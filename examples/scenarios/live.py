"""Visitors of the shop who stay connected: perfloop load http://127.0.0.1:8000 --scenario live.py."""

from __future__ import annotations

from perfloop.loadtest import User, journey


@journey(weight=2)
async def ask_support(user: User) -> None:
    """Chat with the support."""
    async with user.websocket("/support/{topic}", topic="returns") as chat:
        greeting = await chat.receive()
        user.check("returns" in greeting, "greeted about the topic")
        answer = await chat.request("Where is my order?")
        user.check("order" in answer, "answered about the order")


@journey()
async def watch_stock(user: User) -> None:
    """Follow the stock until three products changed."""
    changed = set()
    async with user.events("/stock-changes") as events:
        async for event in events:
            changed.add(event.data)
            if len(changed) == 3:
                break
