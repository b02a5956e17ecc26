"""How a statement reaches its tables, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from .catalogue import Table
    from .scopes import Write

__all__ = ["Access", "Analysis", "Constant", "Ordering", "Pattern", "Term", "Use"]


@dataclass(frozen=True)
class Term:
    """What a condition is about: a column, or an expression over columns of one table."""

    sql: str
    columns: frozenset[str]
    column: str | None = None
    """The column itself; None for an expression."""


@dataclass(frozen=True)
class Pattern:
    """A LIKE."""

    term: Term
    shape: Literal["prefix", "infix", "unknown"]
    """`infix` also stands for `'%suffix'`; `unknown` where the pattern is a parameter."""
    any_case: bool = False


@dataclass(frozen=True)
class Constant:
    """A condition without any parameter: each execution asks it, so that a partial index may answer it."""

    sql: str
    columns: frozenset[str]
    column: str | None = None
    """Where it compares one column with literals by `=`, `<>`, IN or IS, or is a column itself."""


@dataclass(frozen=True)
class Ordering:
    """One term of an ORDER BY."""

    term: Term
    descending: bool = False
    nulls_first: bool = False


@dataclass(frozen=True)
class Access:
    """One table under one alias, as one query block reaches it."""

    table: Table
    equalities: tuple[Term, ...] = ()
    """Compared with values."""
    joins: tuple[Term, ...] = ()
    """Compared with another table's columns."""
    ranges: tuple[Term, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    containments: tuple[Term, ...] = ()
    """Asked with `@>`, `&&`, `?` or `@@`: what a GIN index answers."""
    constants: tuple[Constant, ...] = ()
    ordering: tuple[Ordering, ...] = ()
    grouping: tuple[Term, ...] = ()
    columns: frozenset[str] = frozenset()
    """Every column that the statement needs of it."""


@dataclass(frozen=True)
class Use:
    """What a placeholder is compared with."""

    table: Table
    column: str | None
    """None: with an expression over the table's columns."""
    expression: str
    """What is compared, as SQL over the table's columns."""
    operator: str
    """`=`, `any` (an array), `<`, `>`, `like`, `@>`, `@@`, or `set` for a value that is written."""
    partner: int | None = None
    """The other end of a range: of `BETWEEN :p0 AND :p1`, each other's."""
    affix: tuple[str, str] = ("", "")
    """What the statement itself puts round a LIKE's parameter."""


@dataclass(frozen=True)
class Analysis:
    """One statement, resolved."""

    accesses: tuple[Access, ...] = ()
    uses: dict[int, Use] = field(default_factory=dict)
    """By placeholder; those of LIMIT and OFFSET are in `limits`."""
    limits: dict[int, str] = field(default_factory=dict)
    """`limit` or `offset` by placeholder."""
    write: Write | None = None
    aliases: dict[str, str] = field(default_factory=dict)
    """Of each alias, in small letters, the table's name."""

    @property
    def tables(self) -> frozenset[tuple[str | None, str]]:
        """Those it reads."""
        return frozenset(access.table.key for access in self.accesses)
