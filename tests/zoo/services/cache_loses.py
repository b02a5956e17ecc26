"""FastAPI, async: a shared level 8 ms away in front of loads that take a fraction of that."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from fastapi import FastAPI

from perfloop import MultiLevelCache
from perfloop.caching import MemoryLevel
from perfloop.caching.effects import Sleep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfloop.caching import Stored
    from perfloop.caching.effects import Program

app = FastAPI()


class FarAway(MemoryLevel):
    """As a server in another place."""

    def read(self, keys: Sequence[str]) -> Program[list[Stored | None]]:
        yield Sleep(0.008)
        return (yield from super().read(keys))


SQUARES: MultiLevelCache[int, int] = MultiLevelCache(  # PLANTED
    int, key=int, name="squares", levels=[FarAway("far")], max_entries=100
)


@app.get("/square")
async def square() -> dict[str, int]:
    number = random.randrange(20_000)

    async def load() -> int:
        return number * number

    return {"square": await SQUARES.aget_or_load(number, load)}
