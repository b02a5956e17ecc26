"""What rows must be like together for a fault to show: planned for two statements, where chance would seldom meet it.

For each condition on one column, a situation in which it alone decides: what is joined to it by AND holds, what is
joined by OR does not, and the column takes the values on either side of the condition's border, and NULL. So every
condition is seen true, false and unknown with an effect, as the modified condition/decision coverage of tests of
programs asks (Chilenski and Miller, "Applicability of modified condition/decision coverage to software testing", 1994).
Besides, situations in which all of a statement's conditions hold: with rows that are alike but for their keys, with
NULL wherever it may be, and with texts that some collation takes for equal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from ...exceptions import UnreadableStatement
from .engine import QueryEnded, QueryFailed
from .statement import Sources, Statement, generate, parameter, parameter_number, parse, quoted
from .values import fits

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Mapping, Sequence

    from .domains import Domains, Place
    from .engine import Sandbox
    from .tables import Column, Table

__all__ = ["Situation", "Truths", "situations"]

_MOST_VARIED = 8
MOST = 40


@dataclass(frozen=True)
class Situation:
    """Values by column, the first to be preferred; other columns hold one value each."""

    held: Mapping[Place, Sequence[Any]] = field(default_factory=dict)
    varied: Mapping[Place, Sequence[Any]] = field(default_factory=dict)
    """One row takes the first of them, the next the second, and so on."""
    absent: bool = False
    """Whatever else may be NULL is."""


@dataclass(frozen=True)
class _Condition:
    """A condition on one column, parameters and literals alone."""

    node: exp.Expr
    place: Place

    @property
    def key(self) -> tuple[str, Place]:
        return self.node.sql(), self.place


class Truths:
    """Asks a database for which values of its column a condition holds, fails and is unknown.

    Args:
        sandbox: where it is asked.
        statement: of the dialect, for its parameters.
        parameters: their values.
    """

    def __init__(self, sandbox: Sandbox, statement: Statement, parameters: Sequence[Any]) -> None:
        self._sandbox = sandbox
        self._statement = statement
        self._parameters = parameters
        self._held: dict[tuple[str, Place], list[bool | None] | None] = {}

    def of(self, condition: _Condition, column: Column, values: Sequence[Any]) -> list[bool | None] | None:
        """By value; None where it cannot be told."""
        if condition.key not in self._held:
            self._held[condition.key] = self._ask(condition.node, column, values)
        return self._held[condition.key]

    def _ask(self, node: exp.Expr, column: Column, values: Sequence[Any]) -> list[bool | None] | None:
        dialect, count = self._statement.dialect, len(values)
        condition = node.copy()
        used = [each for each in condition.find_all(exp.Parameter, exp.Placeholder) if parameter_number(each)]
        numbers = [parameter_number(each) or 0 for each in used]
        if any(number > len(self._parameters) for number in numbers):
            return None
        for place, each in enumerate(used, start=count + 1):
            each.replace(parameter(place, dialect))
        for each in condition.find_all(exp.Column):
            each.set("table", None)
            each.set("db", None)
        type_ = column.declared if dialect == "postgresql" else {"integer": "INTEGER", "text": "TEXT"}.get(column.kind)
        sign = "${}" if dialect == "postgresql" else ":p{}"
        rows = " UNION ALL ".join(
            f"SELECT {number} AS k, {f'CAST({sign} AS {type_})' if type_ else sign} AS {quoted(column.name)}".format(
                number
            )
            for number in range(1, count + 1)
        )
        sql = f"SELECT k, ({generate(condition, dialect)}) FROM ({rows}) AS perfloop_values"
        try:
            asked = parse(sql, dialect)
            answer = self._sandbox.run(asked, [*values, *(self._parameters[number - 1] for number in numbers)])
        except QueryEnded:
            raise
        except (QueryFailed, UnreadableStatement):
            return None
        found = {int(_plain(k)): _truth(_plain(truth)) for k, truth in answer.rows}
        return [found[number] for number in range(1, count + 1)]


def _plain(cell: Any) -> Any:
    return cell[1] if isinstance(cell, tuple) else cell  # SQLite's comes with its type


def _truth(value: Any) -> bool | None:
    return None if value is None else value not in (0, "f")


def situations(
    statements: Sequence[Statement],
    tables: Sequence[Table],
    domains: Domains,
    truths: Truths,
    choice: random.Random,
) -> list[Situation]:
    """At most forty, those of the first statement first."""
    planner = _Planner(domains, truths)
    found: list[Situation] = []
    for statement in statements:
        reader = _Conditions(statement, tables, domains)
        everything = planner.held([(root, True) for root in reader.roots], reader)
        found += [Situation(everything), Situation(everything, absent=True)]
        twins = {
            place: [value, *dict.fromkeys(each for each in _twins(value) if fits(each, domains.columns[place]))]
            for place in reader.places
            if domains.columns[place].kind == "text" and place not in domains.allowed
            for value in [next((each for each in everything.get(place, ["ab"]) if each), "ab")]
        }
        found += [Situation(everything, twins)] if twins else []
        for condition in reader.conditions:
            beside = planner.held(reader.beside(condition), reader)
            varied = planner.both_sides(condition)
            if varied:
                found.append(Situation({**beside}, planner.spread(condition.place, varied)))
    distinct = list({repr(each): each for each in found}.values())
    if len(distinct) > MOST:
        distinct = [*distinct[: MOST // 2], *choice.sample(distinct[MOST // 2 :], MOST // 2)]
    return distinct


def _twins(value: str) -> Iterator[str]:
    yield from (value.swapcase(), value.upper(), value + " ")


class _Conditions:
    """The conditions of one statement, and how they are joined to each other."""

    def __init__(self, statement: Statement, tables: Sequence[Table], domains: Domains) -> None:
        self._sources = Sources(statement, tables)
        self._domains = domains
        self.roots: list[exp.Expr] = [node.this for node in statement.tree.find_all(exp.Where)]
        self.roots += [join.args["on"] for join in statement.tree.find_all(exp.Join) if join.args.get("on") is not None]
        self._inner = [root for root in self.roots if _outer(root) is not None]
        self.conditions = [
            found for root in self.roots for node in _leaves(root) if (found := self.condition(node)) is not None
        ]
        places = [self._place(column) for column in statement.tree.find_all(exp.Column)]
        self.places = list(dict.fromkeys(place for place in places if place is not None))

    def condition(self, node: exp.Expr) -> _Condition | None:
        """The node, where it is about one column and nothing else that varies."""
        if node.find(exp.Query, exp.AggFunc, exp.Window) is not None:
            return None
        places = {self._place(column) for column in node.find_all(exp.Column)}
        place = places.pop() if len(places) == 1 else None
        return _Condition(node, place) if place is not None else None

    def beside(self, condition: _Condition) -> list[tuple[exp.Expr, bool]]:
        """What must hold, or not, for a condition to decide alone."""
        wanted: list[tuple[exp.Expr, bool]] = []
        node: exp.Expr | None = condition.node
        passed: set[int] = set()
        while node is not None:
            passed.add(id(node))
            parent = node.parent
            if isinstance(parent, exp.And | exp.Or):
                other = parent.right if parent.left is node else parent.left
                wanted.append((other, isinstance(parent, exp.And)))
            node = parent
        wanted += [(root, True) for root in self.roots if id(root) not in passed and root not in self._inner]
        return wanted

    def _place(self, column: exp.Expr) -> Place | None:
        found = self._sources.of(column)
        place = (found[0].label, found[1].name) if found is not None else None
        return place if place in self._domains.columns else None


def _leaves(node: exp.Expr) -> Iterator[exp.Expr]:
    node = node.unnest()
    if isinstance(node, exp.And | exp.Or):
        yield from _leaves(node.left)
        yield from _leaves(node.right)
    elif isinstance(node, exp.Not) and isinstance(node.this.unnest(), exp.And | exp.Or | exp.Not):
        yield from _leaves(node.this)
    else:
        yield node


def _outer(root: exp.Expr) -> exp.Expr | None:
    """The condition that a subquery's own condition is in."""
    return root.find_ancestor(exp.Exists, exp.In, exp.SubqueryPredicate)


class _Planner:
    def __init__(self, domains: Domains, truths: Truths) -> None:
        self._domains = domains
        self._values = {place: domains.tried(place) for place in domains.columns}
        self._truths = truths

    def held(self, wanted: Sequence[tuple[exp.Expr, bool]], reader: _Conditions) -> dict[Place, list[Any]]:
        """For each column the values with which all hold or fail as wanted; as many as can, where not all can."""
        asked: dict[Place, list[tuple[_Condition, bool]]] = {}
        for node, truth in wanted:
            for condition, holds in _demanded(node, truth, reader):
                asked.setdefault(condition.place, []).append((condition, holds))
        found: dict[Place, list[Any]] = {}
        for place, demands in asked.items():
            left = list(self._values[place])
            for condition, holds in demands:
                fitting = self._where(condition, holds)
                left = [each for each in left if each in fitting] or left
            found |= {other: each for other, each in self.spread(place, left).items() if other not in asked}
            found[place] = left
        return found

    def both_sides(self, condition: _Condition) -> list[Any]:
        """Values with which it holds, fails, and is unknown, in turns."""
        sides = [self._where(condition, truth)[: _MOST_VARIED // 2] for truth in (True, False)]
        if not any(sides):
            return []
        turns = [each for pair in zip(*sides, strict=False) for each in pair]
        turns += [each for side in sides for each in side if each not in turns]
        return [*turns, None] if self._domains.columns[condition.place].nullable else turns

    def spread(self, place: Place, values: Sequence[Any]) -> dict[Place, list[Any]]:
        """The same for the columns that it is compared with."""
        group, kind = self._domains.groups[place], self._domains.columns[place].kind
        return {
            other: [each for each in values if each is None or fits(each, column)]
            for other, column in self._domains.columns.items()
            if self._domains.groups[other] == group and column.kind == kind and other not in self._domains.allowed
        } | {place: list(values)}

    def _where(self, condition: _Condition, truth: bool) -> list[Any]:
        values = self._values[condition.place]
        told = self._truths.of(condition, self._domains.columns[condition.place], values) if values else None
        return [each for each, found in zip(values, told, strict=True) if found is truth] if told is not None else []


def _demanded(node: exp.Expr, truth: bool, reader: _Conditions) -> Iterator[tuple[_Condition, bool]]:
    """What conditions on single columns have to be for a condition to hold, or to fail."""
    node = node.unnest()
    condition = reader.condition(node)
    if isinstance(node, exp.Not) and not isinstance(node.this, exp.Is):
        yield from _demanded(node.this, not truth, reader)
    elif isinstance(node, exp.And | exp.Or):
        sides = [node.left, node.right]
        if truth is isinstance(node, exp.Or):  # one of them will do
            sides = [next((side for side in sides if any(_demanded(side, truth, reader))), sides[0])]
        for side in sides:
            yield from _demanded(side, truth, reader)
    elif isinstance(node, exp.Exists) or (isinstance(node, exp.In) and node.args.get("query") is not None):
        for where in node.find_all(exp.Where):
            yield from _demanded(where.this, truth, reader)
    elif condition is not None:
        yield condition, truth
