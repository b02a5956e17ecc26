"""Are two answers the same: as multisets of rows, as the database writes them, and in order where one counts?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Answer", "Difference", "compare_answers"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement returned."""

    names: tuple[str, ...]
    types: tuple[Any, ...]
    """As the database numbers them; empty where it has none of a column."""
    rows: list[tuple[Any, ...]]
    """Hashable cells that are equal only when the database's representations are."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How two answers differ."""

    what: str
    only_original: list[tuple[Any, ...]]
    only_rewrite: list[tuple[Any, ...]]


def compare_answers(
    original: Answer,
    rewrite: Answer,
    *,
    named: Sequence[bool] = (),
    order: Sequence[int] | None = None,
) -> Difference | None:
    """The first difference that matters; None for the same answer.

    Args:
        original: its answer.
        rewrite: the other's.
        named: which of the original's columns have a name that it gives them; the rest may be called otherwise.
        order: positions of the columns the answer is ordered by; empty: ordered by something it does not return, but
            totally, so that the whole order counts; None: in no order.
    """
    if len(original.names) != len(rewrite.names):
        what = f"the original returns {len(original.names)} columns, the rewrite {len(rewrite.names)}"
        return Difference(what, [], [])
    for position, (one, other) in enumerate(zip(original.names, rewrite.names, strict=True)):
        if one != other and (not named or named[position]):
            return Difference(f"column {position + 1} is {one!r} in the original, {other!r} in the rewrite", [], [])
    if original.types != rewrite.types:
        return Difference("the columns have other types", [], [])
    ours, theirs = Counter(original.rows), Counter(rewrite.rows)
    if ours != theirs:
        return Difference(
            _words(ours - theirs, theirs - ours),
            list((ours - theirs).elements()),
            list((theirs - ours).elements()),
        )
    if order is not None:
        for ours_next, theirs_next in zip(original.rows, rewrite.rows, strict=True):
            if _key(ours_next, order) != _key(theirs_next, order):
                return Difference("the same rows in another order", [ours_next], [theirs_next])
    return None


def _key(row: tuple[Any, ...], order: Sequence[int]) -> tuple[Any, ...]:
    return tuple(row[position] for position in order) if order else row


def _words(missing: Counter[Any], extra: Counter[Any]) -> str:
    parts = []
    if missing:
        parts.append(f"{_rows(missing.total())} of the original missing")
    if extra:
        parts.append(f"{_rows(extra.total())} too many")
    return ", ".join(parts)


def _rows(count: int) -> str:
    return f"{count} row{'s' if count != 1 else ''}"
