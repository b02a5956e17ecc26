"""The decision: which statements of one request are an N+1. A pure function of their order, places and keys.

A statement is repeated from one place, and asks by another value nearly each time. No N+1 are: creates (a read that
goes with a write of the same table), batches (lists of keys), pages, polling and retries (the same key again), locks
taken row by row, and one helper that several lines call once each.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import lru_cache
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LEAST_REPEATS", "Call", "Repetition", "find_repetitions", "is_read", "table_of"]

LEAST_REPEATS = 3
"""Fewer repetitions may be chance. Tests have few rows: with Sentry's 5 most of their N+1 would stay unseen."""
_BATCH_ROWS = 10
"""Rows a call that make an IN statement a batch, where it is not known how many values it asks by."""

_NAME = r'(?:"[^"]+"|`[^`]+`|\[[^\]]+\]|[\w$]+)'
_TABLE = rf"({_NAME}(?:\s*\.\s*{_NAME})*)"
_READ_FROM = re.compile(rf"\b(?:FROM|JOIN)\s+(?:ONLY\s+)?{_TABLE}", re.IGNORECASE)
_WRITTEN = re.compile(
    rf"^\s*(?:INSERT\s+(?:OR\s+\w+\s+)?INTO|REPLACE\s+INTO|UPDATE(?:\s+ONLY)?|DELETE\s+FROM(?:\s+ONLY)?)\s+{_TABLE}",
    re.IGNORECASE,
)
_SELECT = re.compile(r"\s*(?:\(\s*)*(?:SELECT|WITH|VALUES)\b", re.IGNORECASE)
_WRITE = re.compile(r"\b(?:INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
_LOCKING = re.compile(r"\bFOR\s+(?:NO\s+KEY\s+)?(?:UPDATE|SHARE)\b|\bFOR\s+KEY\s+SHARE\b", re.IGNORECASE)
_CATALOGUE = re.compile(
    r"\b(?:pg_catalog|information_schema|sqlite_(?:temp_)?(?:master|schema)|pg_\w+)\b", re.IGNORECASE
)
_EQUAL = re.compile(r"(?<![<>!])=\s*(?:\w+\s*\()*\s*\?|\?\s*=|\bI?LIKE\s+\?", re.IGNORECASE)
_IN = re.compile(r"\bIN\s*\(\?\)|\bANY\s*\(\?\)", re.IGNORECASE)
_PAGE = re.compile(r"\b(?:LIMIT|OFFSET|FETCH\s+(?:FIRST|NEXT))\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Call:
    """One statement as it was issued."""

    statement: str
    """The fingerprint."""
    site: int = 0
    """Stands for the user's lines on the stack: the same number for the same lines."""
    rows: int = 0
    """Returned or changed; 0 also where it is not known."""
    key: int = 0
    """The same number for the same values asked by; 0: not known."""
    values: int = 0
    """How many values it asks by at once: 1 for `id = ?`, 3 for `id IN (?, ?, ?)`; 0: none, or not known."""


@dataclass(frozen=True, slots=True)
class Repetition:
    """One statement that a request repeats for each of many rows."""

    statement: str
    calls: tuple[int, ...]
    """Which of the request's calls, in order."""
    sites: tuple[int, ...]
    """The sites that repeat it, the busiest first."""
    rows: int
    """Over all these calls."""
    source: int | None
    """The latest earlier call with as many rows as there are repetitions: where the loop's rows may come from."""


def find_repetitions(calls: Sequence[Call], *, least: int = LEAST_REPEATS) -> list[Repetition]:
    """The N+1 of one request, in the order in which they begin.

    Args:
        calls: every statement of the request, in the order issued.
        least: repetitions below which nothing is said.
    """
    by_statement: dict[str, list[int]] = defaultdict(list)
    for index, call in enumerate(calls):
        by_statement[call.statement].append(index)
    found = []
    for statement, indices in by_statement.items():
        if len(indices) >= least and _may_repeat(statement):
            repetition = _repetition(calls, statement, indices, least)
            if repetition is not None:
                found.append(repetition)
    return sorted(found, key=lambda each: each.calls[0])


def is_read(statement: str) -> bool:
    """The statement only reads."""
    return _SELECT.match(statement) is not None and _WRITE.search(statement) is None


def table_of(statement: str) -> str | None:
    """The first table that a statement reads, without its schema and quotes; None: no table is named."""
    found = _READ_FROM.search(statement)
    return _plain(found[1]) if found else None


@lru_cache(4096)
def _may_repeat(statement: str) -> bool:
    if not is_read(statement) or _LOCKING.search(statement):
        return False
    table = _READ_FROM.search(statement)
    if table is None or _CATALOGUE.match(table[1]):
        return False
    # What is cut out of one long result, after the last row seen or by number, and asks by nothing else.
    return not (_PAGE.search(statement) and not _EQUAL.search(statement) and not _IN.search(statement))


def _repetition(calls: Sequence[Call], statement: str, indices: list[int], least: int) -> Repetition | None:
    # A line outside loops issues once a request, however many such lines call the helper that has the statement.
    sites = Counter(calls[index].site for index in indices)
    repeated = [index for index in indices if sites[calls[index].site] >= 2]
    if _changes_of_key(calls, repeated) < least or _is_batch(calls, statement, repeated):
        return None
    if _goes_with_writes(calls, statement, repeated):
        return None
    return Repetition(
        statement=statement,
        calls=tuple(repeated),
        sites=tuple(site for site, count in sites.most_common() if count >= 2),
        rows=sum(calls[index].rows for index in repeated),
        source=_source(calls, repeated),
    )


def _changes_of_key(calls: Sequence[Call], indices: Sequence[int]) -> int:
    """How often it asks by another value than the time before; the first time counts, and so does what is not known."""
    changes = 0
    last = None
    for index in indices:
        key = calls[index].key
        changes += key == 0 or key != last
        last = key
    return changes


def _is_batch(calls: Sequence[Call], statement: str, indices: Sequence[int]) -> bool:
    values = median(calls[index].values for index in indices)
    if values or not _IN.search(statement):
        return values >= 2
    return sum(calls[index].rows for index in indices) >= _BATCH_ROWS * len(indices)


def _goes_with_writes(calls: Sequence[Call], statement: str, indices: Sequence[int]) -> bool:
    """Most repetitions are followed or preceded by a write of the table they read: looking before or after a create."""
    tables = {_plain(found[1]) for found in _READ_FROM.finditer(statement)}
    written = 0
    for index, following in zip(indices, [*indices[1:], len(calls)], strict=True):
        between = calls[index + 1 : following]
        written += any(
            found is not None and _plain(found[1]) in tables
            for found in (_WRITTEN.match(each.statement) for each in between)
        )
    return written >= len(indices) / 2


def _source(calls: Sequence[Call], indices: Sequence[int]) -> int | None:
    first = indices[0]
    for index in range(first - 1, -1, -1):
        if calls[index].rows >= len(indices) and calls[index].statement != calls[first].statement:
            return index
    return None


def _plain(name: str) -> str:
    return re.split(r"\s*\.\s*", name)[-1].strip('"`[]').lower()
