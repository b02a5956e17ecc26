"""What a whole workload costs with a set of indexes: its statements' plans by their calls, and what writes pay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from ...records.workload import WorkloadStatement
    from .access import Analysis
    from .catalogue import Table
    from .definition import IndexDefinition
    from .values import Execution

__all__ = ["Judged", "Planned", "Planner", "WorkloadCost", "maintenance"]

# In the planner's unit, one page read in order, which is some 3 µs on a warm machine: what one entry more takes to put
# into an index. A B-tree takes one to three of those µs, a GIN index one entry for each word or trigram.
_BTREE_ENTRY = 0.7
_GIN_ENTRY = 8.0
# An update that cannot stay in its page puts a new entry into every index of the table.


class Planned(Protocol):
    """A plan's price."""

    @property
    def cost(self) -> float:
        """In the planner's unit."""


class Planner(Protocol):
    """Plans statements with some indexes in place."""

    def only(
        self, chosen: frozenset[IndexDefinition], *, tables: frozenset[tuple[str | None, str]]
    ) -> AbstractContextManager[None]:
        """With just these beside those that exist, on tables that matter."""

    def plan(self, sql: str) -> Planned:
        """The plan of a statement with values in it."""


@dataclass(frozen=True)
class Judged:
    """A statement of the workload that can be planned."""

    statement: WorkloadStatement
    analysis: Analysis
    executions: Sequence[Execution]

    def reached_by(self, definition: IndexDefinition) -> bool:
        """Whether an index could matter to it: it starts with something that the statement looks at."""
        for access in self.analysis.accesses:
            if access.table.key != (definition.schema, definition.table):
                continue
            first = definition.keys[0]
            leading = {first.column} if first.column is not None else definition.referred
            if leading <= access.columns:
                return True
        return False


class WorkloadCost:
    """A function of the chosen set, each statement planned once for each set of indexes that could matter to it."""

    def __init__(
        self, statements: Sequence[Judged], planner: Planner, tables: dict[tuple[str | None, str], Table]
    ) -> None:
        self.statements = statements
        self.planner = planner
        self.tables = tables
        self.plans = 0
        self._held: dict[tuple[int, frozenset[IndexDefinition]], float] = {}
        self._reached: dict[tuple[int, IndexDefinition], bool] = {}

    def __call__(self, chosen: frozenset[IndexDefinition]) -> float:
        """The workload's cost, weighted by calls."""
        return sum(self.of(number, chosen) for number in range(len(self.statements))) + self.writes(chosen)

    def of(self, number: int, chosen: frozenset[IndexDefinition]) -> float:
        """One statement's, weighted by its calls."""
        relevant = frozenset(each for each in chosen if self._reaches(number, each))
        key = (number, relevant)
        if key not in self._held:
            executions = self.statements[number].executions
            with self.planner.only(chosen, tables=self.statements[number].analysis.tables):
                self._held[key] = sum(each.weight * self.planner.plan(each.sql).cost for each in executions)
            self.plans += len(executions)
        return self._held[key]

    def writes(self, chosen: frozenset[IndexDefinition]) -> float:
        """What all writes of the workload pay for a set."""
        return sum(maintenance(each, self.statements, self.tables) for each in chosen)

    def _reaches(self, number: int, definition: IndexDefinition) -> bool:
        key = (number, definition)
        if key not in self._reached:
            self._reached[key] = self.statements[number].reached_by(definition)
        return self._reached[key]


def maintenance(
    definition: IndexDefinition, statements: Sequence[Judged], tables: dict[tuple[str | None, str], Table]
) -> float:
    """What an index costs the workload's writes, in the planner's unit: a rule of thumb for choosing; what is advised
    gets its write bill measured."""
    entry = _GIN_ENTRY if definition.method == "gin" else _BTREE_ENTRY
    paid = 0.0
    for each in statements:
        write = each.analysis.write
        if write is None or write.table.key != (definition.schema, definition.table):
            continue
        rows = max(each.statement.rows, each.statement.calls, 1)
        if write.kind == "insert":
            paid += rows * entry
        elif write.kind == "update" and write.columns & definition.touched_columns:
            others = len(tables[write.table.key].indexes)
            paid += rows * (entry + others * _BTREE_ENTRY)
    return paid
