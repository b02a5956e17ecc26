"""Query advice for a workload: every statement through every rule, every rewrite through the proof."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from ...exceptions import UnreadableStatement
from ...records.query_advice import Proof, QueryAdvice
from .engine import Engine, QueryFailed, Unprovable
from .proof import ProofOptions, open_engine, prove_statements
from .rules import RULES, Draft, Facts
from .statement import Statement, generate, parameter, parameter_number, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...records.workload import WorkloadRecord, WorkloadStatement
    from ..connections import Database

__all__ = ["advise_queries", "advise_statement"]

_LONGEST_PLACE = 200


def advise_queries(
    database: Database,
    workload: WorkloadRecord,
    *,
    clone: Database | None = None,
    options: ProofOptions | None = None,
    left_out: list[str] | None = None,
) -> list[QueryAdvice]:
    """What could be asked better, the dearest statements first.

    Args:
        database: the one advised on; its catalogues are read, no statement is executed there.
        workload: what it is asked.
        clone: where rewrites are proven and measured; None leaves them unproven, which each says.
        options: how hard to try.
        left_out: told of statements that could not be read, one line each.
    """
    engine = open_engine(database)
    advice = []
    for each in workload.statements:
        try:
            statement = parse(each.sql, engine.dialect)
            tables = engine.tables([statement])
        except (UnreadableStatement, Unprovable, QueryFailed) as error:
            if left_out is not None:
                left_out.append(f"{each.fingerprint[:_LONGEST_PLACE]}: {error}")
            continue
        facts = Facts(statement, tables, each.rows / each.calls if each.calls else 0.0, _executions(each))
        advice += _advise(facts, each, clone, options)
    return advice


def advise_statement(
    database: Database, sql: str, *, clone: Database | None = None, options: ProofOptions | None = None
) -> list[QueryAdvice]:
    """The same for one statement.

    Raises:
        UnreadableStatement: it does not parse, or is more than one.
        DatabaseFailed: it reads a table there is not.
    """
    from ...agent.fingerprint import fingerprint
    from ...exceptions import DatabaseFailed
    from ...records.workload import WorkloadStatement

    engine = open_engine(database)
    statement = parse(sql, engine.dialect)
    try:
        facts = Facts(statement, engine.tables([statement]))
    except (Unprovable, QueryFailed) as error:
        raise DatabaseFailed(str(error), where=database.name) from error
    alone = WorkloadStatement(fingerprint=fingerprint(sql), sql=sql, kind="other", calls=0)
    return _advise(facts, alone, clone, options)


def _advise(
    facts: Facts, each: WorkloadStatement, clone: Database | None, options: ProofOptions | None
) -> list[QueryAdvice]:
    found = []
    for rule in RULES:
        for draft in rule.find(facts):
            rewrite = draft.rewrite if facts.statement.is_select else None
            proof = None
            if rewrite is not None:
                proof = _prove(facts.statement, draft, each, clone, options)
            found.append(
                QueryAdvice(
                    rule=rule.name,
                    fingerprint=each.fingerprint,
                    what=draft.what,
                    where=_place(facts.statement, draft.node),
                    position=_position(facts.statement, draft.node),
                    evidence=draft.evidence,
                    rewrite=generate(rewrite, facts.statement.dialect) if rewrite is not None else None,
                    needs=draft.needs,
                    costs=draft.costs,
                    alternatives=draft.alternatives,
                    proof=proof,
                    calls=each.calls,
                    total_ms=each.total_ms,
                )
            )
    return found


def _prove(
    statement: Statement,
    draft: Draft,
    each: WorkloadStatement,
    clone: Database | None,
    options: ProofOptions | None,
) -> Proof:
    if clone is None:
        return Proof(verdict="not provable", reason="there is no clone to try it on")
    sampled = _executions(each)
    assert draft.rewrite is not None
    engine = open_engine(clone)
    if draft.keyset is None:
        return prove_statements(
            engine,
            statement,
            statement.with_tree(draft.rewrite),
            parameters=sampled,
            needs=draft.needs,
            options=options,
        )
    keyset, page = draft.keyset, draft.rewrite
    # The OFFSET's parameter is gone from the statements compared: the others close ranks.
    used = _parameters(keyset.original)

    def bound(values: Sequence[Any]) -> Statement | None:
        """The page with the values of the last row before it."""
        wanted = _parameters(keyset.anchor)
        anchor = _renumbered(statement, keyset.anchor, wanted)
        last = _first_row(engine, anchor, [values[used.index(number)] for number in wanted])
        if last is None:
            return None
        tree = page.copy()
        for node in list(tree.find_all(exp.Placeholder)):
            if node.name in keyset.names:
                node.replace(exp.Literal.string(last[keyset.names.index(node.name)]))
        return _renumbered(statement, tree, used)

    return prove_statements(
        engine,
        _renumbered(statement, keyset.original, used),
        _renumbered(statement, keyset.proven, used),
        parameters=[
            [execution[number - 1] for number in used]
            for execution in sampled
            if len(execution) >= max(used, default=0)
        ],
        options=options,
        measured_as=bound,
    )


def _executions(each: WorkloadStatement) -> list[list[Any]]:
    """The values of its parameters, of the executions where they were kept."""
    return [
        [parameter.value for parameter in execution]
        for execution in each.parameters
        if execution and all(parameter.value is not None or parameter.type == "NoneType" for parameter in execution)
    ]


def _parameters(tree: exp.Expr) -> list[int]:
    return sorted({found for node in tree.walk() if (found := parameter_number(node)) is not None})


def _renumbered(statement: Statement, tree: exp.Expr, used: list[int]) -> Statement:
    """A part of the statement as one of its own, with its parameters numbered from 1."""
    copy = tree.copy()
    for node in list(copy.walk()):
        number = parameter_number(node)
        if number is not None:
            node.replace(parameter(used.index(number) + 1, statement.dialect))
    return Statement(generate(copy, statement.dialect), statement.dialect, copy, len(used))


def _first_row(engine: Engine, anchor: Statement, parameters: Sequence[Any]) -> list[str] | None:
    rows = engine.answer(anchor, parameters).rows
    if not rows:
        return None
    return [str(cell[1] if isinstance(cell, tuple) else cell) for cell in rows[0]]


def _place(statement: Statement, node: exp.Expr | None) -> str:
    text = generate(node, statement.dialect) if node is not None else statement.sql
    return text if len(text) <= _LONGEST_PLACE else text[: _LONGEST_PLACE - 1] + "…"


def _position(statement: Statement, node: exp.Expr | None) -> tuple[int, int] | None:
    """Line and column, from 1, of the first word of it that the parser placed."""
    starts = [each.meta["start"] for each in node.walk() if "start" in each.meta] if node is not None else []
    if not starts:
        return None
    before = statement.sql[: min(starts)]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
