"""Small counts for large ones: tables of nine rows never reach OFFSET 10000."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .statement import Statement

__all__ = ["scaled"]

_LARGEST = 3


def scaled(original: Statement, rewrite: Statement) -> tuple[Statement, Statement]:
    """Both with small numbers in LIMIT and OFFSET, equal ones for equal ones and in the same order of size.

    The numbers themselves are chosen by nobody: a statement that is right for LIMIT 2 OFFSET 1 and wrong for LIMIT 20
    OFFSET 100 would have to count them.
    """
    counts = {int(literal.name) for statement in (original, rewrite) for literal in _counts(statement.tree)}
    if not any(count > _LARGEST for count in counts):
        return original, rewrite
    kept = {0, 1} & counts
    small = dict(zip(sorted(counts - kept), range(len(kept & {1}) + 1, len(counts) + 2), strict=False))
    return _replaced(original, small), _replaced(rewrite, small)


def _replaced(statement: Statement, small: dict[int, int]) -> Statement:
    tree = statement.tree.copy()
    for literal in list(_counts(tree)):
        number = int(literal.name)
        literal.replace(exp.Literal.number(small.get(number, number)))
    return statement.with_tree(tree)


def _counts(tree: exp.Expr) -> Iterator[exp.Literal]:
    for node in tree.find_all(exp.Limit, exp.Offset, exp.Fetch):
        for literal in node.find_all(exp.Literal):
            if not literal.is_string and literal.name.isdigit():
                yield literal
