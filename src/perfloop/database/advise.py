"""Advice for one database and one workload: everything that is known here, tried on one clone."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..exceptions import ConfigurationError, DatabaseFailed, MissingExtra
from ..records import AdviceRecord, AdviceWorkload, IndexAdvice, QueryAdvice, current_environment
from .clones import Clone, CloneOptions, clone_database
from .connections import Database, open_database
from .migrations import SchemaChange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..records import AdvisedIndex, WorkloadRecord

__all__ = ["AdviseOptions", "advise", "schema_changes"]

_SAMPLED = (
    "the clone holds a sample of the rows: sizes, pages and times are those of the sample, and smaller than in truth"
)


@dataclass(frozen=True)
class AdviseOptions:
    """How advice is looked for.

    Attributes:
        clone_dsn: a PostgreSQL server on which the clone is made, not the database's own; by default a private one.
        clone: how the clone is made.
    """

    clone_dsn: str | None = None
    clone: CloneOptions = field(default_factory=CloneOptions)


@dataclass
class _Found:
    indexes: IndexAdvice | None = None
    queries: list[QueryAdvice] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failed: list[DatabaseFailed] = field(default_factory=list)
    tried: int = 0
    interrupted: bool = False

    @contextlib.contextmanager
    def trying(self, what: str) -> Iterator[None]:
        """One kind of advice: where it fails, the others go on, and it is said."""
        self.tried += 1
        try:
            yield
        except DatabaseFailed as error:
            self.failed.append(error)
            self.left_out.append(f"{what}: {error.message}")


def advise(
    database: Database,
    workload: WorkloadRecord,
    *,
    options: AdviseOptions | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> AdviceRecord:
    """Look for advice. The database itself is only read: what is tried, is tried on a clone.

    Interrupted (^C), what was found until then is in the record, which is `partial`.

    Args:
        database: the one advised on.
        workload: what it is asked, of the same kind of database.
        progress: told a line for each step.

    Raises:
        ConfigurationError: the workload is another kind of database's, or empty, or the clone cannot be made there.
        MissingExtra: sqlglot is not installed.
        DatabaseFailed and its kinds: the clone cannot be made, or no kind of advice could be looked for.
    """
    options = options or AdviseOptions()
    _check(database, workload)
    found = _Found(left_out=list(workload.left_out))
    where, sampled = "nothing", False
    try:
        with clone_database(database, onto=options.clone_dsn, options=options.clone, progress=progress) as clone:
            where, sampled = _in_words(database, clone, options), clone.sampled
            found.left_out += clone.left_out
            _look(database, workload, clone, found, progress)
    except KeyboardInterrupt:
        found.interrupted = True
    if found.failed and len(found.failed) == found.tried:
        raise found.failed[0]
    return AdviceRecord(
        environment=current_environment(),
        partial=found.interrupted,
        dialect=database.dialect,
        database=database.name,
        version=".".join(map(str, database.version)),
        workload=AdviceWorkload(
            source=workload.source,
            statements=len(workload.statements),
            calls=sum(each.calls for each in workload.statements),
            total_ms=sum(each.total_ms for each in workload.statements),
        ),
        clone=where,
        sampled=sampled,
        indexes=found.indexes,
        queries=found.queries,
        n_plus_one=workload.n_plus_one,
        left_out=list(dict.fromkeys(found.left_out)),
        notes=[*found.notes, *([_SAMPLED] if sampled else [])],
    )


def _check(database: Database, workload: WorkloadRecord) -> None:
    if workload.dialect != database.dialect:
        raise ConfigurationError(
            f"Expected a workload of {database.dialect}", got=workload.dialect, where=f"advising on {database.name}"
        )
    if not workload.statements:
        raise ConfigurationError(
            "Expected statements in the workload, but it has none",
            hint="let the application run for a while first, or give its statements in a file: --sql FILE",
        )
    try:
        import sqlglot  # noqa: F401
    except ImportError as error:
        raise MissingExtra(
            f"Advice needs sqlglot, which cannot be imported: {error}", hint="pip install 'perfloop[database]'"
        ) from error


def _look(
    database: Database, workload: WorkloadRecord, clone: Clone, found: _Found, progress: Callable[[str], None]
) -> None:
    from .indexes import advise_indexes
    from .rewrites import advise_queries

    with found.trying("indexes"):
        progress("looking for indexes, and measuring what each costs")
        found.indexes = advise_indexes(database, workload, clone=clone.database)
        found.left_out += found.indexes.left_out
    with found.trying("rewrites"):
        progress("looking for rewrites, and proving them")
        # A connection of its own: what the other advisor set or made is not in it.
        with open_database(clone.database.address, writable=True, limits=clone.database.limits) as again:
            found.queries = advise_queries(database, workload, clone=again, left_out=found.left_out)


def _in_words(database: Database, clone: Clone, options: AdviseOptions) -> str:
    if database.dialect == "sqlite":
        return "a copy of the file"
    where = "a private server" if options.clone_dsn is None else clone.database.name
    return f"{where}, {'a sample' if clone.sampled else 'all'} of the rows"


def schema_changes(record: AdviceRecord) -> list[SchemaChange]:
    """What the advice on indexes does to the schema, in an order in which nothing is without its index meanwhile."""
    if record.indexes is None:
        return []
    built = [
        SchemaChange(each.create_sql, each.drop_sql, f"{each.table}: {each.reason}{_waits(each, record.dialect)}")
        for each in record.indexes.advised
    ]
    dropped = [
        SchemaChange(each.drop_sql, _concurrently(each.create_sql, record.dialect), f"{each.kind}: {each.reason}")
        for each in record.indexes.droppable
    ]
    extensions = dict.fromkeys(name for each in record.indexes.advised for name in each.requires)
    needed = [
        SchemaChange(
            f"CREATE EXTENSION IF NOT EXISTS {name}", "", "an index needs it; taking this back leaves it there"
        )
        for name in extensions
    ]
    if record.dialect == "sqlite" and built:
        built.append(SchemaChange("ANALYZE", "", "statistics, by which SQLite chooses among its indexes"))
    return [*needed, *built, *dropped]


def _waits(each: AdvisedIndex, dialect: str) -> str:
    plain = dialect == "postgresql" and "CONCURRENTLY" not in each.create_sql
    return "; writers wait while it is built: a partitioned table takes no CONCURRENTLY" if plain else ""


def _concurrently(create_sql: str, dialect: str) -> str:
    if dialect != "postgresql":
        return create_sql
    return re.sub(r"^(CREATE (?:UNIQUE )?INDEX )(?!CONCURRENTLY)", r"\1CONCURRENTLY ", create_sql)
