"""Index advice for one database and one workload."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...exceptions import ConfigurationError
from .options import IndexOptions

if TYPE_CHECKING:
    from ...records.index_advice import IndexAdvice
    from ...records.workload import WorkloadRecord
    from ..connections import Database

__all__ = ["advise_indexes"]


def advise_indexes(
    database: Database, workload: WorkloadRecord, *, clone: Database, options: IndexOptions | None = None
) -> IndexAdvice:
    """Which indexes to build for a workload, which to drop, and where reading the whole table is right.

    Args:
        database: the one advised on; only its catalogue and statistics are read.
        workload: its statements with their calls; writes count, too: they pay for indexes.
        clone: what `clone_database` makes of it. Indexes are built there and statements executed; at the end it is as
            before.

    Raises:
        ConfigurationError: the workload is another kind of database's.
        MissingExtra: sqlglot is not installed.
        DatabaseUnreachable, DatabaseFailed, …: see `Database.guarded`.
    """
    if workload.dialect != database.dialect:
        raise ConfigurationError(
            f"Expected a workload of {database.dialect}", got=workload.dialect, where=f"advising on {database.name}"
        )
    if database.dialect == "postgresql":
        from .advise_postgresql import advise_on_postgresql as advise_on
    else:
        from .advise_sqlite import advise_on_sqlite as advise_on
    return advise_on(database, workload, clone=clone, options=options or IndexOptions())
