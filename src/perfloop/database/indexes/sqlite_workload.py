"""What a whole workload costs on a copy of an SQLite file with a set of indexes: every statement executed, writes too.

Each is executed once for each plan that it gets, a write once more for each set of indexes that it keeps up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .costs import Judged
    from .definition import IndexDefinition
    from .sqlite_what_if import SQLiteWhatIf
    from .values import Execution
    from .what_if import Measured

__all__ = ["SQLiteWorkload"]

# A plan and, of a write, the indexes it keeps up; with what was measured.
_Run = tuple[tuple[object, ...], "Measured"]


class SQLiteWorkload:
    """A function of the chosen set; measures, and remembers.

    Args:
        statements: of which each execution can be carried out.
        clone: where the indexes asked about are built.
    """

    def __init__(self, statements: Sequence[Judged], clone: SQLiteWhatIf) -> None:
        self.statements = statements
        self.clone = clone
        self._held: dict[tuple[object, ...], Measured] = {}
        self._runs: dict[tuple[object, ...], list[_Run]] = {}
        self._matters: dict[tuple[int, IndexDefinition], bool] = {}

    def __call__(self, chosen: frozenset[IndexDefinition]) -> float:
        """In steps of SQLite's virtual machine, weighted by calls; of what does not end in time, until then."""
        return sum(self.of(number, chosen) for number in range(len(self.statements)))

    def of(self, number: int, chosen: frozenset[IndexDefinition]) -> float:
        """One statement's, weighted by its calls."""
        return self._sum(number, [measured.cost for _, measured in self.runs(number, chosen)])

    def without(self, name: str, chosen: frozenset[IndexDefinition]) -> float:
        """The cost without an index of the database itself.

        Raises:
            SQLiteRefusal: a statement needs it.
        """
        return sum(
            self._sum(number, [measured.cost for _, measured in self.runs(number, chosen, without=name)])
            for number in range(len(self.statements))
        )

    def pages(self, chosen: frozenset[IndexDefinition]) -> float:
        """Pages touched, weighted by calls; of what does not end in time, until then."""
        return sum(
            self._sum(number, [measured.buffers for _, measured in self.runs(number, chosen)])
            for number in range(len(self.statements))
        )

    def ended(self, chosen: frozenset[IndexDefinition]) -> bool:
        """Whether every statement ended in time."""
        return all(
            measured.ended for number in range(len(self.statements)) for _, measured in self.runs(number, chosen)
        )

    def changed(
        self, before: frozenset[IndexDefinition], after: frozenset[IndexDefinition]
    ) -> dict[int, list[tuple[int, Measured, Measured]]]:
        """By statement, the executions (by number) that are not the same with both sets."""
        found: dict[int, list[tuple[int, Measured, Measured]]] = {}
        for number in range(len(self.statements)):
            for place, ((key, bare), (other, with_)) in enumerate(
                zip(self.runs(number, before), self.runs(number, after), strict=True)
            ):
                if key != other:
                    found.setdefault(number, []).append((place, bare, with_))
        return found

    def runs(self, number: int, chosen: frozenset[IndexDefinition], *, without: str | None = None) -> list[_Run]:
        """A statement's executions.

        Args:
            without: an index of the database itself that is not there either.
        """
        relevant = frozenset(each for each in chosen if self.matters(number, each))
        place = (number, relevant, without)
        if place not in self._runs:
            self.clone.show(chosen, without=frozenset([without] if without else []))
            self._runs[place] = [self._run(number, each.sql, relevant, without) for each in self._executions(number)]
        return self._runs[place]

    def matters(self, number: int, definition: IndexDefinition) -> bool:
        """Whether an index can change what a statement costs: it may be used, or has to be kept up."""
        place = (number, definition)
        if place not in self._matters:
            each = self.statements[number]
            self._matters[place] = each.reached_by(definition) or self._keeps_up(number, definition)
        return self._matters[place]

    def _run(self, number: int, sql: str, relevant: frozenset[IndexDefinition], without: str | None) -> _Run:
        write = self.statements[number].analysis.write
        kept_up = frozenset(each for each in relevant if self._keeps_up(number, each))
        key = (sql, self.clone.plan(sql).details, kept_up, without if write is not None else None)
        if key not in self._held:
            self._held[key] = self.clone.measure(sql, writes=write is not None)
        return key, self._held[key]

    def _keeps_up(self, number: int, definition: IndexDefinition) -> bool:
        write = self.statements[number].analysis.write
        if write is None or write.table.key != (definition.schema, definition.table):
            return False
        return write.kind != "update" or bool(write.columns & definition.touched_columns)

    def _executions(self, number: int) -> Sequence[Execution]:
        return self.statements[number].executions

    def _sum(self, number: int, values: Sequence[float]) -> float:
        return sum(each.weight * value for each, value in zip(self._executions(number), values, strict=True))
