"""Sixteen requests that look like an N+1 and are none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
from django.db import connection as django_connection
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, joinedload, selectinload

from . import django_shop as shop
from .world import Customer, Item, Purchase, World

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HEALTHY"]


def orm_eager(world: World) -> Any:
    """Everything by the right loader, the purchases in chunks, so that the loader's statement comes once a chunk."""
    options = selectinload(Purchase.items).joinedload(Item.product), joinedload(Purchase.customer)
    with world.watched(world.engine), Session(world.engine) as session:
        found = 0
        for partition in session.scalars(
            select(Purchase).options(*options).execution_options(yield_per=3)
        ).partitions():
            found += sum(len(purchase.items) for purchase in partition)
        return found


def orm_chunks(world: World) -> Any:
    """A long list of keys, a few at a time."""
    with world.watched(world.engine), Session(world.engine) as session:
        return [
            session.scalars(select(Item).where(Item.purchase_id.in_(range(start, start + 3)), Item.quantity == 1)).all()
            for start in range(1, 13, 3)
        ]


def orm_creates(world: World) -> Any:
    """Rows created one by one, each read back for what the database filled in."""
    with world.watched(world.engine), Session(world.engine) as session:
        for customer in range(1, 9):
            purchase = Purchase(customer_id=customer)
            session.add(purchase)
            session.flush()
            session.refresh(purchase)
        session.rollback()


def orm_pages(world: World) -> Any:
    """Page after page of one long list."""
    with world.watched(world.engine), Session(world.engine) as session:
        query = select(Item).where(Item.quantity == 2).order_by(Item.id).limit(2)
        page = 0
        while session.scalars(query.offset(page * 2)).all():
            page += 1
        return page


def orm_keyset(world: World) -> Any:
    """The same, each page after the last row of the one before."""
    with world.watched(world.engine), Session(world.engine) as session:
        last, seen = 0, 0
        while rows := session.scalars(select(Item).where(Item.id > last).order_by(Item.id).limit(6)).all():
            last, seen = rows[-1].id, seen + len(rows)
        return seen


def orm_dashboard(world: World) -> Any:
    """Five boxes of a dashboard, by one helper from five lines: five spans of the same statement, and no loop."""
    with world.watched(world.engine), Session(world.engine) as session:
        newest = _customer(session, 12)
        oldest = _customer(session, 1)
        dearest = _customer(session, 5)
        loudest = _customer(session, 7)
        own = _customer(session, 9)
        return newest, oldest, dearest, loudest, own


def _customer(session: Session, number: int) -> Any:
    return session.execute(select(Customer.name).where(Customer.id == number)).scalar_one()


def orm_identity_map(world: World) -> Any:
    """A lazy relationship in a loop, of which only two rows are not there yet."""
    with world.watched(world.engine), Session(world.engine) as session:
        kept = session.scalars(select(Customer).where(Customer.id <= 10)).all()
        return len(kept), [purchase.customer.name for purchase in session.scalars(select(Purchase)).all()]


async def async_polling(world: World) -> Any:
    """The same row, until it says done."""
    with world.watched(world.async_engine):
        async with AsyncSession(world.async_engine) as session:
            for _ in range(8):
                state = await session.scalar(select(Purchase.state).where(Purchase.id == 4))
                if state == "done":
                    break
                await asyncio.sleep(0)


async def async_retries(world: World) -> Any:
    """A statement that fails, tried again."""
    with world.watched(world.async_engine):
        async with AsyncSession(world.async_engine) as session:
            for _ in range(6):
                try:
                    await session.scalar(select(func.missing(Purchase.id)).where(Purchase.id == 4))
                except OperationalError:
                    await session.rollback()


def django_eager(world: World) -> Any:
    """Everything by the right loader."""
    with world.watched(django_connection):
        purchases = shop.Purchase.objects.select_related("customer").prefetch_related("items__product")
        return [
            (purchase.customer.name, [item.product.name for item in purchase.items.all()]) for purchase in purchases
        ]


def django_get_or_create(world: World) -> Any:
    """Rows created where they are missing."""
    with world.watched(django_connection):
        for number in range(8):
            shop.Customer.objects.get_or_create(name=f"new customer {number}")


def django_in_bulk(world: World) -> Any:
    """Keys in batches that somebody chose."""
    with world.watched(django_connection):
        keys = list(range(1, 37))
        return [shop.Item.objects.in_bulk(keys[start : start + 9]) for start in range(0, 36, 9)]


def psycopg_queue(world: World) -> Any:
    """Jobs claimed one by one, so that others get theirs."""
    with world.watched(world.psycopg), world.psycopg.transaction(force_rollback=True):
        sql = "SELECT id FROM purchase WHERE state = 'new' AND id > %s ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
        last = 0
        while row := world.psycopg.execute(sql, (last,)).fetchone():
            last = row[0]


def psycopg_changes(world: World) -> Any:
    """Each row changed with another value: no reading."""
    with world.watched(world.psycopg), world.psycopg.transaction(force_rollback=True):
        for number in range(1, 13):
            world.psycopg.execute("UPDATE purchase SET total = %s WHERE id = %s RETURNING total", (number, number))


def sqlite_look_then_insert(world: World) -> Any:
    """An import that looks for each row before it creates it."""
    connection = world.sqlite
    with world.watched(connection):
        connection.execute("BEGIN")
        for number in range(8):
            found = connection.execute("SELECT 1 FROM product WHERE name = ?", (f"imported {number}",)).fetchone()
            if found is None:
                connection.execute("INSERT INTO product (name) VALUES (?)", (f"imported {number}",))
        connection.execute("ROLLBACK")


async def asyncpg_cursor(world: World) -> Any:
    """One long result, fetched a few rows at a time, in a transaction each of which has a savepoint."""
    connection = await asyncpg.connect(world.postgresql)
    try:
        with world.watched(connection):
            async with connection.transaction():
                async for row in connection.cursor("SELECT id FROM item WHERE quantity = $1", 1, prefetch=2):
                    async with connection.transaction():
                        await connection.execute("UPDATE item SET quantity = 1 WHERE id = $1", row["id"])
    finally:
        await connection.close()


HEALTHY: dict[str, Callable[[World], Any]] = {
    case.__name__: case
    for case in (
        orm_eager,
        orm_chunks,
        orm_creates,
        orm_pages,
        orm_keyset,
        orm_dashboard,
        orm_identity_map,
        async_polling,
        async_retries,
        django_eager,
        django_get_or_create,
        django_in_bulk,
        psycopg_queue,
        psycopg_changes,
        sqlite_look_then_insert,
        asyncpg_cursor,
    )
}
