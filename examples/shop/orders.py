"""Orders, newest first."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload

from .database import Session
from .fixes import FIXES
from .models import Order, OrderItem

__all__ = ["router"]

PAGE_SIZE = 50

router = APIRouter(prefix="/orders", tags=["orders"])


class ItemView(BaseModel):
    name: str
    quantity: int
    price_cents: int


class OrderView(BaseModel):
    id: int
    customer: str
    placed_at: datetime
    status: str
    items: list[ItemView]
    total_cents: int


class OrderPage(BaseModel):
    page: int
    orders: list[OrderView]


def view_item(item: OrderItem) -> ItemView:
    return ItemView(name=item.name, quantity=item.quantity, price_cents=item.price_cents)


@router.get("")
def list_orders(page: Annotated[int, Query(ge=1)] = 1) -> OrderPage:
    """One page of all orders."""
    newest = select(Order).options(joinedload(Order.customer)).order_by(Order.id.desc())
    if FIXES.n_plus_one:
        newest = newest.options(selectinload(Order.items))
    with Session() as session:
        orders = session.scalars(newest.limit(PAGE_SIZE).offset((page - 1) * PAGE_SIZE))
        views = []
        for order in orders:
            items = [view_item(item) for item in order.items]
            views.append(
                OrderView(
                    id=order.id,
                    customer=order.customer.name,
                    placed_at=order.placed_at,
                    status=order.status,
                    items=items,
                    total_cents=order.total_cents,
                )
            )
        return OrderPage(page=page, orders=views)


@router.get("/{order_id}")
def get_order(order_id: int) -> OrderView:
    """One order with its items."""
    with Session() as session:
        order = session.get(Order, order_id, options=[joinedload(Order.customer), selectinload(Order.items)])
        if order is None:
            raise HTTPException(404, f"no order {order_id}")
        return OrderView(
            id=order.id,
            customer=order.customer.name,
            placed_at=order.placed_at,
            status=order.status,
            items=[view_item(item) for item in order.items],
            total_cents=order.total_cents,
        )
