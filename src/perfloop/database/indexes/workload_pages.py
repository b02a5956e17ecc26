"""The pages that a whole workload touches with a set of indexes built: measured, never estimated.

Each statement is executed once for each plan that it gets. A write is executed again wherever its table has other
indexes, which it keeps up: its plan does not show them.
What inserts add whose values are not known is measured with rows made up.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from .what_if import Measured
from .write_bill import pages_of_insert

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .catalogue import Catalogue
    from .costs import Judged
    from .definition import IndexDefinition
    from .what_if import WhatIf

__all__ = ["WorkloadPages"]

# A plan and, of a write, the indexes it keeps up; with what was measured.
_Run = tuple[tuple[object, ...], Measured]


class WorkloadPages:
    """Measures on a clone, and remembers.

    Args:
        statements: the workload.
        clone: where the indexes asked about are built.
    """

    def __init__(self, statements: Sequence[Judged], clone: WhatIf, catalogue: Catalogue) -> None:
        self.statements = statements
        self.clone = clone
        self.catalogue = catalogue
        self.refused: dict[str, str] = {}
        """Statements that the clone plans and does not carry out, by fingerprint, and why."""
        self._held: dict[tuple[object, ...], Measured] = {}
        self._runs: dict[frozenset[IndexDefinition], list[list[_Run]]] = {}
        self._added: dict[IndexDefinition, float] = {}

    def plan_again(self) -> None:
        """Other statistics may give other plans; those that come again touch the same pages as before."""
        self._runs.clear()

    def total(self, chosen: frozenset[IndexDefinition]) -> float | None:
        """Pages of all statements, by their calls, and what inserts add for these indexes; None where a statement did
        not end in time."""
        ended = all(measured.ended for each in self._measured(chosen) for _, measured in each)
        return self.ended_total(chosen) if ended else None

    def ended_total(self, chosen: frozenset[IndexDefinition]) -> float:
        """The same of what ended in time."""
        read = sum(
            execution.weight * measured.buffers
            for statement, runs in zip(self.statements, self._measured(chosen), strict=True)
            for execution, (_, measured) in zip(statement.executions, runs, strict=True)
            if measured.ended
        )
        return read + sum(map(self._inserts, chosen))

    def gain(self, definition: IndexDefinition, chosen: frozenset[IndexDefinition]) -> float:
        """Pages of the whole workload that it saves beside the others; infinite where a statement ends only so."""
        saved = -self._inserts(definition)
        for number, pairs in self.changed(chosen - {definition}, chosen).items():
            weight = self.statements[number].executions[0].weight
            saved += sum(weight * (bare.buffers - with_.buffers) for bare, with_ in pairs if bare.ended or with_.ended)
        return saved

    def changed(
        self, before: frozenset[IndexDefinition], after: frozenset[IndexDefinition]
    ) -> dict[int, list[tuple[Measured, Measured]]]:
        """By statement, the executions that are not the same with both sets."""
        found: defaultdict[int, list[tuple[Measured, Measured]]] = defaultdict(list)
        for number, (one, other) in enumerate(zip(self._measured(before), self._measured(after), strict=True)):
            for (key, bare), (other_key, with_) in zip(one, other, strict=True):
                if key != other_key:
                    found[number].append((bare, with_))
        return dict(found)

    def _measured(self, chosen: frozenset[IndexDefinition]) -> list[list[_Run]]:
        if chosen not in self._runs:
            self._runs[chosen] = self._run(chosen)
        return self._runs[chosen]

    def _run(self, chosen: frozenset[IndexDefinition]) -> list[list[_Run]]:
        found: dict[int, list[_Run]] = {}
        written: set[str] = set()
        # What is written and taken back leaves rows behind, which the next to read would meet.
        reads_first = sorted(
            range(len(self.statements)), key=lambda each: self.statements[each].analysis.write is not None
        )
        with self.clone.only(chosen):
            for number in reads_first:
                statement = self.statements[number]
                write = statement.analysis.write
                kept_up = frozenset(
                    each for each in chosen if write is not None and (each.schema, each.table) == write.table.key
                )
                found[number] = []
                for execution in statement.executions:
                    key = (execution.sql, self.clone.plan(execution.sql).shape, kept_up)
                    if key not in self._held:
                        self._held[key] = self._execute(statement, execution.sql)
                        written |= {write.table.sql} if write is not None else set()
                    found[number].append((key, self._held[key]))
        for table in written:
            self.clone.vacuum(table)
        return [found[number] for number in range(len(self.statements))]

    def _execute(self, statement: Judged, sql: str) -> Measured:
        import psycopg

        try:
            return self.clone.measure(sql)
        except psycopg.Error as error:
            reason = f"not executed ({type(error).__name__}, {error.sqlstate or 'no state'}): planned only"
            self.refused[statement.statement.fingerprint] = reason
            plan = self.clone.plan(sql)
            return Measured(plan.cost, 0.0, 0.0, plan.indexes)

    def _inserts(self, definition: IndexDefinition) -> float:
        """Pages that those of the workload's inserts touch for an index which cannot be executed themselves."""
        key = (definition.schema, definition.table)
        rows = sum(
            max(each.statement.rows, each.statement.calls)
            for each in self.statements
            if not each.executions
            and (write := each.analysis.write) is not None
            and write.kind == "insert"
            and write.table.key == key
        )
        if rows and definition not in self._added:
            table = self.catalogue.tables[key]
            self._added[definition] = pages_of_insert(self.clone, table, definition)
            self.clone.vacuum(table.sql)
        return rows * self._added[definition] if rows else 0.0
