"""The proof on a real PostgreSQL: the same pairs as on SQLite, and what only a server has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from perfloop.database import Database, Limits, open_database
from perfloop.database.rewrites import ProofOptions, advise_statement, prove
from tests.unit.database.rewrites.pairs import OPTIMISED, RIGHT, SCHEMA, WRONG, Pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.postgresql import PostgreSQL

pytestmark = pytest.mark.services

NAMESPACE = "rewrites"


@pytest.fixture(scope="module")
def server(postgresql: PostgreSQL) -> Iterator[PostgreSQL]:
    with psycopg.connect(postgresql.url, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA IF EXISTS {NAMESPACE} CASCADE; CREATE SCHEMA {NAMESPACE}")
        connection.execute(f"SET search_path = {NAMESPACE}; {SCHEMA}")
        connection.execute(
            """
            INSERT INTO customers SELECT n, 'user' || n || '@gmail.com', 'c' || n % 7, n, '2024-01-01', NULL
            FROM generate_series(1, 500) n;
            INSERT INTO orders SELECT n, n % 400 + 1, 'paid', n % 97, NULL, '2024-03-10'
            FROM generate_series(1, 3000) n;
            CREATE SCHEMA "Other Shop";
            CREATE TYPE "Other Shop".colour AS ENUM ('red', 'green');
            CREATE DOMAIN "Other Shop".positive AS integer CHECK (VALUE > 0);
            CREATE TABLE "Other Shop"."Cars" ("Id" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                paint "Other Shop".colour, price "Other Shop".positive NOT NULL,
                gross integer GENERATED ALWAYS AS (price * 2) STORED, tags jsonb, plate char(6));
            CREATE VIEW "Other Shop".dear AS SELECT "Id", price FROM "Other Shop"."Cars" WHERE price > 10;
            ANALYZE;
            """
        )
        yield postgresql
        connection.execute(f'DROP SCHEMA {NAMESPACE}, "Other Shop" CASCADE')


@pytest.fixture
def clone(server: PostgreSQL) -> Iterator[Database]:
    with opened(server) as database:
        yield database


def opened(server: PostgreSQL, limits: Limits | None = None) -> Database:
    return open_database(f"{server.url}?options=-c%20search_path%3D{NAMESPACE}", writable=True, limits=limits)


def on_postgresql(pairs: tuple[Pair, ...]) -> list[Pair]:
    return [pair for pair in pairs if pair.only in (None, "postgresql")]


@pytest.mark.parametrize("pair", on_postgresql(RIGHT), ids=lambda pair: pair.name)
def test_a_right_rewrite_is_not_rejected(clone: Database, pair: Pair) -> None:
    proof = prove(clone, pair.original, pair.rewrite.format(None, "$1", "$2"), measured=False)
    assert proof.verdict == "no difference", proof
    assert proof.answered_rows > 0


@pytest.mark.parametrize("pair", on_postgresql(WRONG + OPTIMISED), ids=lambda pair: pair.name)
def test_a_wrong_rewrite_is_rejected_with_a_counterexample(clone: Database, pair: Pair) -> None:
    proof = prove(clone, pair.original, pair.rewrite.format(None, "$1", "$2"), measured=False)
    assert proof.verdict == "rejected", proof
    assert proof.counterexample is not None


@pytest.mark.parametrize(
    ("original", "rewrite"),
    [
        ("CAST(at AS date) = '2024-03-10'", "at >= '2024-03-10 00:00+00' AND at < '2024-03-11 00:00+00'"),
        ("CAST(at AS timestamp) > '2024-03-10 12:00'", "at > '2024-03-10 12:00+00'"),
        ("at + interval '1 day' > '2024-03-31 12:00'", "at + interval '24 hours' > '2024-03-31 12:00'"),
        ("at > '2024-03-10'", "at BETWEEN '2024-03-10 00:00:00.000001' AND '9999-12-31'"),
        ("score >= 0", "score BETWEEN 0 AND 'Infinity'"),
        ("score = 0", "CAST(score AS text) = '0'"),
        ("plate = 'ab'", "plate LIKE 'ab'"),
        ("plate = 'ab '", "CAST(plate AS text) = 'ab '"),
    ],
)
def test_what_depends_on_the_time_zone_or_on_odd_values_is_rejected(
    server: PostgreSQL, original: str, rewrite: str
) -> None:
    with opened(server) as clone:
        clone.rows(
            "CREATE TABLE IF NOT EXISTS passages (id integer PRIMARY KEY, at timestamptz, score float8, plate char(5))"
        )
        sql = "SELECT id FROM passages WHERE "
        right = prove(clone, sql + original, f"{sql}({original}) IS TRUE", measured=False)
        wrong = prove(clone, sql + original, sql + rewrite, measured=False)
    assert right.verdict == "no difference", right
    assert wrong.verdict == "rejected", wrong
    assert wrong.counterexample is not None


def test_it_is_measured_on_the_clone_with_the_index_it_needs_and_leaves_nothing(
    clone: Database,
) -> None:
    def state() -> list[Any]:
        return clone.connection.execute(
            "SELECT nspname::text FROM pg_namespace UNION ALL SELECT relname FROM pg_class ORDER BY 1"
        ).fetchall()

    before = state()
    proof = prove(
        clone,
        "SELECT id FROM customers WHERE email LIKE '%7@gmail.com'",
        "SELECT id FROM customers WHERE reverse(email) LIKE 'moc.liamg@7%'",
        needs=["CREATE INDEX customers_email_reversed ON customers (reverse(email) text_pattern_ops)"],
    )
    assert proof.verdict in ("faster", "slower", "no difference", "not enough data")
    assert proof.snapshot_rows == 50
    assert proof.before_buffers is not None
    assert proof.after_buffers is not None
    assert proof.after_buffers < 60
    assert proof.ratio is not None
    assert state() == before


def test_other_schemas_quoted_names_enumerations_domains_and_views(clone: Database) -> None:
    engine = clone
    asked = """SELECT "Id" FROM "Other Shop"."Cars" WHERE paint = 'red' AND price > 10"""
    right = """SELECT c."Id" FROM "Other Shop"."Cars" c JOIN "Other Shop".dear d ON d."Id" = c."Id"
               WHERE c.paint = 'red'"""
    assert prove(engine, asked, right, measured=False).verdict == "no difference"
    proof = prove(engine, asked, right.replace("JOIN", "LEFT JOIN"), measured=False)
    assert proof.verdict == "rejected"
    assert proof.counterexample is not None
    assert list(proof.counterexample.tables) == ["Other Shop.Cars"]


def test_padding_generated_columns_and_json(clone: Database) -> None:
    engine = clone
    cars = '"Other Shop"."Cars"'
    wrong = [
        (f"SELECT price FROM {cars} WHERE plate = 'A'", f"SELECT price FROM {cars} WHERE plate::text LIKE 'A '"),
        (f"SELECT price FROM {cars} WHERE gross > 10", f"SELECT price FROM {cars} WHERE price > 6"),
        (f"SELECT price FROM {cars} WHERE tags ->> 'a' = '1'", f"SELECT price FROM {cars} WHERE tags ? 'a'"),
    ]
    for original, rewrite in wrong:
        assert prove(engine, original, rewrite, measured=False).verdict == "rejected", rewrite
    same = f"SELECT price FROM {cars} WHERE price > 5"
    assert prove(engine, f"SELECT price FROM {cars} WHERE gross > 10", same, measured=False).verdict == "no difference"


def test_functions_that_the_server_calls_volatile_are_not_provable(clone: Database) -> None:
    clone.connection.execute("CREATE FUNCTION pg_temp.price() RETURNS integer LANGUAGE sql AS 'SELECT 1'")
    sql = "SELECT id FROM orders WHERE total > pg_temp.price()"
    proof = prove(clone, sql, sql)
    assert proof.verdict == "not provable"
    assert "price() is volatile" in proof.reason


def test_a_lock_held_by_somebody_is_waited_for_a_while_and_said(
    server: PostgreSQL,
) -> None:
    with psycopg.connect(server.url, application_name="migration") as other, opened(server, Limits(lock=2.0)) as clone:
        other.execute(f"LOCK TABLE {NAMESPACE}.orders IN ACCESS EXCLUSIVE MODE")
        proof = prove(clone, "SELECT id FROM orders", "SELECT id FROM orders WHERE true")
    assert proof.verdict == "not provable"
    assert "lock" in proof.reason
    assert "migration" in proof.reason


def test_a_statement_that_takes_for_ever_is_ended_and_said(server: PostgreSQL) -> None:
    sql = "SELECT count(*) AS n FROM orders a, orders b, orders c WHERE a.total + b.total + c.total > 1"
    with opened(server, Limits(statement=0.3)) as clone:
        proof = prove(clone, sql, sql.replace("> 1", ">= 2"))
    assert proof.verdict == "not enough data"
    assert "each takes more than 0." in proof.reason
    assert any("was cut, A statement was ended after 0.3 s" in each for each in proof.assumptions)


def test_the_one_that_takes_for_ever_is_ended_and_the_other_measured(server: PostgreSQL) -> None:
    quick = "SELECT id FROM orders WHERE total > 50"
    endless = f"{quick} AND (SELECT count(*) FROM orders a, orders b, orders c) >= 0"
    needs = ["CREATE INDEX orders_total ON orders (total)"]
    with opened(server) as clone:
        proof = prove(clone, quick, endless, needs=needs, options=ProofOptions(seconds=1.0))
        assert clone.rows("SELECT count(*) FROM pg_indexes WHERE indexname = 'orders_total'") == [(0,)]
    assert proof.verdict == "slower"
    assert "the rewrite takes more than" in proof.reason
    assert proof.before_ms is not None
    assert proof.after_ms is None
    assert proof.ended_ms is not None


def test_sampled_parameters_are_used_on_the_clone(clone: Database) -> None:
    proof = prove(
        clone,
        "SELECT id FROM orders WHERE customer_id = %s AND total >= %s",
        "SELECT id FROM orders WHERE total >= $2 AND customer_id = $1",
        parameters=[[7, 0], [8, 0]],
        options=ProofOptions(datasets=20),
    )
    assert proof.snapshot_rows == 16


def test_a_user_who_may_not_create_schemas_is_told(server: PostgreSQL, clone: Database) -> None:
    clone.connection.execute("DROP ROLE IF EXISTS reader")
    clone.connection.execute(f"CREATE ROLE reader; GRANT USAGE ON SCHEMA {NAMESPACE} TO reader")
    clone.connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {NAMESPACE} TO reader")
    try:
        clone.connection.execute("SET ROLE reader")
        proof = prove(clone, "SELECT id FROM orders", "SELECT id FROM orders WHERE true")
    finally:
        clone.connection.execute("RESET ROLE; DROP OWNED BY reader; DROP ROLE reader")
    assert proof.verdict == "not provable"
    assert "privilege CREATE" in proof.reason


# What only PostgreSQL's dialect has, or plans otherwise: statement, rule, rewrite.
RULED = [
    (
        "SELECT id FROM customers WHERE email LIKE '%7@gmail.com'",
        "leading-wildcard",
        "SELECT id FROM customers WHERE REVERSE(email) LIKE 'moc.liamg@7%'",
    ),
    ("SELECT id FROM customers WHERE email ILIKE '%gmail%'", "leading-wildcard", None),
    ("SELECT id FROM orders WHERE customer_id = 5.0", "implicit-cast", "SELECT id FROM orders WHERE customer_id = 5"),
    (
        "SELECT id FROM orders WHERE customer_id = %s::numeric",
        None,
        None,
    ),
    (
        "SELECT id FROM orders WHERE EXTRACT(year FROM placed) = 2024",
        "function-on-column",
        "SELECT id FROM orders WHERE placed >= '2024-01-01' AND placed < '2025-01-01'",
    ),
    (
        "SELECT id FROM orders WHERE placed::date > '2024-03-09'",
        "function-on-column",
        "SELECT id FROM orders WHERE placed >= '2024-03-10'",
    ),
    (
        "SELECT id FROM orders WHERE date_trunc('day', placed) = '2024-03-10'",
        "function-on-column",
        "SELECT id FROM orders WHERE placed >= '2024-03-10' AND placed < '2024-03-11'",
    ),
    (
        "SELECT id FROM customers WHERE left(email, 5) = 'user_'",
        "function-on-column",
        "SELECT id FROM customers WHERE email LIKE 'user\\_%'",
    ),
    (
        "SELECT id FROM orders WHERE status = %s ORDER BY id LIMIT %s OFFSET %s",
        "offset-paging",
        "SELECT id FROM orders WHERE status = $1 AND id > %(last_id)s ORDER BY id LIMIT $2",
    ),
    (
        "SELECT id FROM customers WHERE id NOT IN (SELECT customer_id FROM orders WHERE customer_id IS NOT NULL)",
        "not-in-nulls",
        "SELECT id FROM customers WHERE NOT EXISTS(SELECT 1 FROM orders WHERE customer_id IS NOT NULL "
        "AND orders.customer_id = customers.id)",
    ),
]


@pytest.mark.parametrize(("sql", "rule", "rewrite"), RULED, ids=lambda value: str(value)[:60])
def test_a_rule_finds_and_its_rewrite_stands(clone: Database, sql: str, rule: str | None, rewrite: str | None) -> None:
    quick = ProofOptions(datasets=30, rounds=5, seconds=1.0)
    found = advise_statement(clone, sql, clone=clone, options=quick)
    assert [advice.rule for advice in found] == ([rule] if rule else [])
    for advice in found:
        assert advice.rewrite == rewrite
        if rewrite is not None:
            assert advice.proof is not None
            assert advice.proof.verdict in ("faster", "no difference", "slower", "not enough data"), advice.proof
            assert advice.proof.before_buffers is not None


def test_advice_on_a_database_that_is_only_read(server: PostgreSQL) -> None:
    with open_database(f"{server.url}?options=-c%20search_path%3D{NAMESPACE}") as database:
        (advice,) = advise_statement(database, "SELECT id FROM orders WHERE COALESCE(discount, 0) = 5")
    assert advice.rewrite == "SELECT id FROM orders WHERE discount = 5"
    assert advice.proof is not None
    assert "no clone" in advice.proof.reason


def test_texts_that_a_collation_takes_for_equal_are_met_whatever_is_drawn(server: PostgreSQL) -> None:
    with opened(server) as clone:
        clone.rows(
            "CREATE COLLATION IF NOT EXISTS any_case"
            " (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
        )
        clone.rows("CREATE TABLE IF NOT EXISTS labels (id integer PRIMARY KEY, name text COLLATE any_case)")
        for seed in range(6):
            proof = prove(
                clone,
                "SELECT count(*) AS n FROM labels GROUP BY name",
                'SELECT count(*) AS n FROM labels GROUP BY name COLLATE "C"',
                measured=False,
                options=ProofOptions(seed=seed),
            )
            assert proof.verdict == "rejected", (seed, proof)


@pytest.mark.parametrize(
    ("original", "rewrite", "verdict"),
    [
        ("tags @> ARRAY['a']", "'a' = ANY (tags)", "no difference"),
        ("tags @> ARRAY['a']", "tags && ARRAY['a', 'b']", "rejected"),
        ("tags = '{a,b}'", "tags @> '{a,b}'", "rejected"),
        ("NOT 'a' = ANY (tags)", "'a' <> ALL (tags)", "no difference"),
        ("NOT 'a' = ANY (tags)", "NOT coalesce('a' = ANY (tags), false)", "rejected"),
        ("counts[1] = 1", "1 = ANY (counts)", "rejected"),
        ("cardinality(counts) = 2", "array_length(counts, 1) = 2", "no difference"),
        ("cardinality(counts) = 0", "array_length(counts, 1) = 0", "rejected"),
    ],
)
def test_arrays(server: PostgreSQL, original: str, rewrite: str, verdict: str) -> None:
    with opened(server) as clone:
        clone.rows(
            "CREATE TABLE IF NOT EXISTS tagged"
            " (id integer PRIMARY KEY, tags text[] NOT NULL, counts integer[] NOT NULL)"
        )
        sql = "SELECT id FROM tagged WHERE "
        proof = prove(clone, sql + original, sql + rewrite, measured=False)
    assert proof.verdict == verdict, proof


def test_collected_arrays_are_proven_where_their_order_leaves_no_ties(clone: Database) -> None:
    original = "SELECT order_id, array_agg(product ORDER BY number) AS p FROM lines GROUP BY order_id"
    right = (
        "SELECT o.order_id, ARRAY(SELECT l.product FROM lines l WHERE l.order_id = o.order_id ORDER BY l.number) AS p "
        "FROM (SELECT DISTINCT order_id FROM lines) o"
    )
    assert prove(clone, original, right, measured=False).verdict == "no difference"
    assert prove(clone, original, right.replace("ORDER BY l.number", ""), measured=False).verdict != "no difference"
    assert prove(clone, original, right.replace("l.number)", "l.number DESC)"), measured=False).verdict == "rejected"
