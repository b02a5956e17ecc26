"""Generates the shop's data: the same customers, products and orders every time, skewed as real ones are."""

from __future__ import annotations

import fcntl
import random
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from itertools import accumulate
from pathlib import Path

from sqlalchemy import create_engine

from .models import Base

__all__ = ["CUSTOMERS", "ORDERS", "PRODUCTS", "ensure_database"]

CUSTOMERS = 8_000
PRODUCTS = 1_200
ORDERS = 50_000
SEED = 20_260_101
OPENED = datetime(2024, 1, 1, 9)

# SQLite keeps both in the file's header: whose file it is, and which edition of the data.
APPLICATION_ID = 0x53484F50  # "SHOP"
EDITION = 1

GIVEN = "Ada Alan Barbara Dennis Edsger Frances Grace Hedy Ines Jean John Katherine Ken Lin Margaret Mary Radia".split()
FAMILY = "Allen Bartik Chen Clarke Dijkstra Goldberg Hamilton Hopper Johnson Lamarr Liskov Perlman Ritchie".split()
STREETS = "Acacia Bridge Chapel Church Garden High Hill Lake Mill Oak Orchard Park River Station Willow".split()
CITIES = "Berlin Bordeaux Boston Cologne Denver Hamburg Leipzig Lyon Marseille Munich Nantes Portland Toulouse".split()
STYLES = "Alpine Classic Compact Everyday Folding Handmade Light Nordic Portable Sturdy Vintage Woollen".split()
GOODS = "Backpack Blanket Bottle Candle Chair Cup Desk Jacket Kettle Lamp Mirror Notebook Pan Pillow Tent Vase".split()
NOTES = (
    "Please leave the parcel with the neighbour on the ground floor.",
    "The bell does not work, please knock or call the number on the label.",
    "Gift: please leave out the invoice and use the plain box.",
    "Deliver after six in the evening, or on Saturday before noon.",
)
REFERRERS = (
    "https://search.example/results?q=handmade+lamp&hl=en&source=shopping&position=4",
    "https://news.example/features/the-best-tents-of-the-season?utm_source=newsletter&utm_campaign=spring",
    "https://social.example/shops/summer-sale?ref=feed&medium=story&creative=82841",
)
USER_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
)
# Most orders have one or two items, a few have twelve.
ITEM_COUNTS = (1, 2, 3, 4, 5, 6, 8, 10, 12)
ITEM_WEIGHTS = (30, 24, 15, 10, 7, 5, 4, 3, 2)


def ensure_database(path: Path) -> None:
    """Generate the database at `path` unless it is there; of several processes that start together, one does it.

    Raises:
        ValueError: `path` holds some other program's database, which is left as it is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            application, edition = _header(path)
            if application != APPLICATION_ID:
                raise ValueError(f"SHOP_DATABASE: expected a database of the shop or a path that is free; got {path}")
            if edition == EDITION:
                return
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as directory:
            unfinished = Path(directory) / path.name
            _generate(unfinished)
            unfinished.replace(path)


def _header(path: Path) -> tuple[int, int]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        try:
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            edition = connection.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.DatabaseError:  # no SQLite file at all
            return 0, 0
    return application, edition


def _generate(path: Path) -> None:
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
    engine.dispose()
    rng = random.Random(SEED)
    products = list(_products(rng))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # Nothing to lose before the file has its name.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO customers (id, name, email) VALUES (?, ?, ?)", _customers(rng))
        connection.executemany(
            "INSERT INTO products (id, sku, name, price_cents, weight_grams) VALUES (?, ?, ?, ?, ?)", products
        )
        orders, items = _orders(rng, products)
        connection.executemany(
            "INSERT INTO orders (id, customer_id, placed_at, status, street, city, note, payment_reference, referrer,"
            " user_agent, total_cents) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            orders,
        )
        connection.executemany(
            "INSERT INTO order_items (order_id, product_id, name, quantity, price_cents) VALUES (?, ?, ?, ?, ?)", items
        )
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {EDITION}")
        connection.execute("COMMIT")
        connection.execute("ANALYZE")


def _customers(rng: random.Random) -> Iterator[tuple[int, str, str]]:
    for number in range(1, CUSTOMERS + 1):
        given, family = rng.choice(GIVEN), rng.choice(FAMILY)
        yield number, f"{given} {family}", f"{given}.{family}.{number}@example.org".lower()


def _products(rng: random.Random) -> Iterator[tuple[int, str, str, int, int]]:
    for number in range(1, PRODUCTS + 1):
        name = f"{rng.choice(STYLES)} {rng.choice(GOODS)} No. {number}"
        yield number, f"SKU-{number:06}", name, rng.randrange(190, 24_900, 10), rng.randrange(50, 9_000, 50)


OrderRow = tuple[int, int, str, str, str, str, str, str, str, str, int]
ItemRow = tuple[int, int, str, int, int]


def _orders(rng: random.Random, products: list[tuple[int, str, str, int, int]]) -> tuple[list[OrderRow], list[ItemRow]]:
    customers = rng.choices(range(1, CUSTOMERS + 1), cum_weights=_zipf(CUSTOMERS), k=ORDERS)
    counts = rng.choices(ITEM_COUNTS, ITEM_WEIGHTS, k=ORDERS)
    bought = iter(rng.choices(products, cum_weights=_zipf(PRODUCTS), k=sum(counts)))
    orders: list[OrderRow] = []
    items: list[ItemRow] = []
    placed_at = OPENED
    for number, (customer, count) in enumerate(zip(customers, counts, strict=True), start=1):
        placed_at += timedelta(seconds=int(rng.expovariate(1 / 1_300)))
        total = 0
        for _ in range(count):
            product, _sku, name, price, _weight = next(bought)
            quantity = 1 + int(rng.random() ** 4 * 4)
            items.append((number, product, name, quantity, price))
            total += quantity * price
        street = f"{rng.randrange(1, 180)} {rng.choice(STREETS)} Street"
        note = " ".join(rng.sample(NOTES, 3)) if rng.random() < 0.3 else rng.choice(NOTES)
        status = "open" if number > ORDERS - 400 else "returned" if rng.random() < 0.04 else "delivered"
        orders.append(
            (
                number,
                customer,
                f"{placed_at}.000000",
                status,
                street,
                rng.choice(CITIES),
                note,
                f"pay_{rng.getrandbits(128):032x}",
                rng.choice(REFERRERS),
                rng.choice(USER_AGENTS),
                total,
            )
        )
    return orders, items


def _zipf(count: int) -> list[float]:
    """Running weights of 1/rank^0.8: a few customers or products account for much of the trade."""
    return list(accumulate(rank**-0.8 for rank in range(1, count + 1)))
