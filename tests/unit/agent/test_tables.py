"""Numbers for names: bounded, told once, told again after a fork."""

from __future__ import annotations

from perfloop.agent.tables import Table, Tables


def test_numbers_start_at_one_and_are_told_once() -> None:
    tables = Tables()
    assert [tables.texts.number(text) for text in ("a", "b", "a")] == [1, 2, 1]
    assert tables.texts.get("b") == 2
    assert tables.texts.get("c") is None
    assert tables.sites.number((1, 2), [7]) == 1
    assert tables.take_pending() == [("text", 1, "a"), ("text", 2, "b"), ("site", 1, [7])]
    assert tables.take_pending() == []


def test_a_full_table_answers_zero_and_counts() -> None:
    tables = Tables()
    table = Table("text", 2, tables)
    assert [table.number(text) for text in ("a", "b", "c", "a", "d")] == [1, 2, 0, 1, 0]
    assert tables.overflows == 2


def test_after_a_fork_everything_is_told_again() -> None:
    tables = Tables()
    tables.texts.number("a")
    tables.statements.number("SELECT ?")
    tables.take_pending()
    tables.texts.number("b")
    tables.start_over()
    assert tables.take_pending() == [("text", 1, "a"), ("text", 2, "b"), ("statement", 1, "SELECT ?")]
