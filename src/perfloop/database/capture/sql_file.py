"""A workload out of a file of SQL statements."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Literal

from ...agent.fingerprint import fingerprint
from ...exceptions import ConfigurationError
from ...records.kinds import current_environment
from ...records.workload import WorkloadRecord, WorkloadStatement
from .texts import TextSample

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["capture_sql", "kind_of", "split_statements"]

_PIECE = re.compile(
    r"--[^\n]*|/\*.*?(?:\*/|\Z)|\"(?:[^\"]|\"\")*\"|[eE]'(?:[^'\\]|''|\\.)*(?:'|\Z)|'(?:[^']|'')*(?:'|\Z)"
    r"|\$(?P<tag>[A-Za-z_]\w*|)\$.*?\$(?P=tag)\$|(?P<end>;)|[\w$]+|.",
    re.DOTALL,
)
_CALLS = re.compile(r"--\s*calls:\s*(\d+)", re.IGNORECASE)
_FIRST = re.compile(r"(?:\s|\(|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*([A-Za-z]+)", re.DOTALL)
_READS = frozenset(["select", "with", "values", "table"])

Kind = Literal["select", "insert", "update", "delete", "other"]


def capture_sql(text: str, dialect: Literal["postgresql", "sqlite"], *, database: str | None = None) -> WorkloadRecord:
    """The statements of a file, each counted as often as it stands there, whatever its values.

    A comment `-- calls: 500` before a statement says that it is executed so often.

    Args:
        text: statements with a semicolon between them.
        database: where they run, for the record.

    Raises:
        ConfigurationError: there is no statement in it.
    """
    calls: Counter[str] = Counter()
    first: dict[str, str] = {}
    texts: dict[str, TextSample] = {}
    for statement in split_statements(text):
        name = fingerprint(statement)
        stated = _CALLS.search(statement)
        count = int(stated[1]) if stated else 1
        calls[name] += count
        first.setdefault(name, statement)
        texts.setdefault(name, TextSample(name)).add(statement, count)
    if not calls:
        raise ConfigurationError("Expected SQL statements, but there is none")
    return WorkloadRecord(
        environment=current_environment(),
        dialect=dialect,
        source="sql",
        database=database,
        redacted=False,
        statements=[
            WorkloadStatement(
                fingerprint=name, sql=first[name], kind=kind_of(first[name]), calls=count, texts=texts[name].texts()
            )
            for name, count in calls.most_common()
        ],
    )


def split_statements(text: str) -> Iterator[str]:
    """The statements of a text without their semicolons; those within strings, names and comments divide nothing."""
    begin = 0
    for match in _PIECE.finditer(text):
        if match["end"]:
            yield from _whole(text[begin : match.start()])
            begin = match.end()
    yield from _whole(text[begin:])


def _whole(part: str) -> Iterator[str]:
    if _FIRST.match(part):
        yield part.strip()


def kind_of(sql: str) -> Kind:
    """What a statement does, by its first word; a WITH that changes something is `other`."""
    match = _FIRST.match(sql)
    word = match[1].lower() if match else ""
    if word in _READS:
        changes = word == "with" and re.search(r"\b(?:insert|update|delete|merge)\b", sql, re.IGNORECASE)
        return "other" if changes else "select"
    return word if word in ("insert", "update", "delete") else "other"  # type: ignore[return-value]
