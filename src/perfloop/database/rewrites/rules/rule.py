"""What a rule of query advice is, what it reads and what it finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from ..statement import Sources, Statement, generate, parameter_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ....records.query_advice import Alternative
    from ..tables import Table

__all__ = [
    "Draft",
    "Facts",
    "Keyset",
    "Rule",
    "is_conjunct",
    "is_plain",
    "number",
    "replaced",
    "text_of",
    "uncast",
    "walked",
]


@dataclass(frozen=True)
class Facts:
    """One statement, the tables it reads, and what the workload knows of it."""

    statement: Statement
    tables: Sequence[Table]
    rows_per_call: float = 0.0
    """Rows returned a call, 0 where that is not known."""
    executions: Sequence[Sequence[Any]] = ()
    """The values of the parameters, of some executions where they are known."""

    @property
    def sources(self) -> Sources:
        return Sources(self.statement, self.tables)

    def text(self, node: exp.Expr) -> str:
        """A part of the statement as SQL."""
        return generate(node, self.statement.dialect)

    def values(self, node: exp.Expr | None) -> list[Any]:
        """What a parameter was in the executions that are known; nothing for anything else."""
        which = parameter_number(uncast(node)) if node is not None else None
        return [each[which - 1] for each in self.executions if which is not None and len(each) >= which]

    @property
    def postgresql(self) -> bool:
        return self.statement.dialect == "postgresql"


@dataclass(frozen=True)
class Keyset:
    """A page fetched by the last row of the page before: proven with that row looked up, measured with its values."""

    original: exp.Expr
    """The statement with a number for its OFFSET."""
    proven: exp.Expr
    """Reads the last row of the page before by a subquery."""
    anchor: exp.Expr
    """That subquery."""
    names: tuple[str, ...]
    """The placeholders of the rewrite that stand for the anchor's columns."""


@dataclass(frozen=True)
class Draft:
    """What a rule found, before anything is proven or measured."""

    what: str
    node: exp.Expr | None
    """The part of the statement that is meant."""
    evidence: list[str] = field(default_factory=list)
    rewrite: exp.Expr | None = None
    needs: list[str] = field(default_factory=list)
    costs: list[str] = field(default_factory=list)
    alternatives: list[Alternative] = field(default_factory=list)
    keyset: Keyset | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its name in records, and a pure function of the facts."""

    name: str
    summary: str
    """What it finds, one line."""
    find: Callable[[Facts], Iterator[Draft]]


def walked(facts: Facts, *kinds: type[exp.Expr]) -> Iterator[exp.Expr]:
    """The nodes of these kinds, in the order of the text."""
    yield from facts.statement.tree.find_all(*kinds, bfs=False)


def replaced(tree: exp.Expr, node: exp.Expr, new: exp.Expr) -> exp.Expr:
    """A copy of the tree with another node in one place."""
    place = next(number for number, each in enumerate(tree.walk()) if each is node)
    copy = tree.copy()
    target = next(each for number, each in enumerate(copy.walk()) if number == place)
    if target is copy:
        return new
    target.replace(new)
    return copy


def is_conjunct(node: exp.Expr) -> bool:
    """The condition must hold for a row to be returned: NULL is as good as FALSE there."""
    parent = node.parent
    while isinstance(parent, exp.And | exp.Paren):
        parent = parent.parent
    return isinstance(parent, exp.Where)


def is_plain(select: exp.Expr) -> bool:
    """A SELECT without grouping, DISTINCT, windows, aggregates, order or limit."""
    return (
        isinstance(select, exp.Select)
        and not any(
            select.args.get(part) for part in ("group", "having", "distinct", "order", "limit", "offset", "with_")
        )
        and not any(
            node.find_ancestor(exp.Select) is select
            for projection in select.selects
            for node in projection.find_all(exp.AggFunc, exp.Window)
        )
    )


def number(node: exp.Expr | None) -> int | None:
    """An integer literal's value."""
    if isinstance(node, exp.Neg):
        inner = number(node.this)
        return -inner if inner is not None else None
    if isinstance(node, exp.Literal) and not node.is_string and node.name.isdigit():
        return int(node.name)
    return None


def uncast(node: exp.Expr) -> exp.Expr:
    """The node inside casts and parentheses: drivers write parameters as `$1::INTEGER`."""
    while isinstance(node, exp.Cast | exp.Paren):
        node = node.this
    return node


def text_of(node: exp.Expr | None) -> str | None:
    """A text literal's value."""
    return node.name if isinstance(node, exp.Literal) and node.is_string else None
