"""Open a database, PostgreSQL by its URL or SQLite by its path: read-only unless a clone, never without limits."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import unquote

from ..exceptions import ConfigurationError
from ..redaction import redact_malformed_url

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import Self

__all__ = ["Database", "Limits", "open_database"]

_POSTGRESQL = re.compile(r"postgres(?:ql)?(?:\+\w+)?://")
_SQLITE = re.compile(r"sqlite(?:\+\w+)?:(?:///)?")
_SCHEME = re.compile(r"([A-Za-z][\w+.-]*)://")
_KEYWORDS = re.compile(r"\s*(?:host|hostaddr|port|dbname|user|service|password)\s*=")


@dataclass(frozen=True)
class Limits:
    """How long a database is waited for, in seconds."""

    statement: float = 30.0
    lock: float = 5.0
    connect: float = 10.0


class Database(ABC):
    """One open connection, which commits each statement by itself outside `rolled_back`. A context manager.

    Attributes:
        name: where it is, without user and password: `postgresql://db.internal:5432/shop`, or the file's path.
        address: what `open_database` opens it again by; holds the password, so it is never shown.
        connection: psycopg's or sqlite3's own; use it within `guarded`.
        writable: it is a clone, in which statements may change something.
    """

    dialect: ClassVar[Literal["postgresql", "sqlite"]]

    def __init__(self, name: str, address: str, connection: Any, *, writable: bool, limits: Limits) -> None:
        self.name = name
        self.address = address
        self.connection = connection
        self.writable = writable
        self.limits = limits

    def rows(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Carry out one statement; the rows it gives, none where it gives none.

        Args:
            parameters: in the driver's style: `%s` for PostgreSQL (where a `%` of the statement is then `%%`), `?` for
                SQLite.

        Raises:
            DatabaseLocked, StatementTimedOut, NoPrivilege, DatabaseUnreachable, DatabaseFailed: as `guarded`.
        """
        with self.guarded(sql):
            cursor = self._execute(sql, parameters)
            return cursor.fetchall() if cursor.description is not None else []

    def close(self) -> None:
        """Close the connection; what was not committed is gone."""
        self.connection.close()

    @property
    @abstractmethod
    def version(self) -> tuple[int, ...]:
        """The server's version: `(15, 14)`, `(3, 40, 1)`."""

    @abstractmethod
    def guarded(self, sql: str | None = None, *, before: int = 0) -> AbstractContextManager[None]:
        """Have what the driver raises in the block as perfloop's errors.

        Args:
            sql: the statement, for saying where in it the fault is.
            before: how many characters at its beginning are ours.

        Raises:
            DatabaseLocked: waited `limits.lock` for a lock; says who holds it.
            StatementTimedOut: a statement ran for `limits.statement`.
            NoPrivilege: the user may not do this.
            DatabaseUnreachable: the connection is lost.
            DatabaseFailed: anything else that the database refuses.
        """

    @abstractmethod
    def rolled_back(self, *, snapshot: bool = False) -> AbstractContextManager[None]:
        """A transaction that is rolled back at the end of the block, whatever happens. Cannot be nested.

        Args:
            snapshot: every statement in it sees the same moment's data.
        """

    @abstractmethod
    def _execute(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] | None) -> Any: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def open_database(dsn: str, *, writable: bool = False, limits: Limits | None = None) -> Database:
    """Connect to a database, as a context manager that closes the connection.

    Args:
        dsn: `postgresql://user@host/database` (SQLAlchemy's `postgresql+psycopg://` too), `host=… dbname=…`,
            `sqlite:///file` or a file's path.
        writable: only for clones; otherwise the database itself refuses whatever would change it.

    Raises:
        ConfigurationError: it names no database that perfloop knows.
        MissingExtra: PostgreSQL without psycopg.
        DatabaseUnreachable: nothing answers there, it lets us not in, or there is no such file.
        DatabaseLocked: SQLite's file is locked by another process.
        DatabaseFailed: the file is no SQLite database.
    """
    limits = limits or Limits()
    if match := _POSTGRESQL.match(dsn):
        from .postgresql import connect

        return connect(f"postgresql://{dsn[match.end() :]}", writable=writable, limits=limits)
    if match := _SQLITE.match(dsn):
        from .sqlite import open_file

        return open_file(unquote(dsn[match.end() :].partition("?")[0]), writable=writable, limits=limits)
    if match := _SCHEME.match(dsn):
        raise ConfigurationError(
            "Expected the URL of a PostgreSQL or SQLite database, or the path of an SQLite file",
            got=redact_malformed_url(dsn),
            hint="such as postgresql://127.0.0.1/shop or shop.sqlite3",
        )
    if _KEYWORDS.match(dsn):
        from .postgresql import connect

        return connect(dsn, writable=writable, limits=limits)
    from .sqlite import open_file

    return open_file(dsn, writable=writable, limits=limits)
