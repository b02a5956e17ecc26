"""Index advice on SQLite: candidates are built on a copy of the file, every statement is executed there, and what is
advised is what the executions bear out."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from msgspec import structs

from ...exceptions import DatabaseFailed
from ...records.index_advice import AdvisedIndex, DroppableIndex, IndexAdvice, SequentialScan, WriteBill
from .candidates import WeightedAccess, candidates, single_column_candidates
from .costs import Judged
from .gains import statement_gain
from .literals import analyse_statement
from .new_rows import NotMeasured
from .placeholders import parse_placeholders
from .reasons import reason, sequential_scan
from .scopes import Unparsable
from .selection import borne_out, select_borne_out, select_indexes
from .sqlite_catalogue import read_sqlite_catalogue
from .sqlite_library import SQLiteRefusal
from .sqlite_what_if import SQLiteWhatIf
from .sqlite_workload import SQLiteWorkload
from .sqlite_write_bill import measure_sqlite_write_bills, new_sqlite_rows
from .unused import droppable
from .values import Execution, executions, literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...records.workload import WorkloadRecord
    from ..connections import Database
    from .access import Analysis, Use
    from .definition import IndexDefinition
    from .options import IndexOptions
    from .what_if import Measured

__all__ = ["advise_on_sqlite"]

_BUILDING_SHARE = 0.4
"""Of the time for the search, at most, for building candidates."""
_VALUE = re.compile(r'^(near |unrecognized token: )".*"', re.DOTALL)
"""In SQLite's words, what may be a value of the statement."""
_TIERS = 3
_LEAST_SAVED = 0.0005
"""Of the workload's cost: what saves less, another sample of statistics may turn."""
_SAMPLED_VALUES = 200
_MOST_LEFT_OUT = 50
_MOST_STATEMENTS_OF_AN_INDEX = 10
_TIMES = 5
_MADE_UP = 5
_LONG_MS = 300.0
"""What takes longer is timed once."""
_VALUES = (
    "parameters that the workload did not keep got values that the tables hold: a typical execution, and one with the"
    " commonest value"
)


def advise_on_sqlite(
    database: Database, workload: WorkloadRecord, *, clone: Database, options: IndexOptions
) -> IndexAdvice:
    """Advice for a workload; see `advise_indexes`."""
    what_if = SQLiteWhatIf(clone, statement_seconds=options.statement_seconds)
    try:
        return _Advisor(workload, what_if, options).advise()
    finally:
        what_if.close()


class _Advisor:
    def __init__(self, workload: WorkloadRecord, clone: SQLiteWhatIf, options: IndexOptions) -> None:
        self.workload = workload
        self.clone = clone
        self.options = options
        self.left_out: list[str] = []
        self.catalogue = read_sqlite_catalogue(clone.database, clone.counting.collation)
        self.ends = time.monotonic() + options.search_seconds

    def advise(self) -> IndexAdvice:
        judged = self._judged()
        self.cost = SQLiteWorkload(judged, self.clone)
        found = self._candidates(judged)
        wanted = self._built_and_wanted(found, judged)
        chosen = self._chosen(wanted, judged)
        for each in [each for each in self.clone.built if each not in chosen]:
            self.clone.drop(each)
        return self._advice(chosen, judged, len(found))

    # What there is to judge.

    def _judged(self) -> list[Judged]:
        """The statements that can be executed on the copy."""
        found: list[Judged] = []
        for statement in self.workload.statements[: self.options.most_statements]:
            try:
                analysis = analyse_statement(statement, self.catalogue)
            except Unparsable as error:
                self._leave_out(statement.fingerprint, str(error))
                continue
            if not analysis.accesses and analysis.write is None:
                self._leave_out(statement.fingerprint, "it reads no table of this file")
                continue
            runs = executions(statement, analysis, "sqlite", self._sample)
            try:
                try:
                    self._try(runs, analysis)
                except SQLiteRefusal:
                    runs = self._made_up(statement.calls, analysis)
                    if not runs:
                        raise
                    self._try(runs, analysis)
            except SQLiteRefusal as error:
                why = _VALUE.sub(r"\1…", str(error))
                self._leave_out(statement.fingerprint, f"SQLite refuses it: {why}")
                continue
            found.append(Judged(statement, analysis, runs))
        for statement in self.workload.statements[self.options.most_statements :]:
            self._leave_out(statement.fingerprint, f"not among the {self.options.most_statements} dearest")
        return found

    def _try(self, runs: Sequence[Execution], analysis: Analysis) -> None:
        for run in runs:
            self.clone.measure(run.sql, writes=analysis.write is not None)

    def _made_up(self, calls: int, analysis: Analysis) -> list[Execution]:
        """In place of an INSERT whose values are there already: copies of the newest rows, with fresh keys."""
        write = analysis.write
        if write is None or write.kind != "insert" or analysis.accesses:
            return []
        try:
            sql, fresh = new_sqlite_rows(self.clone, write.table)
        except (DatabaseFailed, NotMeasured):
            return []
        template, weight = parse_placeholders(sql, operators=False), max(calls, 1) / _MADE_UP
        rows = [[literal(value, "sqlite") for value in row] for row in fresh(_MADE_UP)]
        return [Execution(template.filled(row), weight, "typical") for row in rows]

    def _sample(self, use: Use) -> list[str]:
        """Values of an expression, for parameters that statistics say nothing of; most frequent first."""
        if not use.expression:
            return []
        try:
            rows = self.clone.database.rows(
                f"SELECT v FROM (SELECT CAST({use.expression} AS TEXT) AS v FROM {use.table.sql}"
                f" LIMIT {_SAMPLED_VALUES}) WHERE v IS NOT NULL GROUP BY v ORDER BY count(*) DESC, v"
            )
        except DatabaseFailed:
            return []
        return [row[0] for row in rows]

    def _leave_out(self, what: str, why: str) -> None:
        self.left_out.append(f"{' '.join(what.split())[:120]}: {why}")

    # Choosing.

    def _candidates(self, judged: Sequence[Judged]) -> list[IndexDefinition]:
        accesses = [
            WeightedAccess(access, self.cost.of(number, frozenset()))
            for number, each in enumerate(judged)
            for access in each.analysis.accesses
        ]
        return candidates(accesses, self.catalogue)

    def _built_and_wanted(self, found: list[IndexDefinition], judged: Sequence[Judged]) -> list[IndexDefinition]:
        """Those that the planner takes for some statement. Longer, partial and covering ones are built where it takes
        what they are made from; then the others, while there is time."""
        deadline = time.monotonic() + _BUILDING_SHARE * self.options.search_seconds
        plain = [each for each in found if each.where is None and len(each.keys) <= 2]
        self._build(plain, deadline)
        wanted = self._wanted(judged)
        grown = [
            each for each in found if each not in self.clone.built and any(_grew_from(each, one) for one in wanted)
        ]
        self._build(grown, deadline)
        self._build([each for each in found if each not in self.clone.built], deadline)
        wanted = self._wanted(judged)
        simpler = {each for each in self.clone.built if any(each.begins(one) for one in wanted)}
        return [each for each in found if each in wanted | simpler]

    def _build(self, definitions: Sequence[IndexDefinition], deadline: float) -> None:
        self.clone.show(frozenset(self.clone.built))
        for number, each in enumerate(definitions):
            if time.monotonic() > deadline:
                self.left_out.append(f"{len(definitions) - number} candidates: no time was left to build them")
                return
            try:
                self.clone.build(each)
            except DatabaseFailed as error:
                self._leave_out(each.create_sql("sqlite"), error.message)

    def _wanted(self, judged: Sequence[Judged]) -> set[IndexDefinition]:
        """What the planner takes when it may take any, and next when those are gone."""
        wanted: set[IndexDefinition] = set()
        for number, each in enumerate(judged):
            for run in each.executions:
                left = {one for one in self.clone.built if self.cost.matters(number, one)}
                for _ in range(_TIERS):
                    self.clone.show(frozenset(left))
                    plan = self.clone.plan(run.sql)
                    used = {one for one in left if plan.uses(self.clone.built[one])}
                    if not used:
                        break
                    wanted |= used
                    left -= used
        return wanted

    def _chosen(self, found: list[IndexDefinition], judged: Sequence[Judged]) -> list[IndexDefinition]:
        """The cheapest set of which each saves something beside the others; what does not goes, and it is repeated."""
        singles = set(single_column_candidates(found))
        budget = self.options.size_budget
        if budget is None:
            budget = sum(
                max(self.catalogue.tables[key].size_bytes, 1 << 20) for key in {_table(each) for each in found}
            )

        def out_of_time() -> bool:
            return time.monotonic() > self.ends

        def select(left: Sequence[IndexDefinition]) -> Sequence[IndexDefinition]:
            return select_indexes(
                left,
                self.cost,
                self.clone.size,
                singles=singles,
                budget=budget,
                minimum_gain=self.options.minimum_gain,
                group=_table,
                out_of_time=out_of_time,
            ).chosen

        def prove(chosen: Sequence[IndexDefinition]) -> tuple[list[IndexDefinition], list[IndexDefinition]]:
            return borne_out(chosen, self._saved, _LEAST_SAVED)

        return select_borne_out(
            found,
            select,
            prove,
            self.cost,
            fits=lambda chosen: sum(map(self.clone.size, chosen)) <= budget,
            minimum_gain=self.options.minimum_gain,
            out_of_time=out_of_time,
        )

    def _saved(self, definition: IndexDefinition, chosen: frozenset[IndexDefinition]) -> float:
        """Share of the workload's cost that it saves beside the others."""
        return (self.cost(chosen - {definition}) - self.cost(chosen)) / max(self.cost(chosen), 1.0)

    # The answer.

    def _advice(self, chosen: list[IndexDefinition], judged: Sequence[Judged], candidates: int) -> IndexAdvice:
        everything: frozenset[IndexDefinition] = frozenset(chosen)
        nothing: frozenset[IndexDefinition] = frozenset()
        bills = self._write_bills(chosen, judged)
        advised = [self._advised(each, everything, judged, bills[each]) for each in chosen]
        kinds = {run.values for each in judged for run in each.executions}
        return IndexAdvice(
            dialect="sqlite",
            advised=sorted(advised, key=lambda each: each.cost_after - each.cost_before),
            droppable=self._droppable(chosen, judged),
            sequential_scans=self._scans(everything, judged),
            cost_before=self.cost(nothing),
            cost_after=self.cost(everything),
            buffers_before=self._pages(nothing),
            buffers_after=self._pages(everything),
            statements=len(judged),
            candidates=candidates,
            checked_with="executions",
            values=_VALUES if kinds & {"typical", "skewed"} else "",
            notes=[*self.catalogue.notes, *self._notes()],
            left_out=self.left_out[:_MOST_LEFT_OUT],
        )

    def _notes(self) -> list[str]:
        if len(self.left_out) > _MOST_LEFT_OUT:
            return [f"{len(self.left_out) - _MOST_LEFT_OUT} more could not be judged"]
        return []

    def _pages(self, chosen: frozenset[IndexDefinition]) -> float | None:
        return self.cost.pages(chosen) if self.cost.ended(chosen) else None

    def _advised(
        self, definition: IndexDefinition, chosen: frozenset[IndexDefinition], judged: Sequence[Judged], bill: WriteBill
    ) -> AdvisedIndex:
        without = chosen - {definition}
        runs = self.cost.changed(without, chosen)
        saved = {
            number: judged[number].executions[0].weight * sum(bare.cost - with_.cost for _, bare, with_ in each)
            for number, each in runs.items()
        }
        order = [number for number in sorted(runs, key=lambda number: -saved[number]) if saved[number] > 0]
        return AdvisedIndex(
            name=definition.name,
            schema=None,
            table=definition.table,
            keys=[key.sql for key in definition.keys],
            where=definition.where,
            create_sql=definition.create_sql("sqlite"),
            drop_sql=definition.drop_sql("sqlite"),
            reason=reason(definition, [judged[number] for number in order]),
            cost_before=self.cost(without),
            cost_after=self.cost(chosen),
            buffers_before=self._pages(without),
            buffers_after=self._pages(chosen),
            size_bytes=self.clone.size(definition),
            build_seconds=self.clone.build_seconds[definition],
            write_bill=bill,
            statements=[
                statement_gain(
                    judged[number], [self._timed(judged[number], each, without, chosen) for each in runs[number]]
                )
                for number in order[:_MOST_STATEMENTS_OF_AN_INDEX]
            ],
        )

    def _timed(
        self,
        judged: Judged,
        run: tuple[int, Measured, Measured],
        without: frozenset[IndexDefinition],
        chosen: frozenset[IndexDefinition],
    ) -> tuple[Measured, Measured]:
        """An execution without and with an index, its time the median of several in turns."""
        place, bare, with_ = run
        if max(bare.ms, with_.ms) > _LONG_MS:
            return bare, with_
        sql, writes = judged.executions[place].sql, judged.analysis.write is not None
        times: dict[frozenset[IndexDefinition], list[float]] = {without: [], chosen: []}
        for _ in range(_TIMES):
            for arm, taken in times.items():
                self.clone.show(arm)
                self.clone.measure(sql, writes=writes)  # the pages come into the cache
                taken.append(self.clone.measure(sql, writes=writes).ms)
        return replace(bare, ms=median(times[without])), replace(with_, ms=median(times[chosen]))

    def _write_bills(
        self, chosen: Sequence[IndexDefinition], judged: Sequence[Judged]
    ) -> dict[IndexDefinition, WriteBill]:
        bills: dict[IndexDefinition, WriteBill] = {}
        deadline = time.monotonic() + self.options.write_seconds
        for key in dict.fromkeys(map(_table, chosen)):
            updates = [
                (write.columns, float(each.statement.calls))
                for each in judged
                if (write := each.analysis.write) is not None and write.kind == "update" and write.table.key == key
            ]
            definitions = [each for each in chosen if _table(each) == key]
            bills |= measure_sqlite_write_bills(
                self.clone,
                self.catalogue.tables[key],
                definitions,
                frozenset(chosen),
                updates,
                self.options,
                deadline,
            )
        return bills

    def _droppable(self, chosen: Sequence[IndexDefinition], judged: Sequence[Judged]) -> list[DroppableIndex]:
        everything = frozenset(chosen)
        base = self.cost(everything)
        found = []
        for index in droppable(self.catalogue, advised=chosen):
            try:
                change = (self.cost.without(index.name, everything) - base) / base if base else 0.0
            except SQLiteRefusal:
                continue  # an ON CONFLICT needs it
            if change <= self.options.minimum_gain:
                found.append(structs.replace(index, workload_cost_change=change))
        return found

    def _scans(self, chosen: frozenset[IndexDefinition], judged: Sequence[Judged]) -> list[SequentialScan]:
        self.clone.show(chosen)
        found: dict[tuple[str, str], SequentialScan] = {}
        for each in judged:
            filtered = {
                access.table.name.lower()
                for access in each.analysis.accesses
                if access.equalities or access.ranges or access.patterns or access.constants or access.joins
            }
            for run in each.executions:
                for name in self.clone.plan(run.sql).scanned:
                    table = each.analysis.aliases.get(name.lower(), name)
                    scan = sequential_scan(each, None, table, None, table.lower() in filtered, self.catalogue)
                    if scan is not None:
                        found.setdefault((scan.fingerprint, scan.table), scan)
        return list(found.values())


def _table(definition: IndexDefinition) -> tuple[str | None, str]:
    return definition.schema, definition.table


def _grew_from(one: IndexDefinition, other: IndexDefinition) -> bool:
    """Whether the other was made into it: by more keys, or a condition."""
    return _table(one) == _table(other) and set(one.keys[:2]) & set(other.keys) != set()
