"""What every report says of a database workload, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from . import figures

if TYPE_CHECKING:
    from perfloop.records import NPlusOne, Place, WorkloadRecord, WorkloadStatement

__all__ = [
    "StatementRow",
    "captured_in_words",
    "place_in_words",
    "repeated_in_words",
    "saving_in_words",
    "statement_rows",
]

_SOURCES = {
    "service": "the running service",
    "pg_stat_statements": "pg_stat_statements",
    "log": "the server's log",
    "sql": "a file of SQL",
}


class StatementRow(NamedTuple):
    """One statement of a table; figures as text, empty where the source does not tell."""

    share: float | None
    """Of the time of all statements; None: the source tells no times."""
    total: str
    called: int
    calls: str
    mean: str
    rows: str
    """A call."""
    text: str
    where: str
    """The route and line that issue it most, and how many others do."""


def captured_in_words(record: WorkloadRecord) -> str:
    """Where the workload comes from and what it covers."""
    words = [f"{record.dialect} out of {_SOURCES[record.source]}"]
    if record.database:
        words.append(record.database)
    if record.requests:
        words.append(figures.plural(record.requests, "request"))
    if record.seconds is not None:
        words.append(f"{figures.number(record.seconds)} s")
    words.append("values left out" if record.redacted else "with values")
    return " · ".join(words)


def statement_rows(record: WorkloadRecord) -> list[StatementRow]:
    """The statements in the record's order, the dearest first."""
    everything = sum(statement.total_ms for statement in record.statements)
    return [_row(statement, everything) for statement in record.statements]


def _row(statement: WorkloadStatement, everything: float) -> StatementRow:
    calls = max(statement.calls, 1)
    timed = statement.total_ms > 0
    where = ""
    if statement.uses:
        first = statement.uses[0]
        where = " at ".join(filter(None, [first.route, place_in_words(first.place)]))
        if len(statement.uses) > 1:
            where += f", and {figures.plural(len(statement.uses) - 1, 'other place')}"
    return StatementRow(
        share=statement.total_ms / everything if everything else None,
        total=figures.milliseconds(statement.total_ms) if timed else "",
        called=statement.calls,
        calls=figures.count(statement.calls),
        mean=figures.milliseconds(statement.total_ms / calls) if timed else "",
        rows=figures.number(statement.rows / calls) if statement.rows else "",
        text=statement.fingerprint,
        where=where,
    )


def place_in_words(place: Place | None, *, shown: bool = False) -> str:
    """File and line, with `shown` also the function and what stands there; empty where there is no place."""
    if place is None:
        return ""
    function = f" in {place.function}" if shown and place.function else ""
    source = f": {place.source}" if shown and place.source else ""
    return figures.clean(f"{place.file}:{place.line}{function}{source}")


def repeated_in_words(found: NPlusOne) -> list[tuple[str, str]]:
    """(label, text) of what is to be said of an N+1."""
    issued = place_in_words(found.place, shown=True) or "no line of your own"
    words = [("statement", f"{found.calls} × {found.statement}"), ("issued at", issued)]
    if found.loop is not None:
        words.append(("loop", place_in_words(found.loop) + (f": {found.loop.source}" if found.loop.source else "")))
    return [*words, ("fix", found.advice), ("saves", saving_in_words(found))]


def saving_in_words(found: NPlusOne) -> str:
    """The statements saved, and the time as a function of the round trip."""
    by_trip = ", ".join(
        f"{figures.milliseconds(each.saved_ms)} at {figures.milliseconds(each.round_trip_ms)}" for each in found.saved
    )
    saved = figures.plural(found.statements_saved, "statement")
    return f"{saved} a request; by round trip to the database: {by_trip}"
