"""The shop: the same data every time, three faults that are there, three fixes that change nothing but speed."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest
from examples.shop import customers, database, orders, seed, shipping
from examples.shop.fixes import Fixes, parse_fixes
from sqlalchemy import create_engine, event
from sqlalchemy.orm import sessionmaker

from ...servers.uvicorn import REPOSITORY, run_uvicorn

if TYPE_CHECKING:
    from pathlib import Path

PAGES = (
    "/orders",
    "/orders?page=1",
    "/orders?page=7",
    "/orders?page=1000",
    "/orders?page=1001",
    "/orders/1",
    "/orders/49999",
    "/customers/1/orders",
    "/customers/4217/orders",
    "/shipping-quote",
    "/shipping-quote?country=US&weight_grams=5400",
    "/products",
    "/products?page=30",
    "/healthz",
    "/openapi.json",
)


def fetch(url: str) -> bytes:
    with urlopen(url) as response:
        body: bytes = response.read()
        return body


def test_every_fix_gives_byte_identical_responses(shop: str, shop_database: Path) -> None:
    faulty = {page: fetch(shop + page) for page in PAGES}
    assert len(set(faulty.values())) == len(PAGES) - 1, "pages differ from each other, except /orders and page 1"
    variants = ("n_plus_one", "index", "blocking_call", "n_plus_one,index,blocking_call")
    with ExitStack() as servers:
        for fix in variants:
            url = servers.enter_context(
                run_uvicorn("examples.shop:app", SHOP_FIX=fix, SHOP_DATABASE=str(shop_database))
            )
            assert {page: fetch(url + page) for page in PAGES} == faulty, fix


@pytest.mark.parametrize(
    ("text", "fixes"),
    [
        ("", Fixes()),
        ("n_plus_one", Fixes(n_plus_one=True)),
        (" index , blocking_call,", Fixes(index=True, blocking_call=True)),
        ("n_plus_one,index,blocking_call", Fixes(True, True, True)),
    ],
)
def test_fixes_are_named_in_one_list(text: str, fixes: Fixes) -> None:
    assert parse_fixes(text) == fixes


def test_an_unknown_fix_is_refused_before_the_shop_opens() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "uvicorn", "examples.shop:app", "--port", "0"],
        env={**os.environ, "SHOP_FIX": "n_plus_one,indices"},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 1
    assert run.stderr == "shop: SHOP_FIX: expected a list of n_plus_one, index, blocking_call; got 'indices'\n"


@pytest.mark.parametrize(("fixed", "statements"), [(False, 1 + orders.PAGE_SIZE), (True, 2)])
def test_a_page_of_orders_issues_one_statement_an_order_until_fixed(
    shop_database: Path, monkeypatch: pytest.MonkeyPatch, fixed: bool, statements: int
) -> None:
    engine = create_engine(f"sqlite:///{shop_database}")
    issued: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *call: issued.append(call[2]))
    monkeypatch.setattr(orders, "Session", sessionmaker(engine))
    monkeypatch.setattr(orders, "FIXES", Fixes(n_plus_one=fixed))
    page = orders.list_orders(page=3)
    engine.dispose()
    assert len(page.orders) == orders.PAGE_SIZE
    assert len(issued) == statements


@pytest.mark.parametrize(("fixed", "plan"), [(False, "SCAN orders"), (True, "SEARCH orders USING INDEX")])
def test_a_customers_orders_read_the_whole_table_until_fixed(
    shop_database: Path, tmp_path: Path, fixed: bool, plan: str
) -> None:
    path = shop_database
    if fixed:
        path = tmp_path / "shop-indexed.sqlite3"
        start_seeding(path, "index").wait()
    with closing(sqlite3.connect(path)) as connection:
        details = connection.execute(
            "EXPLAIN QUERY PLAN SELECT * FROM orders WHERE customer_id = 4217 ORDER BY id DESC LIMIT 20"
        ).fetchall()
    assert [detail[3][: len(plan)] for detail in details] == [plan]


@pytest.mark.parametrize("fixed", [False, True])
def test_the_carrier_is_asked_on_the_event_loops_thread_until_fixed(
    monkeypatch: pytest.MonkeyPatch, fixed: bool
) -> None:
    threads: list[int] = []

    def ask_carrier(country: str, weight_grams: int) -> int:
        threads.append(threading.get_ident())
        return 499

    monkeypatch.setattr(shipping, "ask_carrier", ask_carrier)
    monkeypatch.setattr(shipping, "FIXES", Fixes(blocking_call=fixed))
    asyncio.run(shipping.shipping_quote("DE", 1_200))
    assert (threads == [threading.get_ident()]) is not fixed


def test_each_shape_of_fix_has_its_own_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SHOP_DATABASE", str(tmp_path / "mine.db"))
    assert database.database_path() == tmp_path / "mine.db"
    monkeypatch.setattr(database, "FIXES", Fixes(index=True))
    assert database.database_path() == tmp_path / "mine-indexed.db"
    monkeypatch.delenv("SHOP_DATABASE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert database.database_path() == tmp_path / "perfloop-examples" / "shop-indexed.sqlite3"


def test_the_data_is_as_large_and_as_skewed_as_documented(shop_database: Path) -> None:
    with closing(sqlite3.connect(shop_database)) as connection:
        counts = [
            row[0] for row in connection.execute("SELECT count(*) FROM orders GROUP BY customer_id ORDER BY 1 DESC")
        ]
        items = dict(
            connection.execute(
                "SELECT n, count(*) FROM (SELECT count(*) n FROM order_items GROUP BY order_id) GROUP BY n"
            )
        )
        wrong_totals = connection.execute(
            "SELECT count(*) FROM orders o WHERE total_cents <>"
            " (SELECT sum(quantity * price_cents) FROM order_items i WHERE i.order_id = o.id)"
        ).fetchone()[0]
    assert sum(counts) == seed.ORDERS == 50_000
    assert sum(counts[: seed.CUSTOMERS // 5]) > 0.5 * seed.ORDERS, "a fifth of the customers place most orders"
    assert sum(items.values()) == seed.ORDERS, "no order is empty"
    assert (min(items), max(items)) == (1, 12)
    assert items[1] > items[3] > items[12]
    assert wrong_totals == 0


def test_workers_that_start_together_make_the_same_database_once(shop_database: Path, tmp_path: Path) -> None:
    path = tmp_path / "new" / "shop.db"
    workers = [start_seeding(path) for _ in range(3)]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    assert digest(path) == digest(shop_database)
    assert sorted(each.name for each in path.parent.iterdir()) == [".shop.db.lock", "shop.db"]


def test_another_edition_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA application_id = {seed.APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {seed.EDITION - 1}")
    seed.ensure_database(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (seed.ORDERS,)


@pytest.mark.parametrize("kind", ["text", "database"])
def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "mine.db"
    if kind == "text":
        path.write_text("notes, not a database, but long enough to hold what SQLite takes for a header " * 4)
    else:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE mine (id INTEGER)")
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"expected a database of the shop or a path that is free; got .*mine\.db"):
        seed.ensure_database(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("page", ["/orders/999999", "/customers/999999/orders"])
def test_what_is_not_there_is_not_found(shop: str, page: str) -> None:
    with pytest.raises(OSError, match="404"):
        fetch(shop + page)


def test_customers_see_their_latest_orders_only(shop: str) -> None:
    body = fetch(f"{shop}/customers/1/orders")
    assert body.count(b'"placed_at"') == customers.RECENT


def start_seeding(path: Path, fix: str = "") -> subprocess.Popen[bytes]:
    script = "import pathlib, sys; from examples.shop import seed; seed.ensure_database(pathlib.Path(sys.argv[1]))"
    return subprocess.Popen([sys.executable, "-c", script, path], env={**os.environ, "SHOP_FIX": fix}, cwd=REPOSITORY)


def digest(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        lines = "\n".join(connection.iterdump())
    return hashlib.sha256(lines.encode()).hexdigest()
