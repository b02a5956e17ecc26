"""What PostgreSQL refuses, said so that somebody can do something about it, and without a password."""

from __future__ import annotations

import psycopg
from psycopg import conninfo, errors

from ...exceptions import InvalidValue, LevelFailed
from ...redaction import redact_text

__all__ = ["failure", "is_lost", "place_of"]


def place_of(url: str) -> str:
    """Host, port and database of a URL or a conninfo string.

    Raises:
        InvalidValue: it does not parse.
    """
    try:
        parts = conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:  # its message repeats what may be a password
        raise InvalidValue(
            "Expected the URL of a PostgreSQL database",
            got="one that libpq cannot read",
            hint="postgresql://user:password@host:5432/database; escape what is special in a password, as in %40 for @",
        ) from None
    host = parts.get("host") or parts.get("hostaddr") or "the local socket"
    return f"{host}:{parts.get('port') or 5432}/{parts.get('dbname') or parts.get('user') or ''}"


def is_lost(error: psycopg.Error) -> bool:
    """The connection was ended: the server was started anew, perhaps."""
    return isinstance(error, psycopg.OperationalError) and (error.sqlstate or "57P01").startswith(("57P", "08"))


def failure(error: psycopg.Error, place: str, timeout: float, *, table: str = "") -> LevelFailed:
    """The error of a level or a backplane for an error of PostgreSQL.

    Args:
        place: the level's name, and where the server is.
        timeout: seconds that a statement may take.
        table: the level's.
    """
    message, hint = _explain(error, timeout, table)
    return LevelFailed(message, where=place, hint=hint)


def _explain(error: psycopg.Error, timeout: float, table: str) -> tuple[str, str | None]:
    text = redact_text((error.diag.message_primary or str(error)).strip().splitlines()[0])
    match error:
        case errors.QueryCanceled() | errors.LockNotAvailable():
            return (
                f"PostgreSQL took longer than {timeout:g} s",
                "allow more with `timeout`; pg_stat_activity shows who works",
            )
        case errors.ReadOnlySqlTransaction() | errors.FeatureNotSupported():
            return f"PostgreSQL only reads: {text}", "connect to the primary server, not to a standby"
        case errors.DiskFull():
            return f"The server's disk is full: {text}", "make room on it"
        case errors.OutOfMemory() | errors.ProgramLimitExceeded():
            return f"PostgreSQL refuses so much: {text}", "store smaller values"
        case errors.TooManyConnections():
            return f"PostgreSQL takes no more connections: {text}", "allow fewer with `connections`, or pool them"
        case errors.InvalidPassword() | errors.InvalidAuthorizationSpecification() | errors.InvalidCatalogName():
            return f"PostgreSQL refuses the connection: {text}", "look at user, password and database of the URL"
        case errors.InvalidSqlStatementName() | errors.DuplicatePreparedStatement():
            return f"A pooler gives each transaction another connection: {text}", "give the level `prepared=False`"
        case errors.InsufficientPrivilege():
            return (
                f"PostgreSQL refuses it to this user: {text}",
                f"let its owner create the tables of {table}, and grant SELECT, INSERT, UPDATE and DELETE on them",
            )
        case errors.UndefinedTable() | errors.UndefinedColumn() | errors.DatatypeMismatch():
            return (
                f"Expected the tables of {table} as this version makes them: {text}",
                "give the level another `table`; those of another version can be dropped",
            )
    if error.sqlstate is None:
        return f"PostgreSQL cannot be reached: {text}", "look whether it runs, and whether it can be reached from here"
    return f"PostgreSQL refuses: {text}", error.diag.message_hint
