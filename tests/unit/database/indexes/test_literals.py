"""A partial index is for what nearly every execution asks, not for the literal that came first."""

from __future__ import annotations

import pytest

from perfloop.database.indexes.candidates import WeightedAccess, candidates
from perfloop.database.indexes.literals import analyse_statement
from perfloop.database.indexes.values import executions
from perfloop.records.workload import StatementText, WorkloadStatement

from .tables import shop

CATALOGUE = shop()

OPEN = "SELECT id FROM orders WHERE status = 'open' AND customer_id = {}"


def statement(*texts: tuple[str, int]) -> WorkloadStatement:
    return WorkloadStatement(
        fingerprint="f",
        sql=texts[0][0],
        kind="select",
        calls=1000,
        texts=[StatementText(sql=sql, calls=calls) for sql, calls in texts],
    )


def predicates(captured: WorkloadStatement) -> set[str]:
    analysis = analyse_statement(captured, CATALOGUE)
    found = candidates([WeightedAccess(access) for access in analysis.accesses], CATALOGUE)
    return {each.where for each in found if each.where is not None}


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        ([(OPEN.format(1), 1)], {"status = 'open'"}),
        ([(OPEN.format(1), 1), (OPEN.format(2), 1)], {"status = 'open'"}),
        ([(OPEN.format(1), 990), (OPEN.format(2).replace("open", "paid"), 10)], {"status = 'open'"}),
        ([(OPEN.format(1), 1), (OPEN.format(2).replace("open", "paid"), 1)], set()),
        ([(OPEN.format(1), 10), (OPEN.format(2).replace("open", "paid"), 990)], set()),
    ],
)
def test_the_predicate_is_what_nearly_all_executions_ask(texts: list[tuple[str, int]], wanted: set[str]) -> None:
    assert predicates(statement(*texts)) == wanted


def test_the_commonest_texts_are_executed_for_all_calls() -> None:
    captured = statement((OPEN.format(2), 30), (OPEN.format(1), 10), (OPEN.format(3), 10), (OPEN.format(4), 1))
    runs = executions(captured, analyse_statement(captured, CATALOGUE), "postgresql")
    assert [(each.sql, each.weight) for each in runs] == [
        (OPEN.format(2), 600.0),
        (OPEN.format(1), 200.0),
        (OPEN.format(3), 200.0),
    ]
