"""What statements cost on a copy of an SQLite file, with any of the indexes that were built there.

SQLite says nothing of what a plan costs, so each is executed and counted, once for each plan. An index is left out by
taking its line out of the schema while its pages stay: it is as quickly put back. What is written meanwhile is taken
back, so that the index stays true.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ...exceptions import DatabaseFailed
from .definition import quote_identifier
from .sqlite_library import CountingConnection
from .what_if import Measured

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..connections import Database
    from .definition import IndexDefinition

__all__ = ["STEPS_OF_A_PAGE", "SQLitePlan", "SQLiteWhatIf"]

# What asking for a page takes in instructions of the virtual machine (12 ns each): measured over scans, look-ups, joins
# and sorts, time is told best by steps and ten times the pages; pages alone tell it worse than either.
STEPS_OF_A_PAGE = 10
_CACHE_KIB = 65_536


@dataclass(frozen=True)
class SQLitePlan:
    """The lines of EXPLAIN QUERY PLAN."""

    details: tuple[str, ...]

    def uses(self, name: str) -> bool:
        """Whether an index is in it."""
        return any(f"INDEX {name}" in each and _ends_name(each, name) for each in self.details)

    @cached_property
    def scanned(self) -> tuple[str, ...]:
        """Tables or aliases that are read whole, from the table itself."""
        scans = (each.split(" ") for each in self.details if each.startswith("SCAN ") and " INDEX " not in each)
        return tuple(words[2] if words[1] == "TABLE" else words[1] for words in scans if len(words) > 1)


class SQLiteWhatIf:
    """A copy in which indexes are built and hidden; at `close` it is as before.

    Args:
        clone: a file that may be changed, which nobody else uses.
        statement_seconds: what one execution may take.
    """

    def __init__(self, clone: Database, *, statement_seconds: float) -> None:
        self.database = clone
        self.statement_seconds = statement_seconds
        self.built: dict[IndexDefinition, str] = {}
        self.build_seconds: dict[IndexDefinition, float] = {}
        self.sizes: dict[IndexDefinition, int] = {}
        self._changed = True
        self._hidden: dict[str, tuple[object, ...]] = {}
        for each in ("PRAGMA journal_mode = DELETE", "PRAGMA synchronous = OFF", "ANALYZE"):
            self.database.rows(each)
        # Of its own, so that all others notice what it does to the schema.
        self._schema = sqlite3.connect(clone.address, isolation_level=None)
        self.counting = CountingConnection(clone.address)
        self._schema.execute("PRAGMA synchronous = OFF")
        self.counting.execute("PRAGMA synchronous = OFF")
        self.counting.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._schema.execute("PRAGMA writable_schema = ON")

    # Indexes.

    def build(self, definition: IndexDefinition) -> None:
        """Have it for real, with statistics, until `close`.

        Raises:
            DatabaseFailed: it cannot be built, for instance over a function that is not deterministic.
        """
        if definition in self.built:
            return
        name = self._free_name(definition)
        before = self._pages_used()
        started = time.perf_counter()
        self.database.rows(definition.create_sql("sqlite", name=name))
        self.build_seconds[definition] = time.perf_counter() - started
        self.sizes[definition] = (self._pages_used() - before) * self._page_size
        self.built[definition] = name
        self._changed = True
        self.database.rows(f"ANALYZE {quote_identifier(name)}")

    def show(self, chosen: frozenset[IndexDefinition], *, without: frozenset[str] = frozenset()) -> None:
        """Have just these of the built ones seen, and not these of the others."""
        wanted = {name for each, name in self.built.items() if each not in chosen} | without
        if wanted == self._hidden.keys():
            return
        self._changed = True
        with self._changing():
            for name in [name for name in self._hidden if name not in wanted]:
                row = self._hidden.pop(name)
                self._schema.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", row)
            for name in wanted - self._hidden.keys():
                [row] = self._schema.execute("SELECT * FROM sqlite_master WHERE type = 'index' AND name = ?", (name,))
                self._schema.execute("DELETE FROM sqlite_master WHERE type = 'index' AND name = ?", (name,))
                self._hidden[name] = row

    def size(self, definition: IndexDefinition) -> int:
        """Bytes of a built one."""
        return self.sizes[definition]

    def drop(self, definition: IndexDefinition) -> None:
        """Remove a built one."""
        self.show(frozenset(self.built))
        self.database.rows(definition.drop_sql("sqlite", name=self.built.pop(definition)))

    def close(self) -> None:
        """Leave the copy as it was, with statistics."""
        with contextlib.suppress(DatabaseFailed, sqlite3.Error):
            for each in list(self.built):
                self.drop(each)
        self._schema.close()
        self.counting.close()

    # Statements.

    def plan(self, sql: str) -> SQLitePlan:
        """How it would be executed with the indexes that are seen.

        Raises:
            SQLiteRefusal: the statement is wrong.
        """
        if self._changed:
            # EXPLAIN does not look whether others changed the schema; what reads a row does.
            self.counting.execute("SELECT 1 FROM sqlite_master LIMIT 1")
            self._changed = False
        return SQLitePlan(tuple(row[3] or "" for row in self.counting.rows(f"EXPLAIN QUERY PLAN {sql}")))

    def measure(self, sql: str, *, writes: bool = False) -> Measured:
        """Execute and count; what it writes is taken back.

        Raises:
            SQLiteRefusal: it cannot be carried out.
        """
        names = self.plan(sql)
        if writes:
            self.counting.execute("BEGIN IMMEDIATE")
        try:
            counts = self.counting.count(sql, seconds=self.statement_seconds)
        finally:
            if writes:
                self.counting.execute("ROLLBACK")
        used = frozenset(name for name in self.built.values() if names.uses(name))
        cost = counts.steps + STEPS_OF_A_PAGE * counts.pages
        return Measured(float(cost), float(counts.pages), counts.seconds * 1000, used, counts.ended)

    # Inner parts.

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        [(version,)] = self._schema.execute("PRAGMA schema_version").fetchall()
        self._schema.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._schema.execute(f"PRAGMA schema_version = {version + 1}")
        except BaseException:
            self._schema.execute("ROLLBACK")
            raise
        self._schema.execute("COMMIT")

    @cached_property
    def _page_size(self) -> int:
        return int(self.database.rows("PRAGMA page_size")[0][0])

    def _pages_used(self) -> int:
        [(count,)] = self.database.rows("PRAGMA page_count")
        [(free,)] = self.database.rows("PRAGMA freelist_count")
        return int(count) - int(free)

    def _free_name(self, definition: IndexDefinition) -> str:
        found = self._schema.execute("SELECT lower(name) FROM sqlite_master").fetchall()
        taken = {name for (name,) in found} | {name.lower() for name in self.built.values()} | self._hidden.keys()
        return definition.name if definition.name.lower() not in taken else f"{definition.name[:56]}_{len(self.built)}"


def _ends_name(detail: str, name: str) -> bool:
    rest = detail.partition(f"INDEX {name}")[2]
    return not rest or rest.startswith(" (")
