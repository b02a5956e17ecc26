"""How statements reach their tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from perfloop.database.indexes.analysis import analyse
from perfloop.database.indexes.scopes import Unparsable

from .tables import shop

if TYPE_CHECKING:
    from perfloop.database.indexes.access import Access

SHOP = shop()


def told(access: Access) -> dict[str, list[str]]:
    """What was found of an access, without columns."""
    found = {
        "equal": [term.sql for term in access.equalities],
        "joined": [term.sql for term in access.joins],
        "range": [term.sql for term in access.ranges],
        "like": [f"{each.term.sql} {each.shape}" for each in access.patterns],
        "contains": [term.sql for term in access.containments],
        "constant": [each.sql for each in access.constants],
        "order": [
            each.term.sql + (" desc" if each.descending else "") + (" nulls first" if each.nulls_first else "")
            for each in access.ordering
        ],
        "group": [term.sql for term in access.grouping],
    }
    return {name: values for name, values in found.items() if values}


def of(sql: str, table: str) -> list[dict[str, list[str]]]:
    return [found for each in analyse(sql, SHOP).accesses if each.table.name == table and (found := told(each))]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM orders WHERE customer_id = $1", {"equal": ["customer_id"]}),
        ("SELECT * FROM orders AS o WHERE $1 = o.customer_id", {"equal": ["customer_id"]}),
        ("SELECT * FROM public.orders WHERE ORDERS.CUSTOMER_ID IN ($1, $2)", {"equal": ["customer_id"]}),
        ("SELECT * FROM orders WHERE customer_id = ANY($1)", {"equal": ["customer_id"]}),
        ("SELECT * FROM orders WHERE (customer_id, total) = ($1, $2)", {"equal": ["customer_id", "total"]}),
        ("SELECT * FROM orders WHERE total > $1 AND $2 >= id", {"range": ["total", "id"]}),
        ("SELECT * FROM orders WHERE total BETWEEN $1 AND $2", {"range": ["total"]}),
        ("SELECT * FROM orders WHERE total NOT BETWEEN $1 AND $2 AND id NOT IN ($3)", {}),
        ("SELECT * FROM orders WHERE (created_at, id) < ($1, $2)", {"range": ["created_at"]}),
        ("SELECT * FROM orders WHERE status = 'open'", {"equal": ["status"], "constant": ["status = 'open'"]}),
        ("SELECT * FROM orders WHERE note LIKE 'a%'", {"like": ["note prefix"], "constant": ["note LIKE 'a%'"]}),
        ("SELECT * FROM orders WHERE note LIKE '%' || $1 || '%'", {"like": ["note infix"]}),
        ("SELECT * FROM orders WHERE note LIKE $1 || '%'", {"like": ["note prefix"]}),
        ("SELECT * FROM orders WHERE note LIKE $1", {"like": ["note unknown"]}),
        ("SELECT * FROM orders WHERE date_trunc('day', created_at) = $1", {"equal": ["DATE_TRUNC('DAY', created_at)"]}),
        ("SELECT * FROM orders ORDER BY created_at DESC LIMIT $1", {"order": ["created_at desc nulls first"]}),
        ("SELECT * FROM orders ORDER BY created_at DESC NULLS LAST, id", {"order": ["created_at desc", "id"]}),
        ("SELECT id, total AS amount FROM orders ORDER BY amount", {"order": ["total"]}),
        ("SELECT id, total FROM orders ORDER BY 2", {"order": ["total"]}),
        ("SELECT max(total) FROM orders WHERE customer_id = $1", {"equal": ["customer_id"], "order": ["total"]}),
        ("SELECT status, count(*) FROM orders GROUP BY status", {"group": ["status"]}),
        ("SELECT status, count(*) AS n FROM orders GROUP BY 1 ORDER BY n", {"group": ["status"]}),
        ("SELECT DISTINCT status FROM orders", {"group": ["status"]}),
        ("UPDATE orders SET total = total + $1 WHERE id = $2", {"equal": ["id"]}),
        ("DELETE FROM orders WHERE created_at < $1", {"range": ["created_at"]}),
    ],
)
def test_one_table(sql: str, expected: dict[str, list[str]]) -> None:
    assert of(sql, "orders") == ([expected] if expected else [])


def test_conditions_on_json_arrays_and_booleans() -> None:
    assert of("SELECT id FROM customer WHERE data @> $1", "customer") == [{"contains": ["data"]}]
    assert of("SELECT id FROM item WHERE tags && $1", "item") == [{"contains": ["tags"]}]
    assert of("SELECT id FROM customer WHERE NOT active", "customer") == [{"constant": ["NOT active"]}]
    [found] = of("SELECT id FROM customer WHERE deleted_at IS NULL AND data->>'kind' = $1", "customer")
    assert found == {"equal": ["deleted_at", "data ->> 'kind'"], "constant": ["deleted_at IS NULL"]}


def test_joins_reach_both_tables_by_their_columns() -> None:
    sql = "SELECT o.id FROM orders o LEFT JOIN item i ON i.order_id = o.id AND i.price > $1 WHERE o.customer_id = $2"
    assert of(sql, "orders") == [{"equal": ["customer_id"], "joined": ["id"]}]
    assert of(sql, "item") == [{"joined": ["order_id"], "range": ["price"]}]
    assert of("SELECT 1 FROM orders JOIN item USING (id)", "item") == [{"joined": ["id"]}]


@pytest.mark.parametrize(
    "condition",
    [
        "EXISTS (SELECT 1 FROM item WHERE item.order_id = o.id AND price > $1)",
        "o.id IN (SELECT order_id FROM item WHERE price > $1)",
        "o.id NOT IN (SELECT i.order_id FROM item i WHERE i.price > $1)",
    ],
)
def test_subqueries_are_resolved_against_the_outer_query(condition: str) -> None:
    [found] = of(f"SELECT o.total FROM orders o WHERE {condition}", "item")
    assert found["range"] == ["price"]
    assert found["joined"] == ["order_id"]


@pytest.mark.parametrize(
    "sql",
    [
        "WITH recent AS (SELECT id, customer_id AS c FROM orders) SELECT id FROM recent WHERE c = $1",
        "SELECT x.id FROM (SELECT * FROM orders) AS x WHERE x.customer_id = $1",
        "SELECT x.id FROM (SELECT y.* FROM (SELECT * FROM orders) y) AS x WHERE x.customer_id = $1",
        "SELECT id FROM customer c, LATERAL (SELECT o.id FROM orders o WHERE o.customer_id = $1) AS l",
    ],
)
def test_conditions_go_through_derived_tables(sql: str) -> None:
    [found] = of(sql, "orders")
    assert found["equal"] == ["customer_id"]


def test_a_view_is_what_it_selects() -> None:
    [found] = of("SELECT number FROM open_order WHERE customer_id = $1 ORDER BY created_at", "orders")
    assert found["equal"] == ["status", "customer_id"]
    assert found["constant"] == ["status = 'open'"]


def test_each_branch_of_an_or_stands_alone_and_what_all_share_for_all() -> None:
    sql = "SELECT id FROM orders WHERE (status = $1 AND total > 5) OR (status = $1 AND customer_id = $2)"
    assert of(sql, "orders") == [
        {"equal": ["status"]},
        {"range": ["total"], "constant": ["total > 5"]},
        {"equal": ["customer_id"]},
    ]


def test_names_are_compared_as_the_database_compares_them() -> None:
    assert of('SELECT "Name" FROM "Mixed" WHERE "Id" = $1', "Mixed") == [{"equal": ['"Id"']}]
    assert analyse("SELECT Name FROM Mixed WHERE Id = $1", SHOP).accesses == ()
    [access] = analyse("SELECT NAME FROM mixed WHERE id = ?", shop(dialect="sqlite")).accesses
    assert told(access) == {"equal": ['"Id"']}


def test_the_search_path_and_other_schemas_decide_which_table_is_meant() -> None:
    [access] = analyse("SELECT id FROM app.orders WHERE x = 1", SHOP).accesses
    assert access.table.schema == "app"
    [access] = analyse("SELECT id FROM orders WHERE id = 1", SHOP).accesses
    assert access.table.schema == "public"


def test_needed_columns_are_those_named_or_all_for_a_star() -> None:
    [access] = analyse("SELECT o.id, upper(o.note) FROM orders o WHERE status = $1 ORDER BY total", SHOP).accesses
    assert access.columns == {"id", "note", "status", "total"}
    [access] = analyse("SELECT * FROM orders", SHOP).accesses
    assert access.columns == set(access.table.columns)
    [access] = analyse("SELECT count(*) FROM orders WHERE id = 1", SHOP).accesses
    assert access.columns == {"id"}


def test_placeholders_know_what_they_are_compared_with() -> None:
    uses = analyse("SELECT id FROM orders WHERE customer_id = $1 AND total > $2 LIMIT $3 OFFSET $4", SHOP)
    assert [(number, use.column, use.operator) for number, use in uses.uses.items()] == [
        (0, "customer_id", "="),
        (1, "total", ">"),
    ]
    assert uses.limits == {2: "limit", 3: "offset"}
    written = analyse("INSERT INTO orders (customer_id, total) VALUES ($1, $2)", SHOP)
    assert [(use.column, use.operator) for use in written.uses.values()] == [("customer_id", "set"), ("total", "set")]


def test_writes_tell_what_they_change() -> None:
    write = analyse("UPDATE orders SET total = $1, note = 'x' WHERE id = $2", SHOP).write
    assert write is not None
    assert (write.kind, write.table.name, write.columns) == ("update", "orders", {"total", "note"})
    write = analyse("INSERT INTO orders SELECT * FROM app.orders", SHOP).write
    assert write is not None
    assert write.kind == "insert"
    assert analyse("SELECT 1 FROM orders", SHOP).write is None


@pytest.mark.parametrize(
    "sql",
    ["", "SELECT FROM WHERE", "VACUUM orders", "SELECT 1; SELECT 2", "MERGE INTO orders USING item ON true", "¡olé!"],
)
def test_what_is_no_statement_for_an_index_says_so(sql: str) -> None:
    with pytest.raises(Unparsable, match=r"\w"):
        analyse(sql, SHOP)


def test_five_thousand_parameters_are_taken() -> None:
    places = ", ".join(f"${number}" for number in range(1, 5_001))
    assert of(f"SELECT id FROM orders WHERE id IN ({places})", "orders") == [{"equal": ["id"]}]


def test_deep_nesting_is_refused_in_words_or_taken() -> None:
    sql = "SELECT id FROM orders WHERE " + "(" * 3_000 + "id = 1" + ")" * 3_000
    with pytest.raises(Unparsable, match=r"\w"):
        analyse(sql, SHOP)
