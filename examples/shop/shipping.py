"""What sending a parcel costs."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from .fixes import FIXES

__all__ = ["router"]

CARRIER_SECONDS = 0.03
BASE_CENTS = {"DE": 499, "FR": 899, "US": 1_899}

router = APIRouter(tags=["shipping"])


class Quote(BaseModel):
    country: str
    weight_grams: int
    price_cents: int


def ask_carrier(country: str, weight_grams: int) -> int:
    """The carrier's price, by its synchronous client library (which here only takes the time the real one takes)."""
    time.sleep(CARRIER_SECONDS)
    return BASE_CENTS.get(country, 2_499) + 12 * (weight_grams // 100)


@router.get("/shipping-quote")
async def shipping_quote(
    country: Annotated[str, Query(pattern="^[A-Z]{2}$")] = "DE",
    weight_grams: Annotated[int, Query(gt=0, le=30_000)] = 1_200,
) -> Quote:
    """The price of a parcel."""
    if FIXES.blocking_call:
        price = await run_in_threadpool(ask_carrier, country, weight_grams)
    else:
        price = ask_carrier(country, weight_grams)
    return Quote(country=country, weight_grams=weight_grams, price_cents=price)
