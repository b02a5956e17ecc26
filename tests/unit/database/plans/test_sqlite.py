from __future__ import annotations

from perfloop.database.plans import read_sqlite_plan


def test_the_lines_become_a_tree() -> None:
    root = read_sqlite_plan(
        [
            (4, 0, 0, "COMPOUND QUERY"),
            (5, 4, 0, "LEFT-MOST SUBQUERY"),
            (9, 5, 0, "SEARCH orders AS o USING COVERING INDEX by_customer (customer_id=?)"),
            (20, 4, 0, "UNION ALL"),
            (22, 20, 0, "SCAN old"),
        ]
    )
    [compound] = root.children
    left, right = compound.children
    [search] = left.children
    assert (search.relation, search.alias, search.index) == ("orders", "o", "by_customer")
    assert [each.relation for each in right.children] == ["old"]
    assert len(root.walk()) == 6
