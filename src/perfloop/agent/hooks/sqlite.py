"""sqlite3: every statement with its place in the code, its time and rows; commits; plans of slow statements."""

from __future__ import annotations

from time import monotonic_ns, thread_time_ns
from typing import TYPE_CHECKING, Any

from .. import PARAMETERS
from ..active import ACTIVE
from ..channel import CHANNEL
from ..events import KEY_SHIFT, STATEMENT, STEP, TRANSACTION_CLOSED, TRANSACTION_OPEN, VALUES_SHIFT, WIDTH
from ..explain import SLOW, Explainer
from ..originals import get_ident
from ..parameters import sample
from ..state import CURRENT, MAX_EVENTS, Segment
from ..statements import CHANGE, COMMIT, COUNTERS, OTHER, STATEMENTS, add_statement, caller_site, site_of, statement_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["apply"]

_NUMBER = (1 << KEY_SHIFT) - 1
_SHORT = 50_000
"""What took less nanoseconds is taken to have been on the processor: asking the clock would cost more than it tells."""


def apply(module: Any) -> None:
    """Replace Connection, Cursor and connect of sqlite3.dbapi2 by subclasses that time."""
    plain_connection, plain_cursor, plain_connect = module.Connection, module.Cursor, module.connect
    explainer = Explainer(plain_cursor)
    cursor_class = _cursor_class(plain_cursor, explainer)
    connection_class = _connection_class(plain_connection, cursor_class)

    def connect(*args: Any, **options: Any) -> Any:
        if len(args) < 6 and "factory" not in options:
            options["factory"] = connection_class
        elif len(args) >= 6 and args[5] is plain_connection:
            args = (*args[:5], connection_class, *args[6:])
        elif options.get("factory") is plain_connection:
            options["factory"] = connection_class
        return plain_connect(*args, **options)

    connect.__doc__ = plain_connect.__doc__
    connect.__module__ = "sqlite3"
    module.Cursor = cursor_class
    module.Connection = connection_class
    module.connect = connect


def _cursor_class(plain: Any, explainer: Explainer) -> Any:
    plain_execute, plain_executemany, plain_executescript = plain.execute, plain.executemany, plain.executescript
    plain_fetchone, plain_fetchmany, plain_fetchall = plain.fetchone, plain.fetchmany, plain.fetchall
    plain_next = plain.__next__

    def timed(cursor: Any, call: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        request = CURRENT.get()
        if request is None or not request.live:
            result = call(cursor, *args)
            _count(cursor, args)
            return result
        segment = ACTIVE.get(get_ident())
        if segment is not None:
            if segment.depth:
                return call(cursor, *args)
            segment.depth = 1
        cursor._perfloop = None
        before = thread_time_ns()
        start = monotonic_ns()
        try:
            return call(cursor, *args)
        finally:
            duration = monotonic_ns() - start
            cpu = thread_time_ns() - before
            if segment is not None:
                segment.depth = 0
            _note(cursor, request, segment, args, start, duration, cpu, before, explainer)

    def timed_fetch(cursor: Any, call: Callable[..., Any], args: tuple[Any, ...], many: bool) -> Any:
        request, events, at, offset, sql, parameters = cursor._perfloop
        segment = ACTIVE.get(get_ident())
        if segment is not None:
            segment.depth += 1
        start = monotonic_ns()
        try:
            result = call(cursor, *args)
        finally:
            duration = monotonic_ns() - start
            nested = False
            if segment is not None:
                segment.depth -= 1
                nested = segment.depth > 0
            if request.live and not nested:
                earlier, earlier_cpu = events[at + 3], events[at + 4]
                cpu = duration
                if duration >= _SHORT and many:
                    # From the execution's end until now the thread ran, but for what it waited within this call.
                    waited = events[at + 2] + earlier
                    cpu = thread_time_ns() - (offset + events[at + 2] + earlier_cpu) - (start - waited)
                    cpu = max(0, min(cpu, duration))
                events[at + 3] = earlier + duration
                events[at + 4] = earlier_cpu + cpu
        if many:
            events[at + 7] += 2 * len(result)
            if events[at + 3] >= SLOW:
                explainer.consider(events[at + 5] & _NUMBER, events[at + 3], cursor.connection, sql, parameters)
        elif result is not None:
            events[at + 7] += 2
        return result

    class Cursor(plain):  # type: ignore[misc]
        __doc__ = plain.__doc__
        _perfloop: Any = None
        """(request, its events, index, CPU clock − time, SQL, parameters) of the statement being fetched from."""

        def execute(self, *args: Any) -> Any:
            # As `timed`, without its call: most statements pass here.
            request = CURRENT.get()
            if request is None or not request.live:
                return timed(self, plain_execute, args)
            segment = ACTIVE.get(get_ident())
            if segment is not None:
                if segment.depth:
                    return plain_execute(self, *args)
                segment.depth = 1
            self._perfloop = None
            before = thread_time_ns()
            start = monotonic_ns()
            try:
                return plain_execute(self, *args)
            finally:
                duration = monotonic_ns() - start
                cpu = duration if duration < _SHORT else thread_time_ns() - before
                if segment is not None:
                    segment.depth = 0
                _note(self, request, segment, args, start, duration, cpu, before, explainer)

        def executemany(self, *args: Any) -> Any:
            return timed(self, plain_executemany, args)

        def executescript(self, *args: Any) -> Any:
            return timed(self, plain_executescript, args)

        def fetchone(self) -> Any:
            if self._perfloop is None:
                return plain_fetchone(self)
            return timed_fetch(self, plain_fetchone, (), False)

        def fetchmany(self, *args: Any, **options: Any) -> Any:
            if self._perfloop is None or options:
                return plain_fetchmany(self, *args, **options)
            return timed_fetch(self, plain_fetchmany, args, True)

        def fetchall(self) -> Any:
            if self._perfloop is None:
                return plain_fetchall(self)
            return timed_fetch(self, plain_fetchall, (), True)

        def __next__(self) -> Any:
            if self._perfloop is None:
                return plain_next(self)
            return timed_fetch(self, plain_next, (), False)

    return _disguise(Cursor, "Cursor")


def _connection_class(plain: Any, cursor_class: Any) -> Any:
    plain_cursor_call, plain_commit, plain_rollback, plain_exit = (
        plain.cursor,
        plain.commit,
        plain.rollback,
        plain.__exit__,
    )

    def ending(connection: Any, text: str, call: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """A commit or rollback that has something to end."""
        request = CURRENT.get()
        segment = ACTIVE.get(get_ident())
        if request is None or not request.live or (segment is not None and segment.depth):
            return call(connection, *args)
        if segment is not None:
            segment.depth = 1
        cpu = thread_time_ns()
        start = monotonic_ns()
        try:
            return call(connection, *args)
        finally:
            duration = monotonic_ns() - start
            cpu = thread_time_ns() - cpu
            if segment is not None:
                segment.depth = 0
            try:
                on_loop = 1 if segment is not None and segment.kind == STEP else 0
                site = caller_site(text, 1)
                add_statement(request, STATEMENT, (start, duration, cpu), statement_of(text), site, on_loop, None)
            except Exception as error:
                CHANNEL.hook_failed("sqlite3", error)

    class Connection(plain):  # type: ignore[misc]
        __doc__ = plain.__doc__

        def cursor(self, *args: Any, **options: Any) -> Any:
            if not args and not options:
                return plain_cursor_call(self, cursor_class)
            return plain_cursor_call(self, *args, **options)

        # The C methods make a plain cursor of their own.
        def execute(self, *args: Any) -> Any:
            return self.cursor().execute(*args)

        def executemany(self, *args: Any) -> Any:
            return self.cursor().executemany(*args)

        def executescript(self, *args: Any) -> Any:
            return self.cursor().executescript(*args)

        def commit(self) -> Any:
            if not self.in_transaction:
                return plain_commit(self)
            COUNTERS.commits += 1
            return ending(self, "COMMIT", plain_commit, ())

        def rollback(self) -> Any:
            if not self.in_transaction:
                return plain_rollback(self)
            return ending(self, "ROLLBACK", plain_rollback, ())

        def __exit__(self, *args: Any) -> Any:
            if not self.in_transaction:
                return plain_exit(self, *args)
            if args and args[0] is None:
                COUNTERS.commits += 1
                return ending(self, "COMMIT", plain_exit, args)
            return ending(self, "ROLLBACK", plain_exit, args)

    return _disguise(Connection, "Connection")


def _disguise(cls: Any, name: str) -> Any:
    cls.__module__ = "sqlite3"
    cls.__name__ = cls.__qualname__ = name
    return cls


def _count(cursor: Any, args: tuple[Any, ...]) -> None:
    """Count the commit a statement outside any request made, if it did."""
    try:
        does = statement_of(args[0])[1] if args else OTHER
        if does == COMMIT or (does == CHANGE and not cursor.connection.in_transaction):
            COUNTERS.commits += 1
    except Exception as error:
        CHANNEL.hook_failed("sqlite3", error)


def _note(
    cursor: Any,
    request: Any,
    segment: Segment | None,
    args: tuple[Any, ...],
    start: int,
    duration: int,
    cpu: int,
    before: int,
    explainer: Explainer,
) -> None:
    try:
        if not args:
            return
        sql = args[0]
        known = STATEMENTS.get(sql) if type(sql) is str else None
        statement, does, keys = statement_of(sql) if known is None else known
        rows = 0
        if does == CHANGE:
            rows = max(cursor.rowcount, 0)
            if not cursor.connection.in_transaction:
                COUNTERS.commits += 1
        elif does == COMMIT:
            COUNTERS.commits += 1
        site = site_of(request, sql, 2)
        on_loop = 1 if segment is not None and segment.kind == STEP else 0
        events = request.events
        at = len(events)
        if at >= MAX_EVENTS:
            CHANNEL.dropped += 1
            return
        parameters = args[1] if len(args) > 1 else ()
        # As `add_statement`, without its calls: most statements pass here.
        x = statement | keys.of(parameters) << KEY_SHIFT
        z = rows * 2 + on_loop | keys.values(parameters) << VALUES_SHIFT
        if PARAMETERS:
            z |= TRANSACTION_OPEN if cursor.connection.in_transaction else TRANSACTION_CLOSED
            if keys.samples and type(sql) is str:
                sample(statement, sql, keys, parameters)
        events += (STATEMENT, get_ident(), start, duration, cpu, x, site, z)
        # Another thread of the request, or a collection of garbage in this one, may have added an event meanwhile.
        place = len(events) - WIDTH
        while place > at and events[place + 2] != start:
            place -= WIDTH
        if events[place + 2] == start:
            # What the thread's CPU clock showed when the statement began, less the time until then.
            cursor._perfloop = (request, events, place, before - start, sql, parameters)
        if duration >= SLOW:
            explainer.consider(statement, duration, cursor.connection, sql, parameters)
    except Exception as error:
        CHANNEL.hook_failed("sqlite3", error)
