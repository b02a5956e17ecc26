"""The statements that a block of code issues, in this process and without the agent: for tests, and for a look."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from operator import itemgetter
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, NamedTuple

from ...agent.events import KEY_SHIFT, STATEMENT, TRANSACTION_SHIFT, VALUES_SHIFT, WAIT_STATEMENT, WIDTH
from ...agent.frames import site_at
from ...agent.hooks import HOOKS
from ...agent.keys import KEY_MASK
from ...agent.originals import get_ident
from ...agent.state import CURRENT, Request
from ...agent.statements import STATEMENTS, statement_of
from ...agent.tables import TABLES
from ...exceptions import ConfigurationError
from ...sources import Sources
from ..nplusone import LEAST_REPEATS, Call, describe_repetition, find_repetitions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...records.nplusone import NPlusOne

__all__ = ["CapturedStatement", "CapturedStatements", "capture_statements"]

_MOST = 100_000
"""Statements kept."""
_COLUMNS = 7


class _Line(NamedTuple):
    file: str
    line: int
    function: str


@dataclass(frozen=True)
class CapturedStatement:
    """One statement as it was issued."""

    statement: str
    """Its fingerprint: literals and parameters as `?`."""
    seconds: float
    """Until the database had answered; 0 where the driver does not tell."""
    rows: int
    """Returned or changed, where the driver knows them at once (psycopg, asyncpg); else 0."""
    frames: tuple[_Line, ...]
    """The user's lines that led to it, innermost first."""


class _Captured(Request):
    """A request of the agent's kind that no server began."""

    __slots__ = ("dropped", "issued")

    def __init__(self) -> None:
        super().__init__("", None)
        self.dropped = 0
        self.issued: list[Any] = []
        """_COLUMNS a statement: as `statement_of` gives it, start, end, key, values, rows as the driver says, site."""

    def add(self, kind: int, start: int, duration: int, cpu: int = 0, x: int = 0, y: int = 0, z: int = 0) -> None:
        if len(self.events) >= _MOST * WIDTH:
            self.dropped += 1
            return
        self.events += (kind, get_ident(), start, duration, cpu, x, y, z)


def _recorder(request: _Captured) -> Callable[[Any, Any, int, Any], None]:
    """What records a statement that ended now and was issued by its caller's caller: SQL, parameters, start, rows.

    In one piece, and what can be worked out later is: a statement's cost is that of the calls and objects made for it.
    """
    statements, issued, limit = STATEMENTS, request.issued, _MOST * _COLUMNS

    def record(sql: Any, parameters: Any, start: int, rows: Any) -> None:
        end = monotonic_ns()
        try:
            known = statements[sql]
        except (KeyError, TypeError):
            known = statement_of(sql)
        keys = known[2]
        only = keys.only
        if only is None:
            key, values = keys.of(parameters) or None, keys.values(parameters)
        else:
            values = keys.listed
            try:
                key = hash(parameters[only])
            except (LookupError, TypeError):
                key = keys.of(parameters) or None
        if len(issued) < limit:
            issued.extend((known, start, end, key, values, rows, site_at(sql, 2)))
        else:
            request.dropped += 1

    return record


class CapturedStatements:
    """What `capture_statements` has seen until now."""

    def __init__(self, request: _Captured, frameworks: str) -> None:
        self._request = request
        self._frameworks = frameworks

    @property
    def dropped(self) -> int:
        """Statements beyond the first 100,000, which are not kept."""
        return self._request.dropped

    @property
    def statements(self) -> list[CapturedStatement]:
        """Every statement, in the order issued."""
        calls, durations, sites = self._calls()
        return [
            CapturedStatement(call.statement, duration * 1e-9, call.rows, sites[call.site])
            for call, duration in zip(calls, durations, strict=True)
        ]

    def n_plus_one(self, least: int = LEAST_REPEATS) -> list[NPlusOne]:
        """Statements repeated for each of many rows, with the loop's line, the right loader and what it saves.

        Args:
            least: repetitions below which nothing is said; tests with little data need few.
        """
        calls, _, sites = self._calls()
        sources = Sources(".")
        return [
            describe_repetition(repetition, sites.__getitem__, sources, frameworks=self._frameworks)
            for repetition in find_repetitions(calls, least=least)
        ]

    def assert_no_n_plus_one(self, least: int = LEAST_REPEATS) -> None:
        """Fail, as a test does, when there is one.

        Raises:
            AssertionError: names each with its line, its loop and its loader.
        """
        found = self.n_plus_one(least)
        if found:
            raise AssertionError("\n".join(_in_words(each) for each in found))

    def _calls(self) -> tuple[list[Call], list[int], list[tuple[_Line, ...]]]:
        """The calls in the order issued, how long each took (ns), and the lines that a call's site stands for."""
        sites: dict[tuple[_Line, ...], int] = {}
        calls, durations = [], []
        for _, duration, number, key, values, rows, site in sorted(
            [*self._issued(), *self._recorded()], key=itemgetter(0)
        ):
            frames = tuple(
                _Line(*TABLES.frames.values[frame - 1][:3])
                for frame in (TABLES.sites.values[site - 1] if site else ())
                if frame
            )
            durations.append(duration)
            statement = TABLES.statements.values[number - 1]
            calls.append(Call(statement, sites.setdefault(frames, len(sites)), rows, key, values))
        return calls, durations, list(sites)

    def _issued(self) -> Iterator[tuple[int, ...]]:
        """Start, duration, statement, key, values, rows and site of what `_recorder` has."""
        issued = self._request.issued
        for at in range(0, len(issued), _COLUMNS):
            (number, _, _), start, end, key, values, rows, site = issued[at : at + _COLUMNS]
            asked = 0 if key is None else key & KEY_MASK or 1
            yield start, end - start, number, asked, values, max(rows, 0) if type(rows) is int else 0, site

    def _recorded(self) -> Iterator[tuple[int, ...]]:
        """The same of what the agent's hooks of a driver have."""
        events = self._request.events
        for at in range(0, len(events), WIDTH):
            kind, _, start, duration, _, x, site, z = events[at : at + WIDTH]
            if kind in (STATEMENT, WAIT_STATEMENT):
                number, rows = x & (1 << KEY_SHIFT) - 1, (z & (1 << TRANSACTION_SHIFT) - 1) >> 1
                yield start, duration, number, x >> KEY_SHIFT, z >> VALUES_SHIFT, rows, site


def _in_words(found: NPlusOne) -> str:
    place = f"{found.place.file}:{found.place.line}" if found.place else "no line of your own"
    loop = f", repeated by the loop at {found.loop.file}:{found.loop.line}" if found.loop else ""
    saved = ", ".join(f"{each.saved_ms:g} ms at {each.round_trip_ms:g} ms" for each in found.saved)
    return (
        f"N+1: {found.calls} × {found.statement}\n  issued at {place}{loop}\n  {found.advice}\n"
        f"  saves {found.statements_saved} statements; by round trip: {saved}"
    )


@contextmanager
def capture_statements(*sources: Any) -> Iterator[CapturedStatements]:
    """Capture what a block of code asks of databases, and ask for its N+1.

        with capture_statements(engine) as captured:
            client.get("/orders")
        captured.assert_no_n_plus_one()

    Some microseconds a statement; no value of a parameter is kept. Nothing is left installed afterwards but, for
    psycopg and asyncpg, wrappers that do nothing outside such a block.

    Args:
        sources: what to watch: SQLAlchemy engines (sync or async) and sessions, `django.db.connection` or
            `django.db.connections` (of this thread), connections of sqlite3, psycopg 3 and asyncpg, pools of asyncpg.

    Raises:
        ConfigurationError: nothing to watch, or something that is none of these.
    """
    if not sources:
        raise ConfigurationError(
            "Expected what to capture, got nothing", hint="name an engine or a connection: capture_statements(engine)"
        )
    request = _Captured()
    with ExitStack() as stack:
        frameworks = " ".join([_watch(source, request, stack) for source in sources])
        try:
            yield CapturedStatements(request, frameworks)
        finally:
            request.live = False


def _watch(source: Any, request: _Captured, stack: ExitStack) -> str:
    """Begin to watch a source, until the stack unwinds; gives the library that it is of."""
    roots = {each.__module__.partition(".")[0] for each in type(source).__mro__}
    if "sqlalchemy" in roots:
        bound = source if not hasattr(source, "get_bind") else source.get_bind()
        engine = getattr(bound, "sync_engine", bound)
        dialect = getattr(engine, "dialect", None)
        if dialect is not None:
            _watch_dialect(dialect, request, stack)
            return "sqlalchemy"
    if "django" in roots:
        connections = source.all() if not hasattr(source, "execute_wrapper") else [source]
        for connection in connections:
            stack.enter_context(connection.execute_wrapper(_django_wrapper(request)))
        return "django"
    if "sqlite3" in roots and hasattr(source, "set_trace_callback"):
        record = _recorder(request)
        source.set_trace_callback(lambda sql: record(sql, (), monotonic_ns(), 0))
        stack.callback(source.set_trace_callback, None)
        return "sqlite3"
    for library in ("psycopg", "asyncpg"):
        if library in roots:
            _watch_driver(library, request, stack)
            return library
    raise ConfigurationError(
        "Expected an engine or session of SQLAlchemy, a connection of Django, sqlite3, psycopg or asyncpg",
        got=type(source).__qualname__,
        where="capture_statements",
        hint="name what the code under test runs its statements on",
    )


def _watch_dialect(dialect: Any, request: _Captured, stack: ExitStack) -> None:
    """Time a dialect's calls of its driver: the one place that Core, the ORM and the async engines all pass."""
    record = _recorder(request)
    plain = {name: getattr(dialect, name) for name in ("do_execute", "do_executemany", "do_execute_no_params")}

    def do_execute(cursor: Any, statement: Any, parameters: Any, context: Any = None) -> Any:
        start = monotonic_ns()
        try:
            return execute(cursor, statement, parameters, context)
        finally:
            record(statement, parameters, start, cursor.rowcount)

    def do_executemany(cursor: Any, statement: Any, parameters: Any, context: Any = None) -> Any:
        start = monotonic_ns()
        try:
            return plain["do_executemany"](cursor, statement, parameters, context)
        finally:
            record(statement, None, start, cursor.rowcount)

    def do_execute_no_params(cursor: Any, statement: Any, context: Any = None) -> Any:
        start = monotonic_ns()
        try:
            return plain["do_execute_no_params"](cursor, statement, context)
        finally:
            record(statement, (), start, cursor.rowcount)

    execute = plain["do_execute"]
    for traced in (do_execute, do_executemany, do_execute_no_params):
        name = traced.__name__
        stack.callback(_restore, dialect, name, vars(dialect).get(name))
        setattr(dialect, name, traced)


def _restore(owner: Any, name: str, before: Any) -> None:
    if before is None:
        delattr(owner, name)
    else:
        setattr(owner, name, before)


def _django_wrapper(request: _Captured) -> Any:
    record = _recorder(request)

    def wrapper(execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        start = monotonic_ns()
        try:
            return execute(sql, params, many, context)
        finally:
            record(sql, params, start, getattr(context["cursor"], "rowcount", 0))

    return wrapper


def _watch_driver(library: str, request: _Captured, stack: ExitStack) -> None:
    """Have the agent's hooks of a driver record what this context and its tasks do."""
    from importlib import import_module

    hook = import_module(f"...agent.hooks.{library}", __package__)
    for name, file in HOOKS.items():
        if file == library and name in sys.modules:
            hook.apply(sys.modules[name])
    token = CURRENT.set(request)
    stack.callback(CURRENT.reset, token)
