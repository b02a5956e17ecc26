"""Which indexes are thought of, and which are not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from perfloop.database.indexes.analysis import analyse
from perfloop.database.indexes.candidates import WeightedAccess, candidates, is_there, single_column_candidates

from .tables import existing, index, shop


def thought_of(*statements: str, byte_order: bool = False, dialect: str = "postgresql") -> list[str]:
    """What stands after the table's name in each CREATE INDEX."""
    catalogue = shop(dialect=dialect, byte_order=byte_order)  # type: ignore[arg-type]
    accesses = [WeightedAccess(access) for sql in statements for access in analyse(sql, catalogue).accesses]
    return [
        each.create_sql(catalogue.dialect).split(" ON ", 1)[1].split(" ", 1)[1].replace("USING gin ", "gin ")
        for each in candidates(accesses, catalogue)
    ]


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("SELECT * FROM orders WHERE customer_id = $1", "(customer_id)"),
        # Equality, then range: whatever their order in the statement.
        ("SELECT * FROM orders WHERE created_at > $1 AND customer_id = $2", "(customer_id, created_at)"),
        # Equality, then order; read backwards for DESC.
        ("SELECT * FROM orders WHERE customer_id = $1 ORDER BY created_at DESC LIMIT 9", "(customer_id, created_at)"),
        ("SELECT * FROM orders ORDER BY created_at DESC, id LIMIT 9", "(created_at DESC, id)"),
        ("SELECT * FROM orders ORDER BY total DESC NULLS LAST LIMIT 9", "(total DESC NULLS LAST)"),
        # Covering.
        ("SELECT total FROM orders WHERE customer_id = $1", "(customer_id) INCLUDE (total)"),
        # Partial, without the predicate's column among the keys.
        ("SELECT * FROM orders WHERE status = 'open' AND customer_id = $1", "(customer_id) WHERE status = 'open'"),
        ("SELECT * FROM orders WHERE status = 'open'", "(id) WHERE status = 'open'"),
        ("SELECT * FROM customer WHERE deleted_at IS NULL AND email = $1", "(email) WHERE deleted_at IS NULL"),
        ("SELECT * FROM customer WHERE NOT active AND email = $1", "(email) WHERE NOT active"),
        # Expressions.
        ("SELECT * FROM customer WHERE lower(email) = $1", "((LOWER(email)))"),
        ("SELECT * FROM customer WHERE data->>'kind' = $1", "((data ->> 'kind'))"),
        # LIKE.
        ("SELECT * FROM customer WHERE name LIKE 'a%'", "(name text_pattern_ops)"),
        ("SELECT * FROM customer WHERE lower(name) LIKE 'a%'", "((LOWER(name)) text_pattern_ops)"),
        ("SELECT * FROM customer WHERE name LIKE '%a%'", "gin (name gin_trgm_ops)"),
        ("SELECT * FROM customer WHERE name LIKE $1", "gin (name gin_trgm_ops)"),
        ("SELECT * FROM customer WHERE name ILIKE 'a%'", "gin (name gin_trgm_ops)"),
        # Documents and arrays.
        ("SELECT * FROM customer WHERE data @> $1", "gin (data jsonb_path_ops)"),
        ("SELECT * FROM customer WHERE data ? 'vip'", "gin (data)"),
        ("SELECT * FROM item WHERE tags && $1", "gin (tags)"),
        # Joins, grouping.
        ("SELECT 1 FROM orders o JOIN item i ON i.order_id = o.id", "(order_id)"),
        ("SELECT status, count(*) FROM orders GROUP BY status", "(status)"),
        ('SELECT * FROM "Mixed" WHERE "Name" = $1', '("Name")'),
    ],
)
def test_a_statement_makes_think_of(sql: str, wanted: str) -> None:
    assert wanted in thought_of(sql)


def test_a_prefix_needs_no_operator_class_where_text_is_sorted_by_bytes() -> None:
    found = thought_of("SELECT * FROM customer WHERE name LIKE 'a%'", byte_order=True)
    assert "(name)" in found
    assert "(name text_pattern_ops)" not in found


def test_an_unknown_pattern_gets_no_prefix_index() -> None:
    assert [each for each in thought_of("SELECT id FROM customer WHERE name LIKE $1") if "text_pattern" in each] == []


def test_the_column_most_statements_compare_leads() -> None:
    found = thought_of(
        "SELECT * FROM orders WHERE customer_id = $1 AND status = $2 AND total > $3",
        "SELECT id FROM orders WHERE status = $1",
        "SELECT note FROM orders WHERE status = $1",
    )
    assert "(status, customer_id, total)" in found
    assert "(customer_id, status, total)" in found  # the other order is tried, too


def test_a_literal_of_many_values_makes_no_partial_index() -> None:
    assert [each for each in thought_of("SELECT * FROM orders WHERE note = 'x' AND id = $1") if "WHERE" in each] == []
    assert [each for each in thought_of("SELECT * FROM orders WHERE total > 5 AND id = $1") if "WHERE" in each] == []


def test_wide_rows_are_not_copied_into_an_index() -> None:
    assert [each for each in thought_of("SELECT * FROM orders WHERE customer_id = $1") if "INCLUDE" in each] == []


def test_two_covering_indexes_are_merged_into_one_for_both() -> None:
    found = thought_of(
        "SELECT total FROM orders WHERE customer_id = $1", "SELECT note FROM orders WHERE customer_id = $1"
    )
    assert "(customer_id) INCLUDE (note, total)" in found


def test_sqlite_has_columns_after_the_keys_in_place_of_include_and_no_gin() -> None:
    found = thought_of("SELECT total FROM orders WHERE customer_id = ? AND note LIKE 'x%'", dialect="sqlite")
    assert "(customer_id, note, total)" in found
    assert "(note COLLATE NOCASE)" in found
    assert [each for each in found if "INCLUDE" in each or "gin" in each] == []


@pytest.mark.parametrize(
    ("held", "there"),
    [
        (index("orders", "customer_id"), True),
        (index("orders", "customer_id", unique=True), True),
        (index("orders", "customer_id", "total"), True),
        (index("orders", "customer_id", include=("total",)), True),
        (index("orders", "total", "customer_id"), False),
        (index("orders", "customer_id", where="status = 'open'"), False),
    ],
)
def test_what_exists_is_not_suggested(held: object, there: bool) -> None:
    assert isinstance(held, type(index("orders", "id")))
    catalogue = shop(existing(held))
    wanted = index("orders", "customer_id")
    assert is_there(wanted, catalogue.tables["public", "orders"]) is there
    [access] = analyse("SELECT * FROM orders WHERE customer_id = $1", catalogue).accesses
    assert (wanted in candidates([WeightedAccess(access)], catalogue)) is not there


def test_an_invalid_index_does_not_count_as_existing() -> None:
    broken = replace(existing(index("orders", "customer_id")), valid=False)
    assert not is_there(index("orders", "customer_id"), shop(broken).tables["public", "orders"])


def test_an_expression_is_recognised_as_the_catalogue_writes_it() -> None:
    held = existing(index("orders", "(lower((note)::text))"))
    assert is_there(index("orders", "(LOWER(note))"), shop(held).tables["public", "orders"])


def test_single_columns_are_plain() -> None:
    found = [index("orders", "id"), index("orders", "id", "total"), index("orders", "id", include=("total",))]
    assert single_column_candidates(found) == [index("orders", "id")]
