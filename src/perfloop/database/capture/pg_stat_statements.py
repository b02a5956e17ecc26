"""A workload out of what the server itself counted: the extension pg_stat_statements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...agent.fingerprint import fingerprint
from ...exceptions import ConfigurationError, NoPrivilege
from ...records.kinds import current_environment
from ...records.workload import WorkloadRecord, WorkloadStatement
from .sql_file import kind_of

if TYPE_CHECKING:
    from ..connections import Database

__all__ = ["capture_pg_stat_statements"]

_HIDDEN = "<insufficient privilege>"
_EXTENSION = """
SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'pg_stat_statements'
"""
_INSTALL = (
    "CREATE EXTENSION pg_stat_statements, with shared_preload_libraries = 'pg_stat_statements' in postgresql.conf; "
    "or give the statements in a file: --sql FILE"
)


def capture_pg_stat_statements(database: Database, *, most: int = 1_000) -> WorkloadRecord:
    """The statements of this database since its statistics were last reset, by the time they took.

    Args:
        most: statements taken, the dearest first; how many were left out is said.

    Raises:
        ConfigurationError: no PostgreSQL, or the extension is not there.
        NoPrivilege: all statements are other users', whose text this user may not see.
        DatabaseFailed and its kinds: see `Database.guarded`.
    """
    if database.dialect != "postgresql":
        raise ConfigurationError(
            "Expected a workload: SQLite keeps no statistics of statements",
            hint="give the statements in a file: --sql FILE",
        )
    found = database.rows(_EXTENSION)
    if not found:
        raise ConfigurationError(
            "Expected the extension pg_stat_statements in this database, or a workload",
            where=database.name,
            hint=_INSTALL,
        )
    newer = database.version >= (13,)
    total, slowest = ("total_exec_time", "max_exec_time") if newer else ("total_time", "max_time")
    # Ours, and those that only describe the database itself, are no workload of the application's.
    rows = database.rows(
        f"SELECT query, sum(calls)::bigint, sum({total}), max({slowest}), sum(rows)::bigint "
        f"FROM {found[0][0]}.pg_stat_statements "
        "WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) "
        "AND query !~* '\\m(pg_[a-z_]+|information_schema|set_config)\\M' "
        f"GROUP BY queryid, query ORDER BY sum({total}) DESC"
    )
    hidden = sum(query == _HIDDEN for query, *_ in rows)
    taken = [row for row in rows if row[0] not in (_HIDDEN, None) and kind_of(row[0]) != "other"]
    if hidden and not taken:
        raise NoPrivilege(
            f"pg_stat_statements hides other users' statements from {database.connection.info.user}",
            where=database.name,
            hint=f'GRANT pg_read_all_stats TO "{database.connection.info.user}"',
        )
    statements = [
        WorkloadStatement(
            fingerprint=fingerprint(query),
            sql=query,
            kind=kind_of(query),
            calls=calls,
            total_ms=time,
            slowest_ms=longest,
            rows=count,
        )
        for query, calls, time, longest, count in taken
    ]
    left_out = []
    if hidden:
        left_out.append(f"{hidden} statements of other users, whose text {database.connection.info.user} may not see")
    if len(statements) > most:
        left_out.append(f"{len(statements) - most} statements that took less time than those taken")
    return WorkloadRecord(
        environment=current_environment(),
        dialect="postgresql",
        source="pg_stat_statements",
        database=database.name,
        statements=statements[:most],
        left_out=left_out,
    )
