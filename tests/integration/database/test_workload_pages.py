"""What indexes save of a workload's pages, measured on a real PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from perfloop.database import open_database, run_local_server
from perfloop.database.indexes.analysis import analyse
from perfloop.database.indexes.costs import Judged
from perfloop.database.indexes.definition import IndexDefinition, IndexKey
from perfloop.database.indexes.postgresql_catalogue import read_catalogue
from perfloop.database.indexes.values import executions
from perfloop.database.indexes.what_if import WhatIf
from perfloop.database.indexes.workload_pages import WorkloadPages
from perfloop.records import WorkloadStatement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.services

SCHEMA = """
CREATE TABLE orders (id integer PRIMARY KEY, customer_id integer NOT NULL, note text NOT NULL);
INSERT INTO orders SELECT n, n * 7919 % 2000, repeat('a note ', 10) FROM generate_series(1, 20000) n;
"""
BY_CUSTOMER = IndexDefinition("public", "orders", (IndexKey("customer_id"),))
READ = "SELECT * FROM orders WHERE customer_id = 77"
MOVE = "UPDATE orders SET customer_id = 78 WHERE id = 1234"
ADD = "INSERT INTO orders (id, customer_id, note) VALUES (1, 77, 'a note')"


@pytest.fixture(scope="module")
def measure() -> Iterator[Callable[..., WorkloadPages]]:
    """Pages of statements with their calls, on a clone where `BY_CUSTOMER` is built."""
    with run_local_server() as server:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute(SCHEMA)
            connection.execute("VACUUM (ANALYZE)")
        with open_database(server.dsn(), writable=True) as database:
            clone = WhatIf(database.connection, statement_seconds=5.0)
            clone.build(BY_CUSTOMER)
            catalogue = read_catalogue(database.connection)

            def measure(*statements: tuple[int, str]) -> WorkloadPages:
                judged = []
                for calls, sql in statements:
                    kind = sql.split()[0].lower()
                    statement = WorkloadStatement(fingerprint=sql, sql=sql, kind=kind, calls=calls)  # type: ignore[arg-type]
                    analysis = analyse(sql, catalogue)
                    runs = executions(statement, analysis, "postgresql") if analysis.accesses else []
                    judged.append(Judged(statement, analysis, runs))
                return WorkloadPages(judged, clone, catalogue)

            yield measure
            clone.close()


def test_what_reads_gain(measure: Callable[..., WorkloadPages]) -> None:
    pages = measure((3, READ))
    bare, with_ = pages.total(frozenset()), pages.total(frozenset({BY_CUSTOMER}))
    assert bare is not None
    assert with_ is not None
    assert pages.gain(BY_CUSTOMER, frozenset({BY_CUSTOMER})) == bare - with_ > 100


@pytest.mark.parametrize("write", [MOVE, ADD])
def test_what_writes_pay_is_taken_off_the_gain(measure: Callable[..., WorkloadPages], write: str) -> None:
    reads = measure((1, READ)).gain(BY_CUSTOMER, frozenset({BY_CUSTOMER}))
    both = measure((1, READ), (10_000, write)).gain(BY_CUSTOMER, frozenset({BY_CUSTOMER}))
    assert both < reads - 5_000


def test_writes_leave_nothing_for_the_next_to_read(measure: Callable[..., WorkloadPages]) -> None:
    first, *later = [measure((1, READ), (1, MOVE), (1, ADD)).total(frozenset({BY_CUSTOMER})) for _ in range(4)]
    assert later == [pytest.approx(first, abs=3)] * 3


def test_what_is_refused_is_said_and_counts_for_nothing(measure: Callable[..., WorkloadPages]) -> None:
    pages = measure((1, READ), (1, "UPDATE orders SET id = 2 WHERE id = 1"))
    assert pages.gain(BY_CUSTOMER, frozenset({BY_CUSTOMER})) == measure((1, READ)).gain(
        BY_CUSTOMER, frozenset({BY_CUSTOMER})
    )
    [(statement, why)] = pages.refused.items()
    assert statement.startswith("UPDATE orders")
    assert "UniqueViolation" in why
