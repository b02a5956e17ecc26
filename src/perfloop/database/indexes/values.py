"""Values to try a statement with, where the workload kept none: typical ones and the commonest, out of statistics.

Redacted parameters are the rule. For each a value is taken that the column holds: the middle of its values for the
typical execution, its commonest value for the skewed one; a range's ends leave a tenth or half of the values. What is
chosen goes into the statements that run on the clone, and nowhere else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .placeholders import parse_placeholders

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import psycopg

    from ...records.workload import Parameter, WorkloadStatement
    from .access import Analysis, Use
    from .catalogue import Column
    from .definition import Dialect

__all__ = ["Execution", "Sampler", "executions", "literal", "sampled", "sampler"]

Sampler = "Callable[[Use], Sequence[str]]"
_MOST_SAMPLES = 3
_SAMPLED_VALUES = 200
_LIMITS = {"limit": "20", "offset": "0"}
_OF_TYPE = (
    (("int", "bigint", "smallint", "serial", "numeric", "decimal", "real", "double", "float", "number"), "1"),
    (("bool",), "true"),
    (("timestamp", "date"), "2024-01-01"),
    (("time",), "12:00"),
    (("uuid",), "00000000-0000-0000-0000-000000000000"),
    (("json",), "{}"),
    (("interval",), "1 day"),
    (("bytea", "blob"), ""),
)


@dataclass(frozen=True)
class Execution:
    """A statement with values in it, ready for the clone."""

    sql: str
    weight: float
    """Executions of the workload that it stands for."""
    values: str
    """How its values were chosen: `none`, `sampled`, `typical`, `skewed`. Never the values."""


def executions(
    statement: WorkloadStatement,
    analysis: Analysis,
    dialect: Dialect,
    sample: Callable[[Use], Sequence[str]] = lambda _: (),
) -> list[Execution]:
    """The statement with values in its places: those captured where they were kept, else chosen ones.

    Args:
        sample: values of an expression, or of a column without statistics, as text.
    """
    template = parse_placeholders(statement.sql, operators=dialect == "postgresql")
    calls = float(max(statement.calls, 1))
    count = template.parameter_count
    if count == 0 and statement.texts:
        commonest = statement.texts[:_MOST_SAMPLES]
        seen = sum(each.calls for each in commonest)
        return [Execution(each.sql, calls * each.calls / seen, "none") for each in commonest]
    if count == 0:
        return [Execution(template.filled([]), calls, "none")]
    if texts := sampled(statement, dialect)[:_MOST_SAMPLES]:
        return [Execution(text, calls / len(texts), "sampled") for text in texts]
    found: dict[str, str] = {}
    held: dict[Use, Sequence[str]] = {}
    for kind in ("typical", "skewed"):
        literals = [_chosen(key, analysis, kind, dialect, sample, held) for key in range(count)]
        found.setdefault(template.filled(literals), kind)
    return [Execution(sql, calls / len(found), kind) for sql, kind in found.items()]


def sampled(statement: WorkloadStatement, dialect: Dialect) -> list[str]:
    """The statement with the values of each execution of which all were kept, as often as there are different ones."""
    template = parse_placeholders(statement.sql, operators=dialect == "postgresql")
    count = template.parameter_count
    kept = _kept(statement.parameters, count) if count else []
    return list(dict.fromkeys(template.filled([literal(each, dialect) for each in row]) for row in kept))


def _kept(parameters: Sequence[Sequence[Parameter]], count: int) -> list[list[Any]]:
    """The samples of which every value was kept."""
    return [
        [each.value for each in row]
        for row in parameters
        if len(row) == count and all(each.value is not None or each.type in ("NoneType", "null") for each in row)
    ]


def literal(value: object, dialect: Dialect) -> str:
    """A value as SQL. Text is quoted, and as such takes the type of what it is compared with."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return ("TRUE" if value else "FALSE") if dialect == "postgresql" else str(int(value))
    if isinstance(value, (int, float)):
        return repr(value) if value >= 0 else f"({value!r})"
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'" if dialect == "postgresql" else f"X'{value.hex()}'"
    if isinstance(value, (list, tuple)):
        return literal("{" + ",".join(_element(each) for each in value) + "}", dialect)
    if isinstance(value, dict):
        return literal(json.dumps(value), dialect)
    return "'" + str(value).replace("\0", "").replace("'", "''") + "'"


def _element(value: object) -> str:
    if value is None:
        return "NULL"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _chosen(
    key: int,
    analysis: Analysis,
    kind: str,
    dialect: Dialect,
    sample: Callable[[Use], Sequence[str]],
    held: dict[Use, Sequence[str]],
) -> str:
    if key in analysis.limits:
        return _LIMITS[analysis.limits[key]]
    use = analysis.uses.get(key)
    if use is None:
        return "1"
    column = use.table.columns.get(use.column or "")
    numeric = column is not None and _default(column) == "1"
    common = [value for value, _ in column.common] if column is not None else []
    spread = list(column.bounds) if column is not None else []
    if not common and not spread:
        if use not in held:
            held[use] = sample(use)
        common = list(held[use])
    text = _value(use, analysis.uses, kind, common, spread)
    if text is None:
        text = _default(column) if column is not None else "1"
    if use.operator == "any":
        return literal([text, *common[1:2]], dialect)
    if use.operator == "like":
        return literal(_pattern(text, use.affix), dialect)
    if use.operator == "@>":
        return literal(_contained(text), dialect)
    if dialect == "sqlite" and numeric and _is_number(text):
        return text
    return literal(text, dialect)


def _value(use: Use, uses: Mapping[int, Use], kind: str, common: Sequence[str], spread: Sequence[str]) -> str | None:
    if use.operator in ("<", ">"):
        ordered = spread or common
        both = any(
            other.operator in ("<", ">") and other.operator != use.operator and other.column == use.column
            for other in uses.values()
            if other.table.key == use.table.key
        )
        share = (0.45, 0.25) if both else (0.9, 0.5)
        at = share[kind == "skewed"]
        at = at if (use.operator == ">") else 1 - at
        return ordered[min(int(round(at * len(ordered), 6)), len(ordered) - 1)] if ordered else None
    if kind == "skewed" and common:
        return common[0]
    if spread:
        return spread[len(spread) // 2]
    return common[len(common) // 2] if common else None


def _pattern(text: str, affix: tuple[str, str]) -> str:
    """For LIKE: with its wildcards where the statement does not bring them."""
    start = max((len(text) - 5) // 2, 0)
    if any("%" in each for each in affix):
        return text[:4] if "%" not in affix[0] else text[start : start + 5]
    return f"%{text[start : start + 5]}%"


def _contained(text: str) -> str:
    """A part of a document, as is asked for with `@>`: its first field with a plain value."""
    try:
        document = json.loads(text)
    except ValueError:
        return text
    if isinstance(document, dict):
        for name, value in document.items():
            if not isinstance(value, (dict, list)):
                return json.dumps({name: value})
    return text


def _default(column: Column) -> str:
    for names, value in _OF_TYPE:
        if any(name in column.type for name in names):
            return value
    return "a"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def sampler(connection: psycopg.Connection[Any]) -> Any:
    """Values of an expression over a table, for parameters that statistics say nothing of; most frequent first."""
    import psycopg

    def sample(use: Use) -> list[str]:
        if not use.expression:
            return []
        query = (
            f"SELECT v FROM (SELECT ({use.expression})::text AS v FROM {use.table.sql} LIMIT {_SAMPLED_VALUES}) s"
            " WHERE v IS NOT NULL GROUP BY v ORDER BY count(*) DESC, v"
        )
        try:
            return [row[0] for row in connection.execute(query.encode()).fetchall()]
        except psycopg.Error:
            return []

    return sample
