"""The shop's tables."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from .fixes import FIXES

__all__ = ["Base", "Customer", "Order", "OrderItem", "Product"]


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customers"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    email: Mapped[str] = mapped_column(String(120), unique=True)


class Product(Base):
    __tablename__ = "products"

    id: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(String(16), unique=True)
    name: Mapped[str] = mapped_column(String(80))
    price_cents: Mapped[int]
    weight_grams: Mapped[int]


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    # A foreign key brings no index: without it, one customer's orders mean reading everybody's.
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"), index=FIXES.index)
    placed_at: Mapped[datetime]
    status: Mapped[str] = mapped_column(String(12))
    street: Mapped[str] = mapped_column(String(80))
    city: Mapped[str] = mapped_column(String(40))
    note: Mapped[str] = mapped_column(String(300))
    payment_reference: Mapped[str] = mapped_column(String(64))
    referrer: Mapped[str] = mapped_column(String(200))
    user_agent: Mapped[str] = mapped_column(String(200))
    total_cents: Mapped[int]

    customer: Mapped[Customer] = relationship()
    items: Mapped[list[OrderItem]] = relationship(order_by="OrderItem.id")


class OrderItem(Base):
    """A line of an order. It keeps the name and price the product had on the day."""

    __tablename__ = "order_items"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), index=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))
    name: Mapped[str] = mapped_column(String(80))
    quantity: Mapped[int]
    price_cents: Mapped[int]
