"""Starlette, async handler: blocks the loop for less than counts as a long step, in a helper."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request


def ask_sensor() -> int:
    time.sleep(0.008)  # PLANTED
    return 21


async def temperature(request: Request) -> JSONResponse:
    return JSONResponse({"celsius": ask_sensor()})


app = Starlette(routes=[Route("/temperature", temperature)])
