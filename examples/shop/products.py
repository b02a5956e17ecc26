"""The catalogue."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlalchemy import select

from .database import Session
from .models import Product

__all__ = ["router"]

PAGE_SIZE = 40

router = APIRouter(prefix="/products", tags=["products"])


class ProductView(BaseModel):
    sku: str
    name: str
    price_cents: int


@router.get("")
def list_products(page: Annotated[int, Query(ge=1)] = 1) -> list[ProductView]:
    """One page of the catalogue."""
    by_number = select(Product).order_by(Product.id).limit(PAGE_SIZE).offset((page - 1) * PAGE_SIZE)
    with Session() as session:
        products = session.scalars(by_number)
        return [ProductView(sku=each.sku, name=each.name, price_cents=each.price_cents) for each in products]
