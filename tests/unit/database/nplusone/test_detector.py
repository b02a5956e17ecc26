"""What is an N+1, and what only looks like it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfloop.database.nplusone import Call, find_repetitions, is_read

PARENTS = Call("SELECT * FROM orders", site=1, rows=8, key=1)
ITEMS = "SELECT * FROM item WHERE order_id = ?"
LOOP, OTHER = 2, 3


def loop(
    count: int, sql: str = ITEMS, *, site: int = LOOP, first_key: int = 10, rows: int = 2, values: int = 1
) -> list[Call]:
    """The statement for each of `count` keys."""
    return [Call(sql, site, rows, first_key + number, values) for number in range(count)]


def test_a_statement_for_each_row_of_an_earlier_one() -> None:
    (found,) = find_repetitions([PARENTS, *loop(8)])
    assert found.statement == ITEMS
    assert found.calls == tuple(range(1, 9))
    assert found.sites == (LOOP,)
    assert found.rows == 16
    assert found.source == 0


def test_fewer_than_sentrys_five_are_seen_and_too_few_are_not() -> None:
    assert find_repetitions([PARENTS, *loop(3)])
    assert not find_repetitions([PARENTS, *loop(2)])
    assert not find_repetitions([PARENTS, *loop(4)], least=5)


def test_rows_of_two_queries_count_together() -> None:
    # Two loops with a line each, two repetitions in either.
    calls = [PARENTS, *loop(2), PARENTS, *loop(2, site=OTHER, first_key=20)]
    (found,) = find_repetitions(calls)
    assert found.sites == (LOOP, OTHER)
    assert len(found.calls) == 4


def test_instances_loaded_one_by_one_are_two_findings() -> None:
    calls = []
    for number in range(4):
        calls += [Call("SELECT * FROM orders WHERE id = ?", LOOP, 1, number + 1, 1), *loop(1, first_key=50 + number)]
    assert [each.statement for each in find_repetitions(calls)] == ["SELECT * FROM orders WHERE id = ?", ITEMS]


def test_five_lines_that_call_one_helper_are_no_loop() -> None:
    # Sentry's rule, five spans of one statement after another, fires here.
    calls = [Call(ITEMS, site, 1, 10 + site, 1) for site in range(5)]
    assert not find_repetitions([PARENTS, *calls])


def test_statements_outside_any_line_of_the_user_count() -> None:
    assert find_repetitions(loop(4, site=0))


@pytest.mark.parametrize(
    ("name", "calls"),
    [
        ("creates", loop(8, "INSERT INTO item (order_id) VALUES (?)")),
        ("changes", loop(8, "UPDATE item SET a = ? WHERE id = ? RETURNING a")),
        ("batches", loop(8, "SELECT * FROM item WHERE order_id IN (?)", values=100, rows=3)),
        ("batches of few", loop(8, "SELECT * FROM item WHERE order_id IN (?)", values=2, rows=1)),
        ("batches with a filter", loop(8, "SELECT * FROM item WHERE order_id IN (?) AND kind = ?", values=3)),
        ("batches of unknown size", [Call("SELECT * FROM item WHERE order_id IN (?)", LOOP, 90) for _ in range(8)]),
        ("polling", [Call("SELECT state FROM job WHERE id = ?", LOOP, 1, 7, 1) for _ in range(20)]),
        ("pages of one key", [Call(f"{ITEMS} LIMIT ? OFFSET ?", LOOP, 10, 7, 1) for _ in range(20)]),
        ("pages", [Call("SELECT * FROM item ORDER BY id LIMIT ? OFFSET ?", LOOP, 10) for _ in range(9)]),
        ("keyset pages", loop(9, "SELECT * FROM item WHERE id > ? ORDER BY id LIMIT ?", values=0)),
        ("a queue", loop(9, "SELECT * FROM job WHERE kind = ? LIMIT ? FOR UPDATE SKIP LOCKED")),
        ("catalogues", loop(9, "SELECT * FROM pg_catalog.pg_class WHERE relname = ?")),
        ("no table", loop(9, "SELECT nextval(?)")),
        ("savepoints", loop(9, "SAVEPOINT x")),
        (
            "two jobs polled",
            [Call("SELECT state FROM job WHERE id = ?", LOOP, 1, key, 1) for key in (1,) * 9 + (2,) * 9],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_none(name: str, calls: list[Call]) -> None:
    assert find_repetitions([PARENTS, *calls]) == [], name


@pytest.mark.parametrize(
    "write",
    ["INSERT INTO item (order_id) VALUES (?)", 'UPDATE "shop"."item" SET n = ?', "DELETE FROM item WHERE id = ?"],
)
def test_a_read_that_goes_with_a_write_of_its_table_is_a_create(write: str) -> None:
    calls = []
    for call in loop(8):
        calls += [call, Call(write, LOOP, 1)]
    assert find_repetitions([PARENTS, *calls]) == []
    # Of another table: the loop reads for each row, and happens to write.
    calls = [each if each.statement == ITEMS else Call("UPDATE orders SET total = ?", LOOP, 1) for each in calls]
    assert [each.statement for each in find_repetitions([PARENTS, *calls])] == [ITEMS]


@pytest.mark.parametrize(
    "sql",
    [
        f"{ITEMS} ORDER BY id DESC LIMIT ?",
        f"{ITEMS} LIMIT ? OFFSET ?",
        "SELECT count(*) FROM item WHERE order_id = ? AND kind IN (?)",
        "SELECT * FROM item WHERE order_id IN (?)",
        "SELECT * FROM item WHERE order_id = ANY(?)",
        'SELECT "customer"."name" FROM "shop"."customer" WHERE ? = "customer"."id"',
        "SELECT name FROM customer WHERE lower(name) = lower(?)",
        "WITH a AS (SELECT * FROM item WHERE order_id = ?) SELECT * FROM a",
    ],
)
def test_kinds_of_statements_that_are(sql: str) -> None:
    (found,) = find_repetitions([PARENTS, *loop(6, sql)])
    assert found.statement == sql


def test_keys_that_come_again_in_between_count_each_time() -> None:
    # Twelve orders of three customers, in no order.
    calls = [Call("SELECT * FROM customer WHERE id = ?", LOOP, 1, 1 + number % 3, 1) for number in range(12)]
    (found,) = find_repetitions([PARENTS, *calls])
    assert len(found.calls) == 12


@pytest.mark.parametrize(
    ("statement", "reads"),
    [
        ("SELECT 1", True),
        ("  with a as (select 1) select * from a", True),
        ("INSERT INTO item VALUES (?)", False),
        ("WITH a AS (SELECT 1) DELETE FROM item", False),
        ("PRAGMA table_info(item)", False),
        ("BEGIN", False),
    ],
)
def test_is_read(statement: str, reads: bool) -> None:
    assert is_read(statement) is reads


CALLS = st.builds(
    Call,
    st.sampled_from([ITEMS, "SELECT * FROM orders WHERE id = ?", "INSERT INTO item VALUES (?)", "", "SELECT"]),
    st.integers(0, 3),
    st.integers(0, 5),
    st.integers(0, 4),
    st.integers(0, 3),
)


@given(st.lists(CALLS, max_size=40), st.integers(2, 6))
def test_what_is_found_is_repeated(calls: list[Call], least: int) -> None:
    found = find_repetitions(calls, least=least)
    for each in found:
        assert len(each.calls) >= least
        assert {calls[index].statement for index in each.calls} == {each.statement}
        assert list(each.calls) == sorted(set(each.calls))
        assert {calls[index].site for index in each.calls} == set(each.sites)
        assert len({calls[index].key for index in each.calls if calls[index].key}) != 1 or any(
            calls[index].key == 0 for index in each.calls
        )
    assert len({each.statement for each in found}) == len(found)
    # More is asked for, less is found.
    assert {each.statement for each in find_repetitions(calls, least=least + 1)} <= {each.statement for each in found}
