"""What a workload costs with a set of indexes."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfloop.database.indexes.analysis import analyse
from perfloop.database.indexes.costs import Judged, WorkloadCost, maintenance
from perfloop.database.indexes.values import Execution
from perfloop.records import WorkloadStatement

from .tables import existing, index, shop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfloop.database.indexes.definition import IndexDefinition

SHOP = shop(existing(index("orders", "id")))


@dataclass
class Priced:
    cost: float


class Plans:
    """Each statement costs 100, or 1 with any index; counts what was planned."""

    def __init__(self) -> None:
        self.chosen: frozenset[IndexDefinition] = frozenset()
        self.planned: Counter[str] = Counter()

    @contextlib.contextmanager
    def only(self, chosen: frozenset[IndexDefinition], *, tables: frozenset[tuple[str | None, str]]) -> Iterator[None]:
        self.chosen = chosen
        yield

    def plan(self, sql: str) -> Priced:
        self.planned[sql] += 1
        return Priced(1.0 if self.chosen else 100.0)


def judged(sql: str, calls: int, kind: str = "select") -> Judged:
    statement = WorkloadStatement(fingerprint=sql, sql=sql, kind=kind, calls=calls)  # type: ignore[arg-type]
    analysis = analyse(sql, SHOP)
    return Judged(statement, analysis, [Execution(sql, calls, "none")] if analysis.accesses else [])


def test_statements_count_by_their_calls_and_are_planned_once_for_what_could_matter() -> None:
    plans = Plans()
    statements = [judged("SELECT * FROM orders WHERE customer_id = 1", 10), judged("SELECT * FROM item", 2)]
    cost = WorkloadCost(statements, plans, dict(SHOP.tables))
    assert cost(frozenset()) == 1_200
    wanted = index("orders", "customer_id")
    assert cost(frozenset({wanted})) == 10 + 200
    cost(frozenset({wanted}))
    assert cost(frozenset({wanted, index("customer", "name")})) == 210  # matters to neither
    assert plans.planned == {"SELECT * FROM orders WHERE customer_id = 1": 2, "SELECT * FROM item": 1}


def test_writers_pay_for_what_they_touch() -> None:
    insert = judged("INSERT INTO orders (id) VALUES (1)", 100, "insert")
    update = judged("UPDATE orders SET total = 1 WHERE id = 1", 100, "update")
    tables = dict(SHOP.tables)
    plain, touched = index("orders", "customer_id"), index("orders", "customer_id", include=("total",))
    assert maintenance(plain, [insert], tables) > 0
    assert maintenance(index("item", "id"), [insert, update], tables) == 0
    # An update that leaves the index alone costs nothing; one that does not costs the table's other indexes as well.
    assert maintenance(plain, [update], tables) == 0
    assert maintenance(touched, [update], tables) > maintenance(plain, [insert], tables)
