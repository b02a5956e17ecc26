"""What the proof asks of a database: its tables, an empty place with the same constraints, its own rows, and times."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from ...exceptions import DatabaseFailed, DatabaseLocked, NoPrivilege, StatementTimedOut

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from ..connections import Database
    from .adversarial import Row
    from .results import Answer
    from .statement import Dialect, Statement
    from .tables import Table

__all__ = [
    "Engine",
    "QueryEnded",
    "QueryFailed",
    "QueryTimedOut",
    "Sandbox",
    "Snapshot",
    "Stopwatch",
    "TooManyRows",
    "Unprovable",
    "in_words",
    "within",
]


class Unprovable(Exception):
    """Two statements cannot be compared here; the message says why."""


class QueryFailed(Exception):
    """A statement failed on the clone or on generated rows."""


class TooManyRows(QueryFailed):
    """A subquery that stands for one value returned several rows: whatever the plan, the statement has no answer."""


class QueryEnded(QueryFailed):
    """A statement took too long, or waited too long for a lock, and was ended: that says nothing of its answer."""


class QueryTimedOut(QueryEnded):
    """It took longer than it was given."""


@contextlib.contextmanager
def within(database: Database, deadline: float) -> Iterator[None]:
    """Let each statement of the block that sets its limits, or guards itself, end by a time of `time.monotonic`."""
    limits, left = database.limits, deadline - time.monotonic()
    if left <= 0:
        raise QueryTimedOut("The time for measuring was over")
    database.limits = replace(limits, statement=min(limits.statement, max(round(left, 2), 0.01)))
    try:
        yield
    finally:
        database.limits = limits


@contextlib.contextmanager
def in_words(database: Database) -> Iterator[None]:
    """What the database refuses in the block, as this package's errors: the proof goes on, or says why not."""
    try:
        with database.guarded():
            yield
    except StatementTimedOut as error:
        raise QueryTimedOut(error.message) from error
    except DatabaseLocked as error:
        raise QueryEnded(error.message) from error
    except NoPrivilege as error:
        raise Unprovable(error.message) from error
    except DatabaseFailed as error:
        raise QueryFailed(error.message) from error


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Two statements on the clone's own rows."""

    rows: int
    only_original: int
    only_rewrite: int
    same_order: bool | None
    """None: not asked."""


class Sandbox(Protocol):
    """Empty tables with the constraints of the real ones; whatever is loaded is gone with the next load."""

    def load(self, rows: Mapping[str, Sequence[Row]], zone: str | None = None) -> dict[str, list[Row]]:
        """Insert rows by `Table.label`, parents first, in a session of the time zone. Returns those let in."""

    def run(self, statement: Statement, parameters: Sequence[Any]) -> Answer:
        """A statement's answer. Raises QueryFailed."""


class Stopwatch(Protocol):
    """The clone, with what a rewrite needs, until it is undone."""

    def plan(self, statement: Statement, parameters: Sequence[Any]) -> object:
        """How the database answers the statement: equal for two that it answers alike. Raises QueryFailed."""

    def run(self, statement: Statement, parameters: Sequence[Any], deadline: float) -> tuple[float, int | None]:
        """Milliseconds it took, and pages it touched. Raises QueryTimedOut, and may be used further then."""


class Engine(Protocol):
    """One database, by an open connection to a clone."""

    dialect: Dialect

    def tables(self, statements: Sequence[Statement]) -> list[Table]:
        """The tables and views they read, and those the views read. Raises Unprovable."""

    def volatile(self, names: set[str]) -> frozenset[str]:
        """Which of these functions the database calls volatile."""

    def sandbox(self, tables: Sequence[Table]) -> AbstractContextManager[Sandbox]:
        """A place for generated rows."""

    def samples(self, table: Table, column: str, count: int) -> list[Any]:
        """Some values the clone holds in a column, for parameters."""

    def answer(self, statement: Statement, parameters: Sequence[Any]) -> Answer:
        """A statement's answer on the clone. Raises QueryFailed."""

    def snapshot(
        self, original: Statement, rewrite: Statement, parameters: Sequence[Any], *, ordered: bool, deadline: float
    ) -> Snapshot:
        """Compare both on the clone's own rows, in one snapshot. Raises QueryTimedOut, QueryFailed."""

    def stopwatch(self, needs: Sequence[str], deadline: float) -> AbstractContextManager[Stopwatch]:
        """Make what a rewrite needs, and undo it at the end of the block. Raises QueryTimedOut, QueryFailed."""
