"""Customers and what they ordered."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel
from sqlalchemy import select

from .database import Session
from .models import Customer, Order

__all__ = ["router"]

RECENT = 20

router = APIRouter(prefix="/customers", tags=["customers"])


class OrderSummary(BaseModel):
    id: int
    placed_at: datetime
    status: str
    total_cents: int


class CustomerOrders(BaseModel):
    name: str
    email: str
    orders: list[OrderSummary]


@router.get("/{customer_id}/orders")
def list_customer_orders(customer_id: int) -> CustomerOrders:
    """A customer's latest orders."""
    recent = select(Order).where(Order.customer_id == customer_id).order_by(Order.id.desc()).limit(RECENT)
    with Session() as session:
        customer = session.get(Customer, customer_id)
        if customer is None:
            raise HTTPException(404, f"no customer {customer_id}")
        orders = session.scalars(recent)
        return CustomerOrders(
            name=customer.name,
            email=customer.email,
            orders=[
                OrderSummary(id=order.id, placed_at=order.placed_at, status=order.status, total_cents=order.total_cents)
                for order in orders
            ],
        )
