"""Statements by number, the places that issue them, and the transactions committed: what the drivers' hooks share."""

from __future__ import annotations

import sys
from time import monotonic_ns

from .channel import CHANNEL
from .events import KEY_SHIFT, TRANSACTION_CLOSED, TRANSACTION_OPEN, VALUES_SHIFT, WAIT_STATEMENT
from .fingerprint import fingerprint
from .frames import site_at
from .keys import Keys
from .originals import get_ident
from .parameters import sample
from .state import CARRIED_SITE, CURRENT
from .tables import TABLES

# Not from typing: importing that would cost every helper process of the service.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from .state import Request

    Describe: TypeAlias = Callable[[Any, tuple[Any, ...], Any], tuple[Any, int, bool, Any]]

__all__ = [
    "CHANGE",
    "COMMIT",
    "COUNTERS",
    "OTHER",
    "STATEMENTS",
    "TRACED",
    "add_statement",
    "caller_site",
    "site_of",
    "statement_of",
    "trace_wait",
]

OTHER, CHANGE, COMMIT = 0, 1, 2
"""What a statement does, as far as counting commits needs it."""
SURE, RECHECK = 4, 8
"""After so many repetitions from one place it is taken for granted; every so many it is looked up again."""
TRACED = "_perfloop_traced"
"""What a method has that records already: the hooks may be applied by the middleware and by a capture of statements."""
_MAX_CACHED = 5_000
_REST = "(other statements)"
_NO_KEYS = Keys("")

STATEMENTS: dict[str, tuple[int, int, Keys]] = {}
"""SQL text → (statement number, what it does, what it asks by)."""


class _Counters:
    """Transactions committed in this process."""

    commits = 0


COUNTERS = _Counters()


def statement_of(sql: Any) -> tuple[int, int, Keys]:
    """The number of a statement's fingerprint, what it does, and what it asks by; number 0 for what is no text."""
    if not isinstance(sql, str):
        return 0, OTHER, _NO_KEYS
    known = STATEMENTS.get(sql)
    if known is not None:
        return known
    text = fingerprint(sql)
    verb = text[:8].partition(" ")[0].upper()
    does = OTHER
    if verb in ("INSERT", "UPDATE", "DELETE", "REPLACE"):
        does = CHANGE
    elif verb in ("COMMIT", "END"):
        does = COMMIT
    number = TABLES.statements.number(text)
    if number == 0:
        number = TABLES.statements.get(_REST) or 0
    if len(STATEMENTS) >= _MAX_CACHED:
        STATEMENTS.clear()
    known = STATEMENTS[sql] = number, does, Keys(sql)
    return known


def add_statement(
    request: Request,
    kind: int,
    times: tuple[int, int, int],
    statement: tuple[int, int, Keys],
    site: int,
    rows: int,
    parameters: Any,
    sql: Any = None,
    closed: bool | None = None,
) -> None:
    """Record one statement.

    Args:
        request: whose it is.
        kind: STATEMENT or WAIT_STATEMENT.
        times: when it began, how long it took, and processor time in that, in nanoseconds.
        statement: as `statement_of` gives it.
        site: where it was issued.
        rows: × 2, plus 1 when it held the event loop.
        parameters: its values, by position or name; None: not known.
        sql: its text, where its parameters may be told.
        closed: no transaction is open afterwards; None: not known.
    """
    number, _, keys = statement
    if closed is not None:
        rows |= TRANSACTION_CLOSED if closed else TRANSACTION_OPEN
    if keys.samples and type(sql) is str:
        sample(number, sql, keys, parameters)
    start, duration, cpu = times
    x = number | keys.of(parameters) << KEY_SHIFT
    request.add(kind, start, duration, cpu, x, site, rows | keys.values(parameters) << VALUES_SHIFT)


def caller_site(sql: Any, depth: int) -> int:
    """Where a statement comes from: the site `depth` frames out of the caller, or what its thread works for."""
    carried = CARRIED_SITE.get(get_ident()) if CARRIED_SITE else None
    return site_at(sql if type(sql) is str else None, depth + 1) if carried is None else carried


def site_of(request: Request, sql: Any, depth: int) -> int:
    """As `caller_site`; one repeated from one place is looked after now and then only.

    Looking is the dearest part of a record.
    """
    if sql is request.last_sql and request.repeats >= SURE and request.repeats % RECHECK:
        request.repeats += 1
        return request.last_site
    site = caller_site(sql, depth + 1)
    request.repeats = request.repeats + 1 if sql is request.last_sql and site == request.last_site else 1
    request.last_sql, request.last_site = sql, site
    return site


def trace_wait(owner: Any, name: str, describe: Describe, needed: Callable[[Any], bool] | None = None) -> None:
    """Replace a coroutine method that runs a statement by one that records it as a wait, unless it does so already.

    The place is that of the call, not of the await: a task of its own no longer knows who made it.

    Args:
        owner: the class.
        name: of the method.
        describe: given the object, its arguments and the result (None after an error), tells the SQL, the rows,
            whether no transaction is open afterwards, and the parameters.
        needed: given the object, whether the call sends anything at all.
    """
    method = getattr(owner, name, None)
    if method is None or getattr(method, TRACED, False):
        return

    def traced(self: Any, *args: Any, **options: Any) -> Any:
        if needed is not None and not needed(self):
            return method(self, *args, **options)
        request = CURRENT.get()
        site = 0
        if request is not None and request.live:
            try:
                site = site_of(request, args[0] if args else self, 1)
            except Exception as error:
                CHANNEL.hook_failed(name, error)
        else:
            request = None
        return awaited(request, site, self, args, options)

    async def awaited(request: Any, site: int, this: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        result = None
        start = monotonic_ns()
        try:
            result = await method(this, *args, **options)
            return result
        finally:
            duration = monotonic_ns() - start
            try:
                sql, rows, closed, parameters = describe(this, args, result)
                statement = statement_of(sql)
                if statement[1] == COMMIT or (statement[1] == CHANGE and closed):
                    COUNTERS.commits += 1
                if request is not None and request.live:
                    times = start, duration, 0
                    add_statement(request, WAIT_STATEMENT, times, statement, site, rows * 2, parameters, sql, closed)
            except Exception as error:
                CHANNEL.hook_failed(name, error)

    traced.__name__ = name
    traced.__qualname__ = getattr(method, "__qualname__", name)
    traced.__doc__ = method.__doc__
    traced.__wrapped__ = method  # type: ignore[attr-defined]
    setattr(traced, TRACED, True)
    mark = getattr(sys.modules.get("inspect"), "markcoroutinefunction", None)
    setattr(owner, name, traced if mark is None else mark(traced))


# It has its number before the table can be full.
TABLES.statements.number(_REST)
