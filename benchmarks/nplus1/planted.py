"""Sixteen requests with an N+1 each. The line that issues it ends in `# N+1`, in templates it is the third."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg
import jinja2
from django.db import connection as django_connection
from django.db.models import prefetch_related_objects
from django.template.loader import render_to_string
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from . import django_shop as shop
from .world import Item, Purchase, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["PLANTED", "Planted"]

TEMPLATES = Path(__file__).parent / "templates"


class Planted(NamedTuple):
    """One request with an N+1."""

    name: str
    run: Callable[[World], Any]
    """Sync, or a coroutine function."""
    loader: str
    """The right one."""


class PurchaseOut(BaseModel):
    """As the API shows it."""

    model_config = ConfigDict(from_attributes=True)
    id: int
    items: list[ItemOut]


class ItemOut(BaseModel):
    """As the API shows it."""

    model_config = ConfigDict(from_attributes=True)
    id: int


def orm_loop(world: World) -> Any:
    """A to-many relationship in a loop."""
    with world.watched(world.engine), Session(world.engine) as session:
        count = 0
        for purchase in session.scalars(select(Purchase)):
            count += len(purchase.items)  # N+1
        return count


def orm_comprehension(world: World) -> Any:
    """A to-one relationship in a comprehension."""
    with world.watched(world.engine), Session(world.engine) as session:
        purchases = session.scalars(select(Purchase)).all()
        return [purchase.customer.name for purchase in purchases]  # N+1


def orm_template(world: World) -> Any:
    """A to-one relationship in a template of Jinja."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True)
    with world.watched(world.engine), Session(world.engine) as session:
        purchases = session.scalars(select(Purchase)).all()
        return environment.get_template("purchases.jinja").render(purchases=purchases)


def orm_serialiser(world: World) -> Any:
    """A serialiser reads the relationship: no line of the user's own names it."""
    with world.watched(world.engine), Session(world.engine) as session:
        purchases = session.scalars(select(Purchase)).all()
        return [PurchaseOut.model_validate(purchase) for purchase in purchases]  # N+1


def orm_nested(world: World) -> Any:
    """The items come with their purchases, the product of each one by one, two functions further in."""
    with world.watched(world.engine), Session(world.engine) as session:
        purchases = session.scalars(select(Purchase)).all()
        return [_lines(purchase.items) for purchase in purchases]  # N+1


def _lines(items: Iterable[Item]) -> list[str]:
    return [_line(item) for item in items]


def _line(item: Item) -> str:
    return f"{item.quantity} × {item.product.name}"  # N+1


def orm_across_queries(world: World) -> Any:
    """Rows of two queries, a loop each with a line of its own, and few repetitions in either."""
    with world.watched(world.engine), Session(world.engine) as session:
        names = []
        for purchase in session.scalars(select(Purchase).where(Purchase.id <= 2)):
            names.append(purchase.customer.name)  # N+1
        for purchase in session.scalars(select(Purchase).where(Purchase.id > 10)):
            names.append(purchase.customer.name)  # N+1
        return names


async def async_attribute(world: World) -> Any:
    """An awaited relationship in a loop."""
    with world.watched(world.async_engine):
        async with AsyncSession(world.async_engine) as session:
            purchases = (await session.scalars(select(Purchase))).all()
            return [await purchase.awaitable_attrs.items for purchase in purchases]  # N+1


async def async_select(world: World) -> Any:
    """A query of one's own for each row."""
    with world.watched(world.async_engine):
        async with AsyncSession(world.async_engine) as session:
            found: list[Item] = []
            for purchase in (await session.scalars(select(Purchase))).all():
                query = select(Item).where(Item.purchase_id == purchase.id)
                found += (await session.scalars(query)).all()  # N+1
            return found


def django_template(world: World) -> Any:
    """A to-one relationship in a template of Django."""
    with world.watched(django_connection):
        return render_to_string("purchases.html", {"purchases": shop.Purchase.objects.all()})


def django_per_instance_prefetch(world: World) -> Any:
    """Prefetched, but for one instance at a time."""
    with world.watched(django_connection):
        for purchase in shop.Purchase.objects.all():
            prefetch_related_objects([purchase], "items__product")  # N+1


def django_across_query_sets(world: World) -> Any:
    """Each instance comes of a query set of its own."""
    with world.watched(django_connection):
        chosen = [shop.Purchase.objects.get(pk=number) for number in (3, 5, 8, 9)]  # N+1
        return [purchase.customer.name for purchase in chosen]  # N+1


def django_filtered_prefetch(world: World) -> Any:
    """Prefetched, and asked again with a filter that the prefetched rows do not answer."""
    with world.watched(django_connection):
        purchases = shop.Purchase.objects.prefetch_related("items")
        return [purchase.items.filter(quantity__gt=1).first() for purchase in purchases]  # N+1


def sqlite_latest(world: World) -> Any:
    """The latest two of each, with LIMIT: no page, though it looks like one."""
    connection = world.sqlite
    with world.watched(connection):
        found = []
        for (number,) in connection.execute("SELECT id FROM purchase").fetchall():
            sql = "SELECT id FROM item WHERE purchase_id = ? ORDER BY id DESC LIMIT 2"
            found += connection.execute(sql, (number,)).fetchall()  # N+1
        return found


def sqlite_tree(world: World) -> Any:
    """A tree, node by node: the same statement in a recursion."""
    with world.watched(world.sqlite):
        return _below(world, 1)


def _below(world: World, number: int) -> list[int]:
    rows = world.sqlite.execute("SELECT id FROM product WHERE parent_id = ?", (number,)).fetchall()  # N+1
    return [number, *(each for (child,) in rows for each in _below(world, child))]


def psycopg_comprehension(world: World) -> Any:
    """A function that asks, called in a comprehension."""
    with world.watched(world.psycopg):
        rows = world.psycopg.execute("SELECT id, customer_id FROM purchase WHERE state = 'new'").fetchall()
        return [(number, _customer(world, customer)) for number, customer in rows]


def _customer(world: World, number: int) -> Any:
    return world.psycopg.execute("SELECT name FROM customer WHERE id = %s", (number,)).fetchone()  # N+1


async def asyncpg_loop(world: World) -> Any:
    """asyncpg, with a filter that is a list beside the key."""
    connection = await asyncpg.connect(world.postgresql)
    try:
        with world.watched(connection):
            for row in await connection.fetch("SELECT id FROM purchase"):
                sql = "SELECT count(*) FROM item WHERE quantity IN (1, 2) AND purchase_id = $1"
                await connection.fetchval(sql, row["id"])  # N+1
    finally:
        await connection.close()


PLANTED = (
    Planted("orm_loop", orm_loop, "selectinload"),
    Planted("orm_comprehension", orm_comprehension, "joinedload"),
    Planted("orm_template", orm_template, "joinedload"),
    Planted("orm_serialiser", orm_serialiser, "selectinload"),
    Planted("orm_nested", orm_nested, "selectinload"),
    Planted("orm_across_queries", orm_across_queries, "joinedload"),
    Planted("async_attribute", async_attribute, "selectinload"),
    Planted("async_select", async_select, "batch"),
    Planted("django_template", django_template, "select_related"),
    Planted("django_per_instance_prefetch", django_per_instance_prefetch, "prefetch_related"),
    Planted("django_across_query_sets", django_across_query_sets, "batch"),
    Planted("django_filtered_prefetch", django_filtered_prefetch, "prefetch_related"),
    Planted("sqlite_latest", sqlite_latest, "batch"),
    Planted("sqlite_tree", sqlite_tree, "batch"),
    Planted("psycopg_comprehension", psycopg_comprehension, "batch"),
    Planted("asyncpg_loop", asyncpg_loop, "batch"),
)
