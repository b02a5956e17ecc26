"""Every rule: what it finds, what it leaves alone, and that the proof agrees with what it offers."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from perfloop.database import Database, open_database
from perfloop.database.rewrites import RULES, ProofOptions, advise_queries, advise_statement
from perfloop.exceptions import DatabaseFailed, UnreadableStatement
from perfloop.records import Parameter, WorkloadRecord, WorkloadStatement, current_environment

from .pairs import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfloop.records.query_advice import QueryAdvice

QUICK = ProofOptions(datasets=30, rounds=5, seconds=1.0)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    path = tmp_path_factory.mktemp("rules") / "shop.sqlite3"
    connection = sqlite3.connect(path)
    connection.executescript(SCHEMA + "CREATE TABLE notes (id integer PRIMARY KEY, title text, body text);")
    connection.executemany(
        "INSERT INTO customers VALUES (?, ?, ?, ?, '2024-01-01 00:00:00', NULL)",
        [(n, f"user{n}@gmail.com", f"c{n % 7}", n % 50) for n in range(300)],
    )
    connection.executemany(
        "INSERT INTO orders VALUES (?, ?, 'paid', ?, NULL, ?)",
        [(n, n % 200, n % 97, f"2024-03-{n % 28 + 1:02d} 10:00:00") for n in range(1200)],
    )
    connection.execute("INSERT INTO notes VALUES (1, 'a', ?)", ("x" * 4000,))
    connection.commit()
    connection.close()
    with open_database(str(path), writable=True) as database:
        yield database


# Statement, rule, rewrite (None: there is none), the proof's answer (None: not asked).
FOUND = [
    ("SELECT id FROM customers WHERE email LIKE '%@gmail.com'", "leading-wildcard", None),
    ("SELECT id FROM customers WHERE city LIKE '_ome'", "leading-wildcard", None),
    (
        "SELECT id FROM orders WHERE COALESCE(discount, 0) = 0",
        "function-on-column",
        "SELECT id FROM orders WHERE (discount = 0 OR discount IS NULL)",
    ),
    (
        "SELECT id FROM orders WHERE COALESCE(discount, 0) = 5",
        "function-on-column",
        "SELECT id FROM orders WHERE discount = 5",
    ),
    (
        "SELECT id FROM orders WHERE date(placed) = '2024-02-29'",
        "function-on-column",
        "SELECT id FROM orders WHERE placed >= '2024-02-29' AND placed < '2024-03-01'",
    ),
    (
        "SELECT id FROM orders WHERE '2024-03-10' >= date(placed)",
        "function-on-column",
        "SELECT id FROM orders WHERE placed < '2024-03-11'",
    ),
    (
        "SELECT id FROM orders WHERE total - 5 < 10 AND status = 'paid'",
        "function-on-column",
        "SELECT id FROM orders WHERE total < 15 AND status = 'paid'",
    ),
    (
        "SELECT id FROM customers WHERE substr(email, 1, 5) = 'user1'",
        "function-on-column",
        "SELECT id FROM customers WHERE email GLOB 'user1*'",
    ),
    ("SELECT id FROM customers WHERE lower(email) = 'a@b'", "function-on-column", None),
    (
        "SELECT id FROM orders WHERE CAST(customer_id AS text) = '5'",
        "implicit-cast",
        "SELECT id FROM orders WHERE customer_id = 5",
    ),
    (
        "SELECT status FROM orders WHERE status = 'new' OR customer_id = 3",
        "or-across-columns",
        "SELECT status FROM orders WHERE status = 'new' UNION ALL SELECT status FROM orders "
        "WHERE (customer_id = 3 AND NOT (status = 'new') IS TRUE)",
    ),
    (
        "SELECT id, placed FROM orders ORDER BY placed DESC, id DESC LIMIT 20 OFFSET 100",
        "offset-paging",
        "SELECT id, placed FROM orders WHERE (placed, id) < (:last_placed, :last_id) "
        "ORDER BY placed DESC, id DESC LIMIT 20",
    ),
    (
        "SELECT id FROM orders WHERE status = ? ORDER BY id LIMIT ? OFFSET ?",
        "offset-paging",
        "SELECT id FROM orders WHERE status = :p1 AND id > :last_id ORDER BY id LIMIT :p2",
    ),
    ("SELECT id FROM orders ORDER BY placed LIMIT 20 OFFSET 100", "offset-paging", None),
    ("SELECT id FROM orders ORDER BY placed DESC, id LIMIT 20 OFFSET 100", "offset-paging", None),
    (
        "SELECT id FROM orders WHERE id NOT IN (SELECT order_id FROM lines)",
        "not-in-nulls",
        "SELECT id FROM orders WHERE NOT EXISTS(SELECT 1 FROM lines WHERE lines.order_id = orders.id)",
    ),
    (
        "SELECT DISTINCT c.* FROM customers c JOIN orders o ON c.id = o.customer_id WHERE o.total > 9 AND c.credit > 1",
        "distinct-join",
        "SELECT c.* FROM customers AS c WHERE c.credit > 1 AND EXISTS(SELECT 1 FROM orders AS o "
        "WHERE c.id = o.customer_id AND o.total > 9)",
    ),
    (
        "SELECT DISTINCT c.city FROM customers c JOIN orders o ON c.id = o.customer_id",
        "distinct-join",
        "SELECT DISTINCT c.city FROM customers AS c WHERE EXISTS(SELECT 1 FROM orders AS o WHERE c.id = o.customer_id)",
    ),
    (
        "SELECT c.id, (SELECT count(*) FROM orders o WHERE o.customer_id = c.id) AS n FROM customers c",
        "correlated-subquery",
        "SELECT c.id, COALESCE(grouped_2.value, 0) AS n FROM customers AS c LEFT JOIN "
        "(SELECT o.customer_id AS key, COUNT(*) AS value FROM orders AS o GROUP BY o.customer_id) AS grouped_2 "
        "ON grouped_2.key = c.id",
    ),
    (
        "SELECT id FROM customers c WHERE 0 < (SELECT count(o.discount) FROM orders o WHERE o.customer_id = c.id)",
        "count-for-existence",
        "SELECT id FROM customers AS c WHERE EXISTS(SELECT 1 FROM orders AS o WHERE o.customer_id = c.id "
        "AND NOT o.discount IS NULL)",
    ),
    (
        "SELECT count(*) = 0 AS none FROM orders WHERE total > 5",
        "count-for-existence",
        "SELECT NOT EXISTS(SELECT 1 FROM orders WHERE total > 5) AS none",
    ),
    (f"SELECT id FROM orders WHERE id IN ({', '.join(map(str, range(60)))})", "in-list", None),
    ("SELECT * FROM notes WHERE id = 1", "select-star", None),
]


@pytest.mark.parametrize(("sql", "rule", "rewrite"), FOUND, ids=lambda value: str(value)[:60])
def test_a_rule_finds_and_its_rewrite_stands(shop: Database, sql: str, rule: str, rewrite: str | None) -> None:
    (advice,) = advise_statement(shop, sql, clone=shop, options=QUICK)
    assert advice.rule == rule
    assert advice.rewrite == rewrite
    assert advice.what
    assert advice.where
    assert advice.evidence
    assert advice.costs or rewrite is None
    if rewrite is None:
        assert advice.proof is None
    else:
        assert advice.proof is not None
        assert advice.proof.verdict in ("faster", "no difference", "slower", "not enough data"), advice.proof
        assert advice.proof.answered_rows > 0


# Every rule but the one that needs the workload's own figures.
def test_every_rule_has_its_case() -> None:
    assert {rule for _, rule, _ in FOUND} | {"missing-limit"} == {rule.name for rule in RULES}
    assert len({rule.name for rule in RULES}) == len(RULES)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM customers WHERE email LIKE 'user%'",
        "SELECT id FROM customers WHERE email LIKE '%'",
        "SELECT id FROM customers WHERE email LIKE ?",
        "SELECT id FROM customers WHERE email = lower('A@B')",
        "SELECT lower(email) AS l FROM customers",
        "SELECT id FROM orders WHERE customer_id = '5'",
        "SELECT id FROM orders WHERE total = 5 OR total = 6",
        "SELECT id FROM orders ORDER BY id LIMIT 20 OFFSET 0",
        "SELECT id FROM orders ORDER BY id LIMIT 20",
        "SELECT id FROM orders WHERE id IN (SELECT order_id FROM lines)",
        "SELECT DISTINCT c.id, o.id FROM customers c JOIN orders o ON c.id = o.customer_id",
        "SELECT DISTINCT city FROM customers",
        "SELECT c.id, (SELECT max(total) FROM orders) AS m FROM customers c",
        "SELECT count(*) AS n FROM orders",
        "SELECT id FROM customers c WHERE (SELECT count(*) FROM orders o WHERE o.customer_id = c.id) > 3",
        "SELECT id FROM orders WHERE id IN (1, 2, 3)",
        "SELECT id, title FROM notes",
        "SELECT * FROM lines",
        "SELECT count(*) AS n FROM notes",
    ],
)
def test_what_is_well_asked_gets_no_advice(shop: Database, sql: str) -> None:
    assert advise_statement(shop, sql) == []


def test_not_in_that_may_meet_a_null_is_shown_with_the_row_that_shows_it(shop: Database) -> None:
    sql = "SELECT id FROM customers WHERE id NOT IN (SELECT customer_id FROM orders)"
    (advice,) = advise_statement(shop, sql, clone=shop, options=QUICK)
    assert advice.proof is not None
    assert advice.proof.verdict == "rejected"
    assert advice.proof.counterexample is not None
    orders = advice.proof.counterexample.tables["orders"]
    assert [row["customer_id"] for row in orders] == ["NULL"]
    assert [each.exact for each in advice.alternatives] == [False]


def test_an_expression_index_that_is_there_ends_the_advice(shop: Database) -> None:
    shop.connection.execute("CREATE INDEX customers_lower ON customers (lower(email))")
    try:
        assert advise_statement(shop, "SELECT id FROM customers WHERE lower(email) = 'a@b'") == []
    finally:
        shop.connection.execute("DROP INDEX customers_lower")


def test_a_name_that_hides_another_gets_no_rewrite(shop: Database) -> None:
    (advice,) = advise_statement(
        shop, "SELECT id FROM customers WHERE id NOT IN (SELECT referrer_id FROM customers WHERE referrer_id > 0)"
    )
    assert advice.rule == "not-in-nulls"
    assert advice.rewrite is None


def test_a_statement_that_writes_is_advised_but_never_rewritten(shop: Database) -> None:
    before = shop.rows("SELECT count(*) FROM orders")
    (advice,) = advise_statement(shop, "DELETE FROM orders WHERE COALESCE(discount, 0) = 0", clone=shop)
    assert (advice.rule, advice.rewrite, advice.proof) == ("function-on-column", None, None)
    assert shop.rows("SELECT count(*) FROM orders") == before


def test_the_place_is_the_part_of_the_statement_that_is_meant(shop: Database) -> None:
    (advice,) = advise_statement(shop, "SELECT id\nFROM orders\n  WHERE COALESCE(discount, 0) = 5")
    assert advice.where == "COALESCE(discount, 0) = 5"
    assert advice.position == (3, 9)


def test_bad_input_is_said(shop: Database) -> None:
    with pytest.raises(UnreadableStatement, match="cannot be parsed"):
        advise_statement(shop, "SELEC 1")
    with pytest.raises(UnreadableStatement, match="found 2"):
        advise_statement(shop, "SELECT 1; SELECT 2")
    with pytest.raises(UnreadableStatement, match="200,000 characters"):
        advise_statement(shop, "SELECT " + "1 + " * 60_000 + "1")
    with pytest.raises(DatabaseFailed, match="there is none"):
        advise_statement(shop, "SELECT id FROM nowhere")


def test_five_thousand_parameters_are_advised_on(shop: Database) -> None:
    (advice,) = advise_statement(shop, f"SELECT id FROM orders WHERE id IN ({', '.join('?' * 5000)})", clone=shop)
    assert advice.rule == "in-list"
    assert "5,000 values" in advice.what
    assert len(advice.where) <= 200


def test_a_workload_is_advised_on_statement_by_statement(shop: Database) -> None:
    def statement(sql: str, rows: int = 0, parameters: list[list[Parameter]] | None = None) -> WorkloadStatement:
        return WorkloadStatement(
            fingerprint=sql, sql=sql, kind="select", calls=10, total_ms=5.0, rows=rows, parameters=parameters or []
        )

    day = [[Parameter(type="int", value=7)], [Parameter(type="int")]]  # the second is redacted
    workload = WorkloadRecord(
        environment=current_environment(),
        dialect="sqlite",
        source="sql",
        statements=[
            statement("SELECT id FROM orders WHERE total + 1 = 5 AND customer_id = ?", parameters=day),
            statement("SELECT id FROM orders", rows=12_000),
            statement("SELECT id FROM gone"),
        ],
    )
    left_out: list[str] = []
    found: list[QueryAdvice] = advise_queries(shop, workload, clone=shop, options=QUICK, left_out=left_out)
    assert [advice.rule for advice in found] == ["function-on-column", "missing-limit"]
    assert found[0].proof is not None
    assert found[0].proof.snapshot_rows == 0
    assert "1,200 rows a call" in found[1].what
    assert (found[0].calls, found[0].total_ms) == (10, 5.0)
    assert len(left_out) == 1
    assert "there is none" in left_out[0]
    (unproven, _) = advise_queries(shop, workload)
    assert unproven.proof is not None
    assert unproven.proof.verdict == "not provable"
    assert "no clone" in unproven.proof.reason


def _captured(sql: str, *executions: list[object]) -> WorkloadRecord:
    parameters = [[Parameter(type=type(value).__name__, value=value) for value in each] for each in executions]
    statement = WorkloadStatement(fingerprint=sql, sql=sql, kind="select", calls=10, parameters=parameters)
    return WorkloadRecord(environment=current_environment(), dialect="sqlite", source="service", statements=[statement])


def test_a_page_is_measured_at_an_offset_that_was_asked_for(shop: Database) -> None:
    sql = "SELECT id FROM orders ORDER BY id LIMIT CAST(? AS INTEGER) OFFSET CAST(? AS INTEGER)"
    for executions, told in (
        ([[20, 0], [20, 700], [20, 900]], "skips 700 rows, by the middle one of the values captured"),
        ([[20, 0]], "skips as many rows as a parameter says, whose values are not known: tried with 1,000"),
    ):
        (advice,) = advise_queries(shop, _captured(sql, *executions), clone=shop, options=QUICK)
        assert advice.rule == "offset-paging"
        assert advice.evidence[0] == told
        assert advice.proof is not None
        assert advice.proof.verdict in ("faster", "no difference", "not enough data")


def test_a_captured_pattern_that_begins_with_a_wildcard_is_told_without_its_text(shop: Database) -> None:
    sql = "SELECT id FROM customers WHERE email LIKE ? ESCAPE ?"
    (advice,) = advise_queries(shop, _captured(sql, ["%secret%", "!"], ["_other", "!"]), clone=shop)
    assert advice.rule == "leading-wildcard"
    assert advice.rewrite is None
    assert "secret" not in repr(advice)
    assert "fts5" in str(advice.alternatives[0].sql)
    assert advise_queries(shop, _captured(sql, ["%secret%", "!"], ["secret%", "!"]), clone=shop) == []
    assert advise_queries(shop, _captured(sql), clone=shop) == []
