"""Index advice on PostgreSQL: read, choose, build on the clone, measure, and advise what the measurement bears out."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from msgspec import structs

from ...records.index_advice import AdvisedIndex, DroppableIndex, IndexAdvice, SequentialScan, WriteBill
from .candidates import WeightedAccess, candidates, single_column_candidates
from .costs import Judged, WorkloadCost
from .definition import quote_name
from .gains import statement_gain
from .literals import analyse_statement
from .planner_statistics import put_statistics, put_visible_shares, read_statistics, read_visible_shares
from .postgresql_catalogue import read_catalogue
from .reasons import reason, scanned_tables, sequential_scan
from .scopes import Unparsable
from .selection import borne_out, select_borne_out, select_indexes
from .unused import droppable
from .values import executions, sampler
from .what_if import WhatIf
from .workload_pages import WorkloadPages
from .write_bill import WrittenTable, measure_write_bills

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import psycopg

    from ...records.workload import WorkloadRecord
    from ..connections import Database
    from .catalogue import Catalogue, Table
    from .definition import IndexDefinition
    from .options import IndexOptions
    from .planner_statistics import ColumnStatistics
    from .values import Execution

__all__ = ["advise_on_postgresql"]

# Of the workload's pages: what a plan saves less than, another sample of statistics may turn.
_LEAST_SAVED = 0.0005
# Samples in a row by which what is advised has to save pages.
_DRAWS = 6
# Share by which the rows of two counts may differ.
_WHOLE = 0.02
_MOST_BUILT_CANDIDATES = 60
_MOST_AT_ONCE = 120
_TIERS = 3
# Times the seconds for choosing: what all rounds may take, executions included.
_LONGEST_PROOF = 4
_MOST_LEFT_OUT = 50
_MOST_STATEMENTS_OF_AN_INDEX = 10

_NOT_MEASURED = f"with the others in place it does not save {_LEAST_SAVED:.2%} of the workload's pages, as measured"
_DRAWN = f"not enough gain to be sure: {_NOT_MEASURED}, by every sample of rows that the planner's statistics may be of"
_OWN = f"{_NOT_MEASURED}, by the statistics that the database has now: if they are old, ANALYZE it and ask again"
_VALUES = (
    "parameters that the workload did not keep got values of the database's own statistics: a typical execution, and"
    " one with the commonest value"
)


def advise_on_postgresql(
    database: Database, workload: WorkloadRecord, *, clone: Database, options: IndexOptions
) -> IndexAdvice:
    """Advice for a workload; see `advise_indexes`."""
    with database.guarded():
        used = read_catalogue(database.connection)
        statistics = read_statistics(database.connection)
        visible = read_visible_shares(database.connection)
    with clone.guarded():
        what_if = WhatIf(clone.connection, statement_seconds=options.statement_seconds)
        try:
            return _Advisor(used, statistics, visible, workload, what_if, options).advise()
        finally:
            what_if.close()


class _Advisor:
    def __init__(
        self,
        used: Catalogue,
        statistics: Sequence[ColumnStatistics],
        visible: Mapping[tuple[str, str], float],
        workload: WorkloadRecord,
        clone: WhatIf,
        options: IndexOptions,
    ) -> None:
        self.workload = workload
        self.clone = clone
        self.options = options
        self.left_out: list[str] = []
        self.failed: dict[IndexDefinition, str] = {}
        """Measured and found not to pay, and why."""
        self.notes: list[str] = []
        self.statistics = statistics
        self.visible = visible
        self.used = used
        """The database's own: how often indexes were used, what updates stayed in their page."""
        self.catalogue = replace(read_catalogue(clone.connection), search_path=used.search_path)

    def advise(self) -> IndexAdvice:
        judged = self._judged()
        self.pages = WorkloadPages(judged, self.clone, self.catalogue)
        cost = WorkloadCost(judged, self.clone, dict(self.catalogue.tables))
        found = self._usable(self._candidates(judged, cost))
        chosen = self._chosen(self._shortlist(found, judged), cost, judged)
        for each in [each for each in self.clone.built if each not in chosen]:
            self.clone.drop(each)
        chosen = self._borne_out(chosen)
        for each, why in self.failed.items():
            if each not in chosen:
                self._leave_out(each.create_sql("postgresql"), why)
        for what, why in self.pages.refused.items():
            self._leave_out(what, why)
        return self._advice(chosen, judged, found)

    # What there is to judge.

    def _parsed(self) -> list[Judged]:
        found: list[Judged] = []
        for statement in self.workload.statements[: self.options.most_statements]:
            try:
                found.append(Judged(statement, analyse_statement(statement, self.catalogue), ()))
            except Unparsable as error:
                self._leave_out(statement.fingerprint, str(error))
        for statement in self.workload.statements[self.options.most_statements :]:
            self._leave_out(statement.fingerprint, f"not among the {self.options.most_statements} dearest")
        return found

    def _judged(self) -> list[Judged]:
        """The statements that can be planned on the clone."""
        import psycopg

        sample = sampler(self.clone.connection)
        found: list[Judged] = []
        for each in self._parsed():
            runs = executions(each.statement, each.analysis, "postgresql", sample)
            if each.analysis.accesses:
                try:
                    for run in runs:
                        self.clone.plan(run.sql)
                except psycopg.Error as error:
                    self._leave_out(each.statement.fingerprint, _reason_of(error))
                    continue
            elif each.analysis.write is None:
                self._leave_out(each.statement.fingerprint, "it reads no table of this database")
                continue
            found.append(Judged(each.statement, each.analysis, runs if self._can_be_executed(each, runs) else ()))
        return found

    def _can_be_executed(self, each: Judged, runs: Sequence[Execution]) -> bool:
        """All but inserts whose values are not known, or whose keys are taken: rows are made up for those."""
        import psycopg

        if each.analysis.accesses:
            return True
        if any(run.values in ("typical", "skewed") for run in runs):
            return False
        try:
            return all(self.clone.measure(run.sql).ended for run in runs)
        except psycopg.Error:
            return False

    def _leave_out(self, what: str, why: str) -> None:
        self.left_out.append(f"{' '.join(what.split())[:120]}: {why}")

    # Choosing.

    def _candidates(self, judged: Sequence[Judged], cost: WorkloadCost) -> list[IndexDefinition]:
        accesses = [
            WeightedAccess(access, cost.of(number, frozenset()))
            for number, each in enumerate(judged)
            for access in each.analysis.accesses
        ]
        return candidates(accesses, self.catalogue)

    def _usable(self, found: list[IndexDefinition]) -> list[IndexDefinition]:
        """Those that HypoPG takes, or that can be built: what it cannot imagine, or has no statistics for, is built."""
        import psycopg

        usable: list[IndexDefinition] = []
        built = 0
        for each in found:
            imagined = (
                self.clone.hypopg
                and each.method == "btree"
                and all(key.column is not None for key in each.keys)
                and self.catalogue.tables[each.schema, each.table].kind == "table"
            )
            try:
                if imagined:
                    self.clone.imagine(each)
                elif built < _MOST_BUILT_CANDIDATES and self._can_be_built(each):
                    built += 1
                    self.clone.build(each)
                else:
                    continue
            except psycopg.Error as error:
                self._leave_out(each.create_sql("postgresql"), _reason_of(error))
                continue
            usable.append(each)
        return usable

    def _can_be_built(self, definition: IndexDefinition) -> bool:
        if any(key.operator_class == "gin_trgm_ops" for key in definition.keys):
            return self.clone.extension("pg_trgm")
        return True

    def _shortlist(self, found: list[IndexDefinition], judged: Sequence[Judged]) -> list[IndexDefinition]:
        """Those that the planner itself takes for some statement when it may take any, and next when those are gone;
        with what they were made from: fewer keys, nothing in the leaves."""
        wanted: set[IndexDefinition] = set()
        for each in judged:
            reaching = [candidate for candidate in found if each.reached_by(candidate)]
            for run in each.executions:
                left = set(reaching[:_MOST_AT_ONCE])
                for _ in range(_TIERS):
                    with self.clone.only(frozenset(left)):
                        names = self.clone.plan(run.sql).indexes
                        used = {candidate for candidate in left if self.clone.names_of(candidate) & names}
                    if not used:
                        break
                    wanted |= used
                    left -= used
        simpler = {each for one in wanted for each in found if each.begins(one)}
        return [each for each in found if each in wanted | simpler]

    def _chosen(
        self, found: list[IndexDefinition], cost: WorkloadCost, judged: Sequence[Judged]
    ) -> list[IndexDefinition]:
        """Chosen by cost, built and measured. Each time half of what is left may be spent on choosing: what fails to be
        borne out needs another in its place."""
        deadline = time.monotonic() + _LONGEST_PROOF * self.options.search_seconds
        left_seconds = self.options.search_seconds
        singles = set(single_column_candidates(found))
        sizes: dict[IndexDefinition, int] = {}

        def size(each: IndexDefinition) -> int:
            if each not in sizes:
                sizes[each] = self.clone.size(each)
            return sizes[each]

        budget = self.options.size_budget
        if budget is None:
            budget = sum(self._table_bytes(key) for key in {(each.schema, each.table) for each in found})

        def select(left: Sequence[IndexDefinition]) -> Sequence[IndexDefinition]:
            nonlocal left_seconds
            began = time.monotonic()
            selected = select_indexes(
                left,
                cost,
                size,
                singles=singles,
                budget=budget,
                minimum_gain=self.options.minimum_gain,
                group=lambda each: (each.schema, each.table),
                out_of_time=lambda: time.monotonic() - began > left_seconds / 2,
            )
            left_seconds -= time.monotonic() - began
            for each in selected.chosen:
                self.clone.build(each)
            return selected.chosen

        return select_borne_out(
            found,
            select,
            self._proven,
            # What HypoPG imagines is priced a little otherwise than what is built.
            WorkloadCost(judged, self.clone, dict(self.catalogue.tables)),
            fits=lambda chosen: sum(map(size, chosen)) <= budget,
            minimum_gain=self.options.minimum_gain,
            out_of_time=lambda: time.monotonic() > deadline,
        )

    def _table_bytes(self, key: tuple[str | None, str]) -> int:
        table = self.catalogue.tables[key]
        return max(table.size_bytes, table.pages * 8192, 1 << 20)

    # Proof.

    def _proven(
        self, chosen: Sequence[IndexDefinition], why: str = _NOT_MEASURED
    ) -> tuple[list[IndexDefinition], list[IndexDefinition]]:
        """Those that lower the pages measured for the workload, with the others in place; and those that do not."""

        def saved(each: IndexDefinition, everything: frozenset[IndexDefinition]) -> float:
            return self.pages.gain(each, everything) / max(self.pages.ended_total(everything), 1.0)

        lasting, failed = borne_out(chosen, saved, _LEAST_SAVED)
        self.failed |= dict.fromkeys(failed, why)
        return lasting, failed

    def _borne_out(self, chosen: list[IndexDefinition]) -> list[IndexDefinition]:
        """Those that lower the pages whatever sample of rows the planner goes by, and by that of the database itself.

        The database draws another whenever it is analyzed: a plan that only luck brings is no gain.
        """
        read = {access.table for each in self.pages.statements for access in each.analysis.accesses}
        seen = self.clone.rows_of_statistics()
        sampled = sorted(table.sql for table in read if table.kind != "view" and table.rows > seen)
        draws = _DRAWS if sampled else 0
        agreed = 0
        while chosen and agreed <= draws:
            if agreed < draws:
                self.clone.analyze(sampled)
            else:
                self._plan_as_the_database()
            self.pages.plan_again()
            chosen, failed = self._proven(chosen, _DRAWN if agreed < draws else _OWN)
            agreed = 0 if failed else agreed + 1
        return chosen

    def _plan_as_the_database(self) -> None:
        """Have the clone plan by the database's own statistics, of tables of which it has all rows."""
        import psycopg

        whole = {
            key
            for key, table in self.catalogue.tables.items()
            if (own := self.used.tables.get(key)) is not None and abs(own.rows - table.rows) <= _WHOLE * own.rows
        }
        try:
            put_statistics(self.clone.connection, self.statistics, whole)
            put_visible_shares(self.clone.connection, self.visible, whole)
        except psycopg.errors.InsufficientPrivilege:
            self.notes.append(
                "the clone plans by statistics of its own: the database's take a superuser there to be written"
            )

    # The answer.

    def _advice(
        self, chosen: list[IndexDefinition], judged: Sequence[Judged], found: Sequence[IndexDefinition]
    ) -> IndexAdvice:
        everything = frozenset(chosen)
        cost = WorkloadCost(judged, self.clone, dict(self.catalogue.tables))
        total = cost(everything)
        advised = [self._advised(each, chosen, judged, cost, total) for each in chosen]
        kinds = {run.values for each in judged for run in each.executions}
        advice = IndexAdvice(
            dialect="postgresql",
            advised=sorted(advised, key=lambda each: each.cost_after - each.cost_before),
            droppable=self._droppable(chosen, judged, cost),
            sequential_scans=self._scans(everything, judged),
            cost_before=cost(frozenset()),
            cost_after=total,
            buffers_before=self.pages.total(frozenset()),
            buffers_after=self.pages.total(everything),
            statements=len(judged),
            candidates=len(found),
            checked_with="HypoPG" if self.clone.hypopg else "built indexes",
            values=_VALUES if kinds & {"typical", "skewed"} else "",
            notes=[*self.catalogue.notes, *self.notes, *self._notes()],
            left_out=self.left_out[:_MOST_LEFT_OUT],
        )
        # Last, for it removes the indexes; in the order of the advice.
        places = {each.name: place for place, each in enumerate(advice.advised)}
        bills = self._write_bills(sorted(chosen, key=lambda each: places[each.name]), judged)
        billed = {each.name: bill for each, bill in bills.items()}
        return structs.replace(
            advice, advised=[structs.replace(each, write_bill=billed[each.name]) for each in advice.advised]
        )

    def _notes(self) -> list[str]:
        notes = []
        if not self.clone.hypopg:
            notes.append(
                f"HypoPG is not there: at most {_MOST_BUILT_CANDIDATES} candidates were built on the clone instead"
            )
        if len(self.left_out) > _MOST_LEFT_OUT:
            notes.append(f"{len(self.left_out) - _MOST_LEFT_OUT} more could not be judged")
        return notes

    def _advised(
        self,
        definition: IndexDefinition,
        chosen: Sequence[IndexDefinition],
        judged: Sequence[Judged],
        cost: WorkloadCost,
        total: float,
    ) -> AdvisedIndex:
        everything = frozenset(chosen)
        without = everything - {definition}
        runs = self.pages.changed(without, everything)
        saved = {number: sum(bare.cost - with_.cost for bare, with_ in each) for number, each in runs.items()}
        order = sorted(runs, key=lambda number: -saved[number])
        table = self.catalogue.tables[definition.schema, definition.table]
        trigrams = any(key.operator_class == "gin_trgm_ops" for key in definition.keys)
        return AdvisedIndex(
            name=definition.name,
            schema=definition.schema,
            table=definition.table,
            keys=[key.sql for key in definition.keys],
            include=list(definition.include),
            where=definition.where,
            method=definition.method,
            create_sql=definition.create_sql("postgresql", concurrently=table.kind != "partitioned"),
            drop_sql=definition.drop_sql("postgresql", concurrently=table.kind != "partitioned"),
            reason=reason(definition, [judged[number] for number in order]),
            cost_before=cost(without),
            cost_after=total,
            buffers_before=self.pages.total(without),
            buffers_after=self.pages.total(everything),
            size_bytes=self.clone.size(definition),
            build_seconds=self.clone.build_seconds[definition],
            statements=[
                statement_gain(judged[number], runs[number]) for number in order[:_MOST_STATEMENTS_OF_AN_INDEX]
            ],
            requires=["pg_trgm"] if trigrams else [],
        )

    def _write_bills(
        self, chosen: Sequence[IndexDefinition], judged: Sequence[Judged]
    ) -> dict[IndexDefinition, WriteBill]:
        by_table: defaultdict[tuple[str | None, str], list[IndexDefinition]] = defaultdict(list)
        for each in chosen:
            by_table[each.schema, each.table].append(each)
        written = []
        for key, definitions in by_table.items():
            writes = [
                (write, each.statement)
                for each in judged
                if (write := each.analysis.write) is not None and write.table.key == key
            ]
            written.append(
                WrittenTable(
                    self._counted(key),
                    definitions,
                    sum(max(each.rows, each.calls) for write, each in writes if write.kind == "insert"),
                    [(write.columns, float(each.calls)) for write, each in writes if write.kind == "update"],
                    judged,
                )
            )
        return measure_write_bills(self.clone, written, self.options)

    def _counted(self, key: tuple[str | None, str]) -> Table:
        """The clone's table, with the updates that the database itself counted."""
        table, own = self.catalogue.tables[key], self.used.tables.get(key)
        return replace(table, updates=own.updates, hot_updates=own.hot_updates) if own is not None else table

    def _droppable(
        self, chosen: Sequence[IndexDefinition], judged: Sequence[Judged], cost: WorkloadCost
    ) -> list[DroppableIndex]:
        import psycopg

        everything = frozenset(chosen)
        used: set[str] = set()
        with self.clone.only(everything):
            for each in judged:
                for run in each.executions:
                    used |= self.clone.plan(run.sql).indexes
        found: list[DroppableIndex] = []
        base = cost(everything)
        for index in droppable(self.used, advised=chosen, used=frozenset(used)):
            try:
                with self.clone.without([quote_name(index.schema, index.name)]):
                    bare = WorkloadCost(judged, self.clone, dict(self.catalogue.tables))(everything)
            except psycopg.Error:
                found.append(index)  # not on the clone
                continue
            change = (bare - base) / base if base else 0.0
            if change <= self.options.minimum_gain:
                found.append(structs.replace(index, workload_cost_change=change))
        return found

    def _scans(self, chosen: frozenset[IndexDefinition], judged: Sequence[Judged]) -> list[SequentialScan]:
        found: dict[tuple[str, str], SequentialScan] = {}
        with self.clone.only(chosen):
            for each in judged:
                for run in each.executions:
                    for schema, name, rows, filtered in scanned_tables(self.clone.plan(run.sql).plan):
                        scan = sequential_scan(each, schema, name, rows, filtered, self.catalogue)
                        if scan is not None:
                            found.setdefault((scan.fingerprint, scan.table), scan)
        return list(found.values())


def _reason_of(error: psycopg.Error) -> str:
    """The database's words without the statement's values: those come after the first line, or in quotes."""
    code = error.sqlstate or "no state"
    return f"PostgreSQL refuses it ({type(error).__name__}, {code})"
