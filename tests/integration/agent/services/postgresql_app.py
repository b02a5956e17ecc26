"""FastAPI on PostgreSQL: psycopg, asyncpg and SQLAlchemy over both, sync and async."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager

import asyncpg
import psycopg
from fastapi import FastAPI
from psycopg import sql
from sqlalchemy import ForeignKey, create_engine, select, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

URL = os.environ["TEST_POSTGRESQL"]


def engine_url(driver: str) -> str:
    return URL.replace("postgresql://", f"postgresql+{driver}://")


engine = create_engine(engine_url("psycopg"))
psycopg_engine = create_async_engine(engine_url("psycopg"))
asyncpg_engine = create_async_engine(engine_url("asyncpg"))


class Base(DeclarativeBase):
    pass


class Purchase(Base):
    __tablename__ = "purchase"
    id: Mapped[int] = mapped_column(primary_key=True)
    items: Mapped[list[Item]] = relationship()


class Item(Base):
    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("purchase.id"))


@asynccontextmanager
async def lifespan(app):
    app.state.pool = await asyncpg.create_pool(URL, min_size=1, max_size=1)
    yield
    await app.state.pool.close()


app = FastAPI(lifespan=lifespan)


@app.get("/psycopg")
def with_psycopg():
    with psycopg.connect(URL) as connection:
        for order in range(1, 4):
            connection.execute("SELECT * FROM item WHERE order_id = %s", (order,)).fetchall()
        with connection.transaction():
            connection.cursor().executemany("INSERT INTO note (text) VALUES (%s)", [("a",), ("b",)])
        connection.execute(sql.SQL("SELECT {} FROM item WHERE id < %s").format(sql.Identifier("name")), (3,))
        with connection.cursor("named") as cursor:
            cursor.execute("SELECT id FROM item")
            return len(cursor.fetchall())


@app.get("/psycopg-autocommit")
def with_psycopg_autocommit():
    with psycopg.connect(URL, autocommit=True) as connection:
        connection.execute("INSERT INTO note (text) VALUES ('c')")
        with connection.transaction(), connection.transaction():
            connection.execute(b"UPDATE note SET text = 'd' WHERE text = 'c'")


@app.get("/psycopg-broken")
def with_psycopg_broken():
    with psycopg.connect(URL) as connection:
        try:
            connection.execute("SELECT broken FROM item")
        except psycopg.Error:
            connection.rollback()


@app.get("/psycopg-async")
async def with_psycopg_async():
    connection = await psycopg.AsyncConnection.connect(URL)
    async with connection, connection.cursor() as cursor:
        for order in range(1, 4):
            await cursor.execute("SELECT * FROM item WHERE order_id = %s", (order,))
        await cursor.execute("SELECT pg_sleep(0.05)")


@app.get("/asyncpg")
async def with_asyncpg():
    pool = app.state.pool
    async with pool.acquire() as connection:
        for order in range(1, 4):
            await connection.fetch("SELECT * FROM item WHERE order_id = $1", order)
        async with connection.transaction():
            await connection.execute("INSERT INTO note (text) VALUES ($1)", "a")
            await connection.executemany("INSERT INTO note (text) VALUES ($1)", [("b",), ("c",)])
            async for _ in connection.cursor("SELECT id FROM item WHERE order_id < 3", prefetch=60):
                pass
        prepared = await connection.prepare("SELECT name FROM item WHERE id = $1")
        await prepared.fetchval(5)
        await connection.fetchrow("SELECT pg_sleep(0.05)")


@app.get("/asyncpg-tasks")
async def with_asyncpg_tasks():
    pool = app.state.pool
    return await asyncio.gather(*[pool.fetchval("SELECT pg_sleep(0.02), $1::int", number) for number in range(3)])


@app.get("/orm")
def with_orm():
    with Session(engine) as session:
        return [
            len(purchase.items)
            for purchase in session.scalars(select(Purchase).where(Purchase.id < 4).order_by(Purchase.id))
        ]


async def lazily(async_engine):
    async with AsyncSession(async_engine) as session:
        purchases = (await session.scalars(select(Purchase).where(Purchase.id < 4))).all()
        for purchase in purchases:
            await session.refresh(purchase, ["items"])
        await session.execute(text("INSERT INTO note (text) VALUES ('e')"))
        await session.commit()
        await session.run_sync(count_notes)


def count_notes(session):
    return session.execute(text("SELECT count(*) FROM note")).scalar()


@app.get("/orm-psycopg-async")
async def with_orm_psycopg_async():
    await lazily(psycopg_engine)


@app.get("/orm-asyncpg")
async def with_orm_asyncpg():
    await lazily(asyncpg_engine)
