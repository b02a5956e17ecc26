"""Is a rewrite the same question, and is it answered faster? Proven wrong by a counterexample, or measured.

Two statements are compared as multisets of rows, and in order where their ORDER BY decides one, on generated rows that
the schema's constraints allow and on the clone's own rows in one snapshot. Rows are drawn for these two statements:
from the constants they compare with, and from values that fool. Statements made wrong on purpose measure whether the
rows could tell anything. That no difference was found is evidence and no theorem: the record says how much was tried.
"""

from __future__ import annotations

import math
import random
import re
import time
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace as changed
from sqlglot import exp

from ...exceptions import UnreadableStatement
from ...records.query_advice import Counterexample, Proof
from .adversarial import Dataset, generate, parents_first
from .determinism import called_functions, undetermined
from .domains import Domains, read_domains
from .engine import Engine, QueryEnded, QueryFailed, QueryTimedOut, Sandbox, Snapshot, TooManyRows, Unprovable
from .measurement import measure
from .mutants import mutants
from .ordering import order_of
from .planned import parameters_for, planned
from .results import Answer, Difference, compare_answers
from .scaling import scaled
from .situations import Truths, situations
from .sqlite_engine import SQLiteEngine
from .statement import Sources, Statement, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..connections import Database
    from .adversarial import Row
    from .tables import Table

__all__ = ["ProofOptions", "open_engine", "prove", "prove_statements"]

_ENOUGH_ANSWERS = 5
"""Sets of rows for which the original must return some row."""
_ASSUMED = (
    "the generated rows hold values of their columns' declared types",
    "no difference was found on the rows tried: more than a sample, less than a theorem",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofOptions:
    """How hard to try.

    Attributes:
        datasets: sets of generated rows; up to four times as many where the original hardly answers.
        seed: of the generated rows; the same seed gives the same proof.
        rounds: runs of each statement when they are measured.
        seconds: bound on what is run on the clone's own rows, half of it for comparing them, the rest for measuring.
        threshold: changes up to this share of the time are no difference.
        show_values: show rows of the clone that are answered differently; generated rows are always shown.
    """

    datasets: int = 120
    seed: int = 0
    rounds: int = 11
    seconds: float = 10.0
    threshold: float = 0.1
    show_values: bool = False


def prove(
    clone: Database,
    original: str,
    rewrite: str,
    *,
    parameters: Sequence[Sequence[Any]] = (),
    needs: Sequence[str] = (),
    options: ProofOptions | None = None,
    measured: bool = True,
) -> Proof:
    """Compare a statement with its rewrite.

    Args:
        clone: where the statements may be tried, opened as writable; nothing stays in it. Never the database advised
            on, but for SQLite, whose generated rows go to a database in memory.
        original: the statement.
        rewrite: the other; its parameters have the original's numbers (`$1`, `:p1`).
        parameters: sampled values to run it with on the clone; drawn from the columns compared with where there are
            none.
        needs: DDL, such as an index, that the rewrite is measured with.
        options: how hard to try.
        measured: False leaves the clone's own rows and times alone.

    Returns:
        `rejected` with the counterexample, `not provable` with the reason, or the verdict of the measurement.
    """
    engine = open_engine(clone)
    try:
        one, other = (parse(sql, engine.dialect) for sql in (original, rewrite))
    except UnreadableStatement as error:
        return Proof(verdict="not provable", reason=str(error))
    return prove_statements(engine, one, other, parameters=parameters, needs=needs, options=options, measured=measured)


def prove_statements(
    engine: Engine,
    original: Statement,
    rewrite: Statement,
    *,
    parameters: Sequence[Sequence[Any]] = (),
    needs: Sequence[str] = (),
    options: ProofOptions | None = None,
    measured: bool = True,
    measured_as: Callable[[Sequence[Any]], Statement | None] | None = None,
) -> Proof:
    """The same for statements already read.

    Args:
        measured_as: given the parameters' values, the statement to measure in the rewrite's place; None: there is none.
    """
    try:
        trial = _Trial(engine, original, rewrite, options or ProofOptions())
        return trial.prove(parameters, needs, measured, measured_as)
    except (Unprovable, QueryFailed) as error:
        return Proof(verdict="not provable", reason=str(error))


def open_engine(database: Database) -> Engine:
    """What the proof needs of a database."""
    if database.dialect == "sqlite":
        return SQLiteEngine(database)
    from .postgresql_engine import PostgreSQLEngine  # psycopg is there, for the database is open

    return PostgreSQLEngine(database)


class _Trial:
    def __init__(self, engine: Engine, original: Statement, rewrite: Statement, options: ProofOptions) -> None:
        for statement, name in ((original, "original"), (rewrite, "rewrite")):
            if not statement.is_select:
                raise Unprovable(f"The {name} does not only read: it is never executed")
        self._engine, self._options = engine, options
        self._original, self._rewrite = original, rewrite
        self._tables = engine.tables([original, rewrite])
        self._parameters = max(original.parameters, rewrite.parameters)
        called = called_functions(original.sql) | called_functions(rewrite.sql)
        for table in self._tables:
            called |= called_functions(table.definition or "") if table.view else set()
        volatile = engine.volatile(called)
        for statement, name in ((original, "original"), (rewrite, "rewrite")):
            reasons = undetermined(statement, self._tables, volatile)
            if reasons:
                raise Unprovable(f"The {name} may answer differently each time: {'; '.join(reasons)}")
        self._order = order_of(original.tree, Sources(original, self._tables))
        self._keeps_order = order_of(rewrite.tree, Sources(rewrite, self._tables)).ordered
        self._named = _named_outputs(original)

    def prove(
        self,
        parameters: Sequence[Sequence[Any]],
        needs: Sequence[str],
        measured: bool,
        measured_as: Callable[[Sequence[Any]], Statement | None] | None,
    ) -> Proof:
        proof = self._on_generated_rows()
        if proof.verdict in ("rejected", "not provable") or not measured:
            return proof
        began = time.monotonic()
        values = [list(each) for each in parameters] or self._sampled()
        proof = self._on_the_clone(proof, values, began + self._options.seconds / 2)
        if proof.verdict == "rejected":
            return proof
        final = measured_as(values[0]) if measured_as is not None else self._rewrite
        if final is None:
            return changed(proof, verdict="not enough data", reason=f"{proof.reason}; the clone holds no such page")
        return self._measured(proof, final, values[0], needs, began + self._options.seconds)

    def _on_generated_rows(self) -> Proof:
        # Small tables never reach OFFSET 10000: both statements get small counts for large ones.
        original, rewrite = scaled(self._original, self._rewrite)
        domains = read_domains([original, rewrite, *self._view_queries()], self._tables)
        stored = parents_first([table for table in self._tables if not table.view])
        drawn = generate(stored, domains, self._parameters, seed=self._options.seed, sets=self._options.datasets * 4)
        tried = rows = answered = answering = 0
        last_error: QueryFailed | None = None
        suspects = [mutant for mutant in mutants(original) if mutant.sql != rewrite.with_tree(rewrite.tree).sql]
        alive = list(suspects)
        compared: list[int] | None = None
        statements = original, rewrite
        with self._engine.sandbox(self._tables) as sandbox:
            for dataset in chain(self._planned(sandbox, (original, rewrite), stored, domains), drawn):
                if tried >= self._options.datasets and answering >= _ENOUGH_ANSWERS:
                    break
                dataset = replace(dataset, rows=sandbox.load(dataset.rows, dataset.zone))
                try:
                    answer, difference = self._difference(sandbox, statements, dataset)
                except QueryEnded:
                    raise
                except QueryFailed as error:  # its failure, as of a division by zero, depends on the plan
                    last_error = error
                    continue
                tried += 1
                rows += dataset.size
                if answer is None or difference is not None:
                    return self._rejected(sandbox, statements, dataset, tried)
                answered += len(answer.rows)
                answering += bool(answer.rows)
                compared = self._order.positions(answer.names)
                alive = [mutant for mutant in alive if self._differ(sandbox, answer, mutant, dataset) is None]
        if self._order.ordered and not self._keeps_order:
            what = "the original orders its rows, the rewrite leaves their order to the plan"
            return Proof(verdict="rejected", reason=what, datasets=tried, counterexample=Counterexample(what=what))
        caught = (len(suspects) - len(alive), len(suspects))
        proof = Proof(
            verdict="no difference",
            reason=f"the same answers on {tried} generated sets of rows",
            datasets=tried,
            generated_rows=rows,
            answered_rows=answered,
            mutants_caught=caught,
            order="none asked for" if not self._order.ordered else "not compared" if compared is None else "compared",
            assumptions=list(_ASSUMED),
        )
        if not tried:
            return _unproven(proof, f"the original failed on every generated set of rows: {last_error}")
        if answering < _ENOUGH_ANSWERS:
            return _unproven(proof, "the generated rows hardly ever satisfied the original: too little to compare")
        if caught[0] * 2 < caught[1] and caught[1] > 2:
            return _unproven(
                proof,
                f"the generated rows told only {caught[0]} of {caught[1]} statements made wrong from the original",
            )
        return proof

    def _planned(
        self, sandbox: Sandbox, statements: Sequence[Statement], tables: Sequence[Table], domains: Domains
    ) -> Iterator[Dataset]:
        """Rows for what must be met whatever is drawn."""
        choice = random.Random(f"{self._options.seed}/planned")
        sandbox.load({})
        parameters = parameters_for(domains, self._parameters)
        truths = Truths(sandbox, statements[0], parameters)
        for situation in situations([*statements, *self._view_queries()], self._tables, domains, truths, choice):
            yield planned(tables, domains, situation, parameters, choice)

    def _view_queries(self) -> list[Statement]:
        """The definitions of the views read, for what they compare with."""
        found = []
        for table in self._tables:
            if table.view:
                body = re.sub(
                    r"^\s*CREATE.*?\bAS\b", "", table.definition or "", count=1, flags=re.IGNORECASE | re.DOTALL
                )
                found.append(parse(body, self._engine.dialect))
        return found

    def _difference(
        self, sandbox: Sandbox, statements: tuple[Statement, Statement], dataset: Dataset
    ) -> tuple[Answer | None, Difference | None]:
        """The original's answer, where it has one, and how the rewrite's differs."""
        original, rewrite = statements
        try:
            answer = sandbox.run(original, dataset.parameters)
        except TooManyRows as error:
            sandbox.run(rewrite, dataset.parameters)  # where this fails too, there is nothing to compare
            return None, Difference(f"the original fails where the rewrite answers: {error}", [], [])
        return answer, self._differ(sandbox, answer, rewrite, dataset)

    def _differ(self, sandbox: Sandbox, answer: Answer, other: Statement, dataset: Dataset) -> Difference | None:
        try:
            found = sandbox.run(other, dataset.parameters)
        except QueryEnded:
            raise
        except QueryFailed as error:
            return Difference(f"the rewrite fails where the original answers: {error}", [], [])
        return compare_answers(answer, found, named=self._named, order=self._order.positions(answer.names))

    def _rejected(
        self, sandbox: Sandbox, statements: tuple[Statement, Statement], dataset: Dataset, tried: int
    ) -> Proof:
        original, rewrite = statements

        def difference(candidate: Dataset) -> tuple[Dataset, Difference] | None:
            kept = replace(candidate, rows=sandbox.load(candidate.rows, candidate.zone))
            try:
                _, found = self._difference(sandbox, statements, kept)
            except QueryFailed:
                return None
            return (kept, found) if found is not None else None

        found = difference(dataset)
        if found is None:
            raise Unprovable("The original answers differently each time on the same rows")
        for simpler in (_in_the_own_zone, _with_less, _with_small_numbers):
            while (next_one := next(filter(None, map(difference, simpler(found[0], self._tables))), None)) is not None:
                found = next_one
        dataset, what = found
        told = what.what + (f", with the TimeZone {dataset.zone}" if dataset.zone is not None else "")
        return Proof(
            verdict="rejected",
            reason=f"another answer: {told}",
            datasets=tried,
            counterexample=Counterexample(
                tables={
                    label: [{name: _literal(value) for name, value in row.items()} for row in rows]
                    for label, rows in dataset.rows.items()
                },
                parameters=[_literal(value) for value in dataset.parameters],
                statements=[original.sql, rewrite.sql] if original.sql != self._original.sql else [],
                only_original=[[_cell(cell) for cell in row] for row in what.only_original[:5]],
                only_rewrite=[[_cell(cell) for cell in row] for row in what.only_rewrite[:5]],
                what=told,
            ),
        )

    def _sampled(self) -> list[list[Any]]:
        """Values for parameters from the columns they are compared with, as the clone holds them."""
        domains = read_domains([self._original, self._rewrite], self._tables)
        if not self._parameters:
            return [[]]
        choice = random.Random(self._options.seed)
        columns = {
            place: self._engine.samples(table, place[1], 20)
            for table in self._tables
            for place in domains.parameters.values()
            if isinstance(place, tuple) and place[0] == table.label
        }
        return [_draw(domains, columns, choice, self._parameters) for _ in range(3)]

    def _on_the_clone(self, proof: Proof, values: Sequence[Sequence[Any]], deadline: float) -> Proof:
        rows = 0
        for parameters in values:
            ordered = self._order.ordered and self._order.total
            try:
                snapshot = self._engine.snapshot(
                    self._original, self._rewrite, parameters, ordered=ordered, deadline=deadline
                )
            except QueryTimedOut as error:
                what = f"the clone's own rows give the same answers: comparing all of them was cut, {error}"
                return changed(proof, assumptions=[*proof.assumptions, what])
            told = _told_apart(snapshot)
            if told is not None:
                reason, counterexample = f"another answer: {told}", Counterexample(what=told)
                return changed(proof, verdict="rejected", reason=reason, counterexample=counterexample)
            rows += snapshot.rows
        return changed(proof, snapshot_rows=rows)

    def _measured(
        self, proof: Proof, rewrite: Statement, parameters: Sequence[Any], needs: Sequence[str], deadline: float
    ) -> Proof:
        try:
            found = measure(
                self._engine,
                self._original,
                rewrite,
                parameters,
                needs=needs,
                rounds=self._options.rounds,
                threshold=self._options.threshold,
                deadline=deadline,
            )
        except QueryTimedOut as error:
            return changed(proof, verdict="not enough data", reason=f"{proof.reason}; not measured: {error}")
        figures = {name: getattr(found, name) for name in found.__slots__ if name != "reason"}
        return changed(proof, reason=f"{proof.reason}; {found.reason}", **figures)


def _told_apart(snapshot: Snapshot) -> str | None:
    if snapshot.same_order is False:
        return "the clone's own rows come in another order"
    if snapshot.only_original or snapshot.only_rewrite:
        missing, extra = snapshot.only_original, snapshot.only_rewrite
        return f"on the clone's own rows {missing} rows of the original are missing, {extra} too many"
    return None


def _in_the_own_zone(dataset: Dataset, _: Sequence[Table]) -> Iterator[Dataset]:
    if dataset.zone is not None:
        yield replace(dataset, zone=None)


def _with_less(dataset: Dataset, tables: Sequence[Table]) -> Iterator[Dataset]:
    """The dataset with a row less, or a reference less."""
    references = {table.label: {name for key in table.foreign_keys for name in key.columns} for table in tables}
    for label, rows in dataset.rows.items():
        for position, row in enumerate(rows):
            yield _with_row(dataset, label, position)
            for name in references[label]:
                if row.get(name) is not None:
                    yield _with_row(dataset, label, position, {**row, name: None})


def _with_small_numbers(dataset: Dataset, _: Sequence[Table]) -> Iterator[Dataset]:
    """The dataset with a small number for a large one, wherever one stands."""
    for label, rows in dataset.rows.items():
        for position, row in enumerate(rows):
            for name, value in row.items():
                if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**6:
                    yield _with_row(dataset, label, position, {**row, name: position + 1})


def _with_row(dataset: Dataset, label: str, position: int, row: Row | None = None) -> Dataset:
    rows = dataset.rows[label]
    kept = [*rows[:position], *([row] if row is not None else []), *rows[position + 1 :]]
    return replace(dataset, rows={**dataset.rows, label: kept})


def _unproven(proof: Proof, reason: str) -> Proof:
    return changed(proof, verdict="not provable", reason=reason)


def _named_outputs(statement: Statement) -> list[bool]:
    """Which columns the statement names itself; a function's or an operator's name is the database's own choice."""
    tree = statement.tree
    selects = tree.selects if isinstance(tree, exp.Query) else []
    if any(projection.is_star for projection in selects):
        return []
    return [isinstance(projection, exp.Alias | exp.Column) for projection in selects]


def _draw(domains: Domains, columns: dict[Any, list[Any]], choice: random.Random, count: int) -> list[Any]:
    values: list[Any] = []
    for number in range(1, count + 1):
        use = domains.parameters.get(number)
        held = columns.get(use) if isinstance(use, tuple) else None
        if use == "count":
            values.append(20)
        elif use == "skip":
            values.append(0)
        elif not held:
            values.append(1)
        elif number in domains.patterns:
            values.append(f"{str(choice.choice(held))[:3]}%")
        else:
            values.append(choice.choice(held))
    return values


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if (isinstance(value, int | float) or type(value).__name__ == "Decimal") and math.isfinite(value):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"


def _cell(cell: Any) -> str:
    if isinstance(cell, tuple):  # SQLite's, with its type
        return _literal(cell[1])
    return "NULL" if cell is None else str(cell)
