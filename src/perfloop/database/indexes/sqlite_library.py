"""A connection through SQLite's own library, which counts what Python's does not tell: pages and steps of a statement.

The library is the one that Python's `sqlite3` is linked with, so that it plans alike. Pages are those that statements
ask the pager for, in its cache or not (`SQLITE_DBSTATUS_CACHE_HIT` and `_MISS`); steps are instructions of SQLite's
virtual machine (`SQLITE_STMTSTATUS_VM_STEP`). Neither depends on what else the machine does.
"""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from ...exceptions import DatabaseFailed

if TYPE_CHECKING:
    from typing import Self

__all__ = ["CountingConnection", "Counts", "SQLiteRefusal"]

_OK, _ROW, _DONE, _INTERRUPT = 0, 100, 101, 9
_OPEN_READWRITE = 0x2
_CACHE_HIT, _CACHE_MISS = 7, 8
_VM_STEP = 4
_STEPS_BETWEEN_LOOKS = 50_000
_BUSY_MS = 5_000

_Look = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)


class SQLiteRefusal(Exception):
    """SQLite's words for why it does not carry out a statement."""


@dataclass(frozen=True)
class Counts:
    """One execution, all rows fetched."""

    pages: int
    steps: int
    seconds: float
    ended: bool = True
    """False: its time was over; the figures are those until then."""


class CountingConnection:
    """An open connection to a file that may be written. A context manager."""

    def __init__(self, path: str) -> None:
        self._library = _library()
        self._database = ctypes.c_void_p()
        self._ends = float("inf")
        self._interrupted = False
        self._look = _Look(self._overdue)
        code = self._library.sqlite3_open_v2(path.encode(), ctypes.byref(self._database), _OPEN_READWRITE, None)
        if code != _OK:
            self.close()
            raise DatabaseFailed(f"The SQLite library cannot open the copy (code {code})", where=path)
        self._library.sqlite3_busy_timeout(self._database, _BUSY_MS)
        self._library.sqlite3_progress_handler(self._database, _STEPS_BETWEEN_LOOKS, self._look, None)

    def rows(self, sql: str) -> list[tuple[str | None, ...]]:
        """The rows of a statement, all values as text.

        Raises:
            SQLiteRefusal: SQLite does not carry it out.
        """
        found: list[tuple[str | None, ...]] = []
        with self._prepared(sql) as statement:
            count = self._library.sqlite3_column_count(statement)
            while self._step(statement):
                values = [self._library.sqlite3_column_text(statement, place) for place in range(count)]
                found.append(tuple(None if each is None else each.decode(errors="replace") for each in values))
        return found

    def execute(self, sql: str) -> None:
        """Carry out a statement of ours.

        Raises:
            SQLiteRefusal: SQLite does not.
        """
        self.rows(sql)

    def count(self, sql: str, *, seconds: float = float("inf")) -> Counts:
        """Execute a statement to its last row.

        Args:
            seconds: after which it is ended.

        Raises:
            SQLiteRefusal: SQLite does not carry it out.
        """
        with self._prepared(sql) as statement:
            self._pages()
            started = time.perf_counter()
            self._ends = time.monotonic() + seconds
            try:
                while self._step(statement):
                    pass
                ended = True
            except TimeoutError:
                ended = False
            finally:
                self._ends = float("inf")
            elapsed = time.perf_counter() - started
            steps = self._library.sqlite3_stmt_status(statement, _VM_STEP, 0)
            return Counts(self._pages(), steps, elapsed, ended)

    def collation(self, table: str, column: str) -> str:
        """The name of the collation that a column was declared with, in capitals."""
        name = ctypes.c_char_p()
        code = self._library.sqlite3_table_column_metadata(
            self._database, b"main", table.encode(), column.encode(), None, ctypes.byref(name), None, None, None
        )
        return name.value.decode().upper() if code == _OK and name.value else "BINARY"

    def close(self) -> None:
        """Close it; what was not committed is gone."""
        if self._database:
            self._library.sqlite3_close_v2(self._database)
            self._database = ctypes.c_void_p()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def _prepared(self, sql: str) -> Any:
        statement = ctypes.c_void_p()
        text = sql.encode()
        code = self._library.sqlite3_prepare_v2(self._database, text, len(text), ctypes.byref(statement), None)
        try:
            if code != _OK:
                raise SQLiteRefusal(self._said())
            if not statement:
                raise SQLiteRefusal("it is empty")
            yield statement
        finally:
            self._library.sqlite3_finalize(statement)

    def _step(self, statement: ctypes.c_void_p) -> bool:
        code = self._library.sqlite3_step(statement)
        if code in (_ROW, _DONE):
            return bool(code == _ROW)
        if self._interrupted:
            self._interrupted = False
            raise KeyboardInterrupt
        if code & 0xFF == _INTERRUPT:
            raise TimeoutError
        raise SQLiteRefusal(self._said())

    def _pages(self) -> int:
        """Those since it was asked last."""
        return self._status(_CACHE_HIT) + self._status(_CACHE_MISS)

    def _status(self, what: int) -> int:
        now, most = ctypes.c_int(), ctypes.c_int()
        self._library.sqlite3_db_status(self._database, what, ctypes.byref(now), ctypes.byref(most), 1)
        return now.value

    def _said(self) -> str:
        return str(self._library.sqlite3_errmsg(self._database).decode(errors="replace"))

    def _overdue(self, _: object) -> int:
        try:
            return int(time.monotonic() > self._ends)
        except KeyboardInterrupt:  # it would be lost in the library
            self._interrupted = True
            return 1


@cache
def _library() -> ctypes.CDLL:
    """What Python's own module is linked with; where it is built in, the interpreter itself, or the system's.

    Raises:
        DatabaseFailed: there is none that can be called.
    """
    import _sqlite3

    for name in (getattr(_sqlite3, "__file__", None), None, ctypes.util.find_library("sqlite3")):
        with contextlib.suppress(OSError, AttributeError):
            library = ctypes.CDLL(name)
            _declare(library)
            return library
    raise DatabaseFailed(
        "Expected SQLite as a library that can be called: pages are counted through it",
        got="an interpreter with SQLite built in",
        hint="install the system's libsqlite3",
    )


def _declare(library: ctypes.CDLL) -> None:
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    to_number, to_text, to_pointer = ctypes.POINTER(number), ctypes.POINTER(text), ctypes.POINTER(pointer)
    for name, result, arguments in (
        ("open_v2", number, [text, to_pointer, number, text]),
        ("close_v2", number, [pointer]),
        ("busy_timeout", number, [pointer, number]),
        ("progress_handler", None, [pointer, number, _Look, pointer]),
        ("prepare_v2", number, [pointer, text, number, to_pointer, to_text]),
        ("step", number, [pointer]),
        ("finalize", number, [pointer]),
        ("column_count", number, [pointer]),
        ("column_text", text, [pointer, number]),
        ("errmsg", text, [pointer]),
        ("db_status", number, [pointer, number, to_number, to_number, number]),
        ("stmt_status", number, [pointer, number, number]),
        (
            "table_column_metadata",
            number,
            [pointer, text, text, text, to_text, to_text, to_number, to_number, to_number],
        ),
    ):
        function = getattr(library, f"sqlite3_{name}")
        function.restype, function.argtypes = result, arguments
