"""Index advice on a real PostgreSQL."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psycopg
import pytest

from perfloop.database import clone_database, open_database, run_local_server
from perfloop.database.indexes import IndexOptions, advise_indexes
from perfloop.database.indexes.postgresql_catalogue import read_catalogue
from perfloop.exceptions import ConfigurationError
from perfloop.records import Parameter, WorkloadRecord, WorkloadStatement, current_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from perfloop.database.indexes.catalogue import Catalogue
    from perfloop.records.index_advice import AdvisedIndex, IndexAdvice

    from ...servers.postgresql import PostgreSQL

    Advise = Callable[..., IndexAdvice]

pytestmark = pytest.mark.services

OPTIONS = IndexOptions(write_rows=50, write_rounds=3, write_growths=1)

SCHEMA = """
CREATE EXTENSION pg_trgm;
CREATE SCHEMA app;
CREATE TABLE customer (id serial PRIMARY KEY, email text NOT NULL, country text NOT NULL, deleted_at timestamp,
    data jsonb NOT NULL, loud text GENERATED ALWAYS AS (upper(email)) STORED);
CREATE TABLE orders (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id integer NOT NULL
    REFERENCES customer, status text NOT NULL, created_at timestamp NOT NULL, total numeric NOT NULL, note text);
CREATE TABLE app."Line" ("Order" integer, "No" integer, price numeric, PRIMARY KEY ("Order", "No"));
CREATE TABLE event (id integer, at date NOT NULL, kind text NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE event_2023 PARTITION OF event FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE event_2024 PARTITION OF event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE empty (id integer, x integer);
CREATE VIEW open_order AS SELECT * FROM orders WHERE status = 'open';
INSERT INTO customer (email, country, deleted_at, data)
    SELECT 'User' || n || '@example.com', CASE WHEN n % 100 = 0 THEN 'CH' ELSE 'US' END,
        CASE WHEN n % 200 = 0 THEN timestamp '2024-01-01' + n * interval '1 minute' END,
        jsonb_build_object('ref', n, 'kind', n % 3) FROM generate_series(1, 20000) n;
INSERT INTO orders (customer_id, status, created_at, total, note)
    SELECT 1 + n * 7919 % 20000, CASE WHEN n % 500 = 0 THEN 'open' ELSE 'paid' END,
        timestamp '2024-01-01' + n * interval '5 minutes', n % 1000, repeat('a note ', 10) || n
    FROM generate_series(1, 60000) n;
INSERT INTO app."Line" SELECT n / 3, n % 3, 1 FROM generate_series(3, 60000) n;
INSERT INTO event SELECT n, date '2023-01-01' + n % 700, 'kind ' || n % 3000 FROM generate_series(1, 60000) n;
"""


@pytest.fixture(scope="module")
def dsn(postgresql: PostgreSQL) -> Iterator[str]:
    """A database with all that has to be survived, in which text is not sorted by bytes."""
    with psycopg.connect(postgresql.url, autocommit=True) as admin:
        admin.execute(
            "CREATE DATABASE advised TEMPLATE template0 ENCODING UTF8 LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'"
        )
    address = postgresql.url.replace("/postgres", "/advised")
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(SCHEMA)
        connection.execute("VACUUM (ANALYZE)")
    yield address
    with psycopg.connect(postgresql.url, autocommit=True) as admin:
        admin.execute("DROP DATABASE advised WITH (FORCE)")


@pytest.fixture(scope="module")
def advise(dsn: str) -> Iterator[Callable[..., IndexAdvice]]:
    """Advises on the database, by a clone on a server that all tests share; checks that the clone is left as it was."""
    with run_local_server() as server:

        def advise(
            *statements: tuple[int, str], options: IndexOptions = OPTIONS, address: str = dsn, **more: object
        ) -> IndexAdvice:
            with open_database(address) as database, clone_database(database, onto=server.dsn()) as clone:
                before = read_catalogue(clone.database.connection)
                record = workload(*statements, **more)
                advice = advise_indexes(database, record, clone=clone.database, options=options)
                after = read_catalogue(clone.database.connection)
            assert _index_names(before) == _index_names(after)
            return advice

        yield advise


def _index_names(catalogue: Catalogue) -> dict[object, list[str]]:
    return {key: sorted(index.name for index in table.indexes) for key, table in catalogue.tables.items()}


def workload(*statements: tuple[int, str], **more: object) -> WorkloadRecord:
    found = []
    for calls, sql in statements:
        word = sql.split()[0].lower()
        kind = word if word in ("insert", "update", "delete") else "select"
        found.append(WorkloadStatement(fingerprint=sql, sql=sql, kind=kind, calls=calls, **more))  # type: ignore[arg-type]
    return WorkloadRecord(environment=current_environment(), dialect="postgresql", source="sql", statements=found)


def lines(advice: IndexAdvice) -> list[str]:
    return [each.create_sql.split(" ON ")[1] for each in advice.advised]


def only(advice: IndexAdvice) -> AdvisedIndex:
    [advised] = advice.advised
    return advised


def test_an_index_comes_with_all_that_was_measured(advise: Advise) -> None:
    advice = advise(
        (1000, "SELECT * FROM orders WHERE customer_id = $1 ORDER BY created_at DESC LIMIT 10"),
        (10, "INSERT INTO orders (customer_id, status, created_at, total, note) VALUES ($1, $2, $3, $4, $5)"),
        (10, "UPDATE orders SET customer_id = $1 WHERE id = $2"),
    )
    advised = only(advice)
    assert advised.keys[0] == "customer_id"
    assert advised.create_sql.startswith("CREATE INDEX CONCURRENTLY orders_customer_id")
    assert advised.drop_sql == f"DROP INDEX CONCURRENTLY public.{advised.name}"
    assert advised.cost_after < advised.cost_before / 10
    assert advised.buffers_after is not None
    assert advised.buffers_before is not None
    assert advised.buffers_after < advised.buffers_before
    assert advised.size_bytes > 100_000
    assert advised.build_seconds > 0
    assert advised.statements[0].buffers_after is not None
    assert advised.statements[0].buffers_after < 20
    assert "customer_id is compared with =" in advised.reason
    bill = advised.write_bill
    assert (bill.source, bill.update_source) == ("held back", "generated")
    assert bill.beside == []
    assert bill.why_not is None
    assert bill.insert_us is not None
    assert bill.insert_wal_bytes is not None
    assert 30 < bill.insert_wal_bytes < 200
    assert bill.update_us is not None
    assert bill.lost_hot_share == 1.0
    assert bill.lost_hot_columns == ["customer_id"]
    assert advice.checked_with == "HypoPG"
    assert "statistics" in advice.values
    assert advice.left_out == []


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("SELECT id FROM customer WHERE lower(email) = $1", "public.customer ((LOWER(email)))"),
        ("SELECT * FROM customer WHERE email LIKE 'User77%'", "public.customer (email text_pattern_ops)"),
        ("SELECT * FROM customer WHERE email LIKE '%er777%'", "public.customer USING gin (email gin_trgm_ops)"),
        ("SELECT * FROM customer WHERE data @> $1", "public.customer USING gin (data jsonb_path_ops)"),
        (
            "SELECT * FROM orders WHERE status = 'open' ORDER BY created_at LIMIT 500",
            "public.orders (created_at) WHERE status = 'open'",
        ),
        ('SELECT * FROM app."Line" WHERE "No" = $1 AND price > 5', 'app."Line" (price)'),
    ],
)
def test_kinds_of_indexes(advise: Advise, sql: str, wanted: str) -> None:
    advice = advise((100, sql))
    assert any(line.startswith(wanted) for line in lines(advice)), lines(advice)


def test_a_partitioned_table_gets_its_index_without_concurrently(advise: Advise) -> None:
    advised = only(advise((100, "SELECT id FROM event WHERE kind = $1")))
    assert advised.create_sql.startswith("CREATE INDEX event_kind")
    assert advised.size_bytes > 100_000


def test_a_view_is_seen_through(advise: Advise) -> None:
    advised = only(advise((100, "SELECT * FROM open_order WHERE created_at > '2024-07-01'")))
    assert advised.table == "orders"


def test_a_sequential_scan_can_be_right(advise: Advise) -> None:
    advice = advise(
        (5, "SELECT count(*) FROM customer WHERE country = 'US' AND loud <> ''"), (5, "SELECT * FROM empty WHERE x = 1")
    )
    assert advice.advised == []
    told = {scan.table: scan.reason for scan in advice.sequential_scans}
    assert "of the rows are wanted" in told["public.customer"]
    assert "empty" in told["public.empty"]


def test_a_table_of_another_schema_is_not_taken_for_its_namesake(dsn: str, advise: Advise) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA other; CREATE TABLE other.empty AS SELECT x FROM generate_series(1, 5000) x")
        connection.execute("ANALYZE other.empty")
        try:
            advice = advise((5, "SELECT * FROM other.empty"))
        finally:
            connection.execute("DROP SCHEMA other CASCADE")
    assert [scan.table for scan in advice.sequential_scans] == ["other.empty"]


def test_what_cannot_be_judged_is_said_without_values(advise: Advise) -> None:
    advice = advise(
        (1, "SELECT FROM WHERE nonsense"),
        (1, "SELECT * FROM nowhere WHERE x = 'secret'"),
        (1, "VACUUM customer"),
        (1, "SELECT no_such_column FROM customer WHERE id = 'secret'"),
        (100, f"SELECT id FROM orders WHERE customer_id IN ({', '.join(f'${n}' for n in range(1, 5001))})"),
    )
    # An index for the last one may be there as well, which was measured and does not pay.
    assert len([each for each in advice.left_out if not each.startswith("CREATE INDEX")]) == 4
    # What stands before the colon is the fingerprint, here the statement itself.
    assert "secret" not in " ".join(each.rpartition(": ")[2] for each in advice.left_out)
    assert advice.statements == 1


def test_kept_values_are_used_and_never_shown(advise: Advise) -> None:
    rows = [[Parameter(type="int", value=4242)]]
    advice = advise((100, "SELECT * FROM orders WHERE customer_id = %s"), parameters=rows)
    assert only(advice).keys == ["customer_id"]
    assert advice.values == ""
    assert "4242" not in str(advice)


def test_without_hypopg_candidates_are_built(advise: Advise, monkeypatch: pytest.MonkeyPatch) -> None:
    from perfloop.database.indexes.what_if import WhatIf

    created = WhatIf._create_extension
    monkeypatch.setattr(
        WhatIf, "_create_extension", lambda self, name: False if name == "hypopg" else created(self, name)
    )
    advice = advise((100, "SELECT total FROM orders WHERE customer_id = $1"))
    assert only(advice).keys[0] == "customer_id"
    assert advice.checked_with == "built indexes"
    assert any("HypoPG" in note for note in advice.notes)


def test_a_budget_of_size_is_kept(advise: Advise) -> None:
    statement = (100, "SELECT total FROM orders WHERE customer_id = $1")
    assert advise(statement, options=IndexOptions(size_budget=8192)).advised == []


def test_a_reader_without_rights_to_write_is_enough(dsn: str, advise: Advise) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        with contextlib.suppress(psycopg.errors.DuplicateObject):
            connection.execute("CREATE USER reader")
        connection.execute("GRANT pg_read_all_data TO reader")
    reader = dsn.replace("perfloop@", "reader@")
    assert lines(advise((9, "SELECT * FROM orders WHERE customer_id = $1"), address=reader))


def test_existing_indexes_are_neither_advised_nor_kept_for_nothing(dsn: str, advise: Advise) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE INDEX by_customer ON orders (customer_id)")
        connection.execute("CREATE INDEX by_customer_again ON orders (customer_id)")
    try:
        advice = advise((100, "SELECT * FROM orders WHERE customer_id = $1"))
    finally:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("DROP INDEX by_customer, by_customer_again")
    assert advice.advised == []
    [found] = advice.droppable
    assert (found.kind, found.covered_by) == ("duplicate", "by_customer_again")
    assert found.workload_cost_change == pytest.approx(0, abs=1e-6)


def test_another_databases_workload_is_refused(dsn: str) -> None:
    record = WorkloadRecord(environment=current_environment(), dialect="sqlite", source="sql", statements=[])
    with open_database(dsn) as database, pytest.raises(ConfigurationError, match="Expected a workload of postgresql"):
        advise_indexes(database, record, clone=database)
