"""A PostgreSQL database by psycopg 3: timeouts set, read-only unless a clone, errors in words."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

from ..exceptions import (
    ConfigurationError,
    DatabaseFailed,
    DatabaseLocked,
    DatabaseUnreachable,
    MissingExtra,
    NoPrivilege,
    PerfloopError,
    StatementTimedOut,
)
from ..redaction import redact_text
from .connections import Database, Limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["PostgreSQLDatabase", "connect", "exclusive_holders", "require_psycopg"]

_BLOCKERS = """
SELECT a.pid, a.application_name, a.usename, a.state,
    extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.query_start))::float8
FROM unnest(pg_blocking_pids(%s)) AS blocker(pid) JOIN pg_stat_activity AS a USING (pid) ORDER BY 1 LIMIT 5
"""
_EXCLUSIVE = """
SELECT DISTINCT a.pid, a.application_name, a.usename, a.state,
    extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.query_start))::float8
FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
WHERE l.granted AND l.mode = 'AccessExclusiveLock' AND l.locktype = 'relation' AND a.datname = current_database()
    AND a.pid <> pg_backend_pid() ORDER BY 1 LIMIT 5
"""
_HINTS = {
    "password": "give the user and password in the URL, in PGPASSWORD or in ~/.pgpass",
    "authentication": "give the user and password in the URL, in PGPASSWORD or in ~/.pgpass",
    "does not exist": "check the names of user and database in the URL",
    "refused": "is the server running, and does it listen there?",
    "No such file": "is the server running? Its socket is not there; try the host's address",
    "translate host name": "check the host in the URL",
    "resolve host": "check the host in the URL",
    "timeout": "is there a firewall in between?",
}


def require_psycopg() -> Any:
    """The psycopg module.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import psycopg
    except ImportError as error:
        raise MissingExtra(
            f"PostgreSQL needs psycopg 3, which cannot be imported: {error}", hint="pip install 'perfloop[postgres]'"
        ) from error
    return psycopg


class PostgreSQLDatabase(Database):
    """See `Database`."""

    dialect = "postgresql"

    @property
    def version(self) -> tuple[int, ...]:
        """Of the server."""
        number: int = self.connection.info.server_version
        return number // 10_000, number % 10_000

    @contextlib.contextmanager
    def guarded(self, sql: str | None = None, *, before: int = 0) -> Iterator[None]:
        """See `Database.guarded`. A lock that is waited for is looked at by a second connection, while it lasts."""
        psycopg = require_psycopg()
        watch = _LockWatch(self)
        try:
            yield
        except psycopg.Error as error:
            raise self._fault(psycopg, error, _place(sql, error.diag.statement_position, before), watch) from error
        finally:
            watch.cancel()

    @contextlib.contextmanager
    def rolled_back(self, *, snapshot: bool = False) -> Iterator[None]:
        """See `Database.rolled_back`."""
        level = "REPEATABLE READ" if snapshot else "READ COMMITTED"
        self.rows(f"BEGIN ISOLATION LEVEL {level} {'READ WRITE' if self.writable else 'READ ONLY'}")
        try:
            self.set_limits(local=True)  # behind a pooler the session's own may be another's
            yield
        finally:
            if not self.connection.closed:
                with contextlib.suppress(require_psycopg().Error):  # a lost connection has rolled back already
                    self.connection.execute("ROLLBACK")

    def set_limits(self, *, local: bool = False) -> None:
        """Set the timeouts of the session, or of the transaction."""
        self.rows(
            "SELECT set_config('statement_timeout', %s, %s), set_config('lock_timeout', %s, %s)",
            (f"{self.limits.statement * 1e3:.0f}", local, f"{self.limits.lock * 1e3:.0f}", local),
        )

    def _execute(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] | None) -> Any:
        return self.connection.execute(sql, parameters)

    def _fault(self, psycopg: Any, error: Any, place: str | None, watch: _LockWatch) -> PerfloopError:
        errors = psycopg.errors
        text = redact_text((error.diag.message_primary or str(error)).strip())
        if isinstance(error, errors.LockNotAvailable):
            return DatabaseLocked(
                f"A lock was waited for longer than {self.limits.lock:g} s{watch.holders()}",
                where=self.name,
                hint="wait until it has ended; pg_stat_activity shows what it does",
            )
        if isinstance(error, errors.QueryCanceled) and "timeout" in text:
            return StatementTimedOut(f"A statement was ended after {self.limits.statement:g} s", where=self.name)
        if isinstance(error, errors.InsufficientPrivilege):
            user = self.connection.info.user
            return NoPrivilege(
                f"PostgreSQL refuses what is needed to user {user}: {text}",
                where=self.name,
                hint=f"GRANT pg_read_all_data, pg_read_all_stats TO {_quoted(user)} lets it read, and change nothing",
            )
        if isinstance(error, errors.ReadOnlySqlTransaction):
            return DatabaseFailed(f"Expected a statement that only reads: {text}", where=self.name)
        if self.connection.closed or self.connection.broken:
            return DatabaseUnreachable(f"The connection to PostgreSQL was lost: {text}", where=self.name)
        return DatabaseFailed(
            f"PostgreSQL refuses a statement: {text}", where=place or self.name, hint=error.diag.message_hint
        )


class _LockWatch:
    """Asks, when most of the time for a lock has gone by, who holds it: afterwards nobody can say."""

    def __init__(self, database: PostgreSQLDatabase) -> None:
        self._address, self._limits = database.address, database.limits
        self._pid = database.connection.info.backend_pid
        self._found: list[tuple[Any, ...]] = []
        self._timer = threading.Timer(database.limits.lock * 0.6, self._look)
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        self._timer.cancel()

    def holders(self) -> str:
        """Who held the lock, in words that follow `waited for`."""
        self._timer.join(self._limits.lock)
        return _held(self._found)

    def _look(self) -> None:
        psycopg = require_psycopg()
        with (
            contextlib.suppress(psycopg.Error),
            psycopg.connect(self._address, connect_timeout=2, autocommit=True) as connection,
        ):
            self._found = connection.execute(_BLOCKERS, (self._pid,)).fetchall()


def connect(dsn: str, *, writable: bool, limits: Limits) -> PostgreSQLDatabase:
    """Connect by a URL or by `keyword=value` words.

    Raises:
        ConfigurationError, MissingExtra, DatabaseUnreachable: see `open_database`.
    """
    psycopg = require_psycopg()
    try:
        settings = psycopg.conninfo.conninfo_to_dict(dsn)
    except psycopg.ProgrammingError as error:
        message = redact_text(str(error).strip().replace(dsn, "it"))
        raise ConfigurationError(
            f"Expected the URL of a PostgreSQL database: {message}",
            hint="such as postgresql://127.0.0.1:5432/shop; other signs than letters are written as %40",
        ) from error
    # The server lists names by `unknown` when a driver's own defaults say so; ours are said, the user's kept.
    settings.setdefault("fallback_application_name", "perfloop")
    settings.setdefault("connect_timeout", f"{max(limits.connect, 1):.0f}")
    address = psycopg.conninfo.make_conninfo("", **settings)
    name = _name(settings)
    try:
        # Prepared by itself after some calls, a statement would get another plan.
        connection = psycopg.connect(address, autocommit=True, prepare_threshold=None, client_encoding="utf8")
    except psycopg.Error as error:
        text = redact_text(" ".join(str(error).split())).removeprefix("connection failed: ")
        raise DatabaseUnreachable(
            f"PostgreSQL cannot be connected to: {text}",
            where=name,
            hint=next((hint for words, hint in _HINTS.items() if words in text), None),
        ) from error
    database = PostgreSQLDatabase(name, address, connection, writable=writable, limits=limits)
    try:
        database.set_limits()
        if not writable:
            database.rows("SET default_transaction_read_only = on")
    except PerfloopError:
        connection.close()
        raise
    return database


def exclusive_holders(database: Database) -> str:
    """Who holds locks that keep even readers from a table, in words that follow `waited for`."""
    return _held(database.rows(_EXCLUSIVE))


def _held(found: Sequence[tuple[Any, ...]]) -> str:
    words = []
    for pid, application, user, state, seconds in found:
        name = f"{application or 'no application name'}, user {user}"
        age = "" if seconds is None else f", {state or 'running'} for {seconds:.1f} s"
        words.append(f"process {pid} ({name}{age})")
    return f": {', '.join(words)} held it" if words else ""


def _name(settings: Mapping[str, Any]) -> str:
    host = settings.get("host") or settings.get("hostaddr") or ""
    port = f":{settings['port']}" if settings.get("port") else ""
    if str(host).startswith("/"):
        return f"postgresql:///{settings.get('dbname', '')}?host={host}{port and '&port=' + port[1:]}"
    return f"postgresql://{host}{port}/{settings.get('dbname', '')}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _place(sql: str | None, position: str | None, before: int) -> str | None:
    """`line 2, column 8 of the statement`, with what stands there."""
    if sql is None or not position or int(position) <= before:
        return None
    above, at = sql[before : int(position) - 1], sql[int(position) - 1 :]
    line, column = above.count("\n") + 1, len(above) - above.rfind("\n")
    shown = (at.splitlines() or ["its end"])[0][:40]
    return f"line {line}, column {column} of the statement: {shown}"
