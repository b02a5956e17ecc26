"""The right loader for an N+1, and what it saves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ...records.nplusone import NPlusOne, RoundTripSaving
from ...sources import STATEMENT_CALLS
from .detector import table_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...records.nplusone import Loader
    from ...sources import Line, Relationship, Sources
    from .detector import Repetition

__all__ = ["ROUND_TRIPS_MS", "LoaderAdvice", "describe_repetition", "loader_of"]

ROUND_TRIPS_MS = (0.1, 0.5, 2.0)
"""On the same machine, in the same zone, between zones."""
_GENERIC: dict[str, Loader] = {"sqlalchemy": "selectinload", "django": "prefetch_related"}
"""What serves where no model class tells whether a relationship leads to one or to many."""
_CONDITION = re.compile(r'([\w."`\[\]]+)\s*=\s*\?|\?\s*=\s*([\w."`\[\]]+)|([\w."`\[\]]+)\s+IN\s*\(\?\)', re.IGNORECASE)
_NARROWING = frozenset(["annotate", "exclude", "filter", "first", "last", "order_by"])
"""Methods of Django's managers that ask the database again, whatever has been prefetched."""
_ATTRIBUTE = re.compile(r"\.([A-Za-z_]\w*)")
_COUNTS = re.compile(r"^\s*SELECT\s+(?:count|sum|avg|min|max)\s*\(", re.IGNORECASE)


class LoaderAdvice(NamedTuple):
    """How to load the rows at once."""

    loader: Loader
    text: str
    relationship: Relationship | None = None


def loader_of(statement: str, frames: Sequence[Line], sources: Sources, frameworks: str = "") -> LoaderAdvice:
    """What loads the rows of a repeated statement with one statement, or with none of its own.

    A to-one relationship is joined. A to-many one is loaded by a second statement: a join would repeat the parents'
    columns for each row, break LIMIT, and multiply with a second collection.

    Args:
        statement: the fingerprint.
        frames: the user's lines that issue it, innermost first.
        sources: the user's files.
        frameworks: names of the libraries that may have made the statement.
    """
    batch = _batch(statement)
    libraries = frameworks.lower()
    if not frames:
        for library, loader in _GENERIC.items():
            if library in libraries:
                text = f"load the relationship in the handler's query, {loader}(…), not while answering; or {batch}"
                return LoaderAdvice(loader, text)
        return LoaderAdvice("batch", f"collect the keys first, then ask once: {batch}")
    frame = frames[0]
    # Model classes are near Python files; of a template the line alone tells what it reads.
    file = next((each.file for each in frames if each.file.endswith(".py")), frame.file)
    within = _in_comprehension(statement, frame, file, sources, libraries)
    if within is not None:
        return within
    called = _names(sources.calls(frame.file, frame.line))
    attributes = [name for _, name in sources.attributes(frame.file, frame.line)]
    if not frame.file.endswith(".py"):
        attributes = _ATTRIBUTE.findall(sources.line(frame.file, frame.line) or "")
    if not called & STATEMENT_CALLS and "objects" not in attributes:
        known = sources.relationship(file, attributes, libraries)
        table = table_of(statement)
        if known is None and table is not None:
            # A template or a serialiser reads it: the table tells what is read.
            known = sources.relationship_to(file, table, _key_of(statement), libraries)
        if known is not None:
            return _with_relationship(known, narrowed=bool(called & _NARROWING))
        read = [name for name in attributes if name not in called]
        for library, loader in _GENERIC.items():
            if read and library in libraries:
                text = f"load `{read[0]}` with the rows it belongs to, {loader}(…) on their query; or {batch}"
                return LoaderAdvice(loader, text)
    return LoaderAdvice("batch", f"collect the keys first, then ask once: {batch}")


def _in_comprehension(statement: str, frame: Line, file: str, sources: Sources, libraries: str) -> LoaderAdvice | None:
    """What a comprehension reads for each row of the query that stands on the same line, where that gives the table."""
    read = [name for _, name in sources.attributes(frame.file, frame.line, repeated=True)]
    table = table_of(statement)
    named = (sources.relationship(file, [name], libraries) for name in read)
    known = next((each for each in named if each and table and sources.leads_to(file, each, table)), None)
    if known is None:
        return None
    called = _names(sources.calls(frame.file, frame.line, repeated=True))
    return _with_relationship(known, narrowed=bool(called & _NARROWING))


def _names(calls: Sequence[str]) -> set[str]:
    return {call.rpartition(".")[2] for call in calls}


def describe_repetition(
    repetition: Repetition,
    frames_of: Callable[[int], Sequence[Line]],
    sources: Sources,
    *,
    frameworks: str = "",
    route: str | None = None,
    per_request: int | None = None,
) -> NPlusOne:
    """The repetition as a record has it: place, loop, relationship, loader, and the saving by round-trip time.

    Args:
        repetition: as `find_repetitions` found it.
        frames_of: the lines that a site of it stands for, innermost first.
        sources: the user's files.
        frameworks: names of the libraries in use, for advice where no relationship is found.
        route: the request's.
        per_request: how often a typical request repeats it, where several were seen.
    """
    repeated = len(repetition.calls)
    count = repeated if per_request is None else per_request
    frames = frames_of(repetition.sites[0])
    advice = loader_of(repetition.statement, frames, sources, frameworks)
    # A join needs no statement of its own, everything else one.
    saved = count if advice.loader in ("joinedload", "select_related") else count - 1
    elsewhere = [lines[0] for lines in map(frames_of, repetition.sites[1:]) if lines]
    others = list(dict.fromkeys(frame for frame in elsewhere if frame != frames[0]))
    known = advice.relationship
    return NPlusOne(
        route=route,
        statement=repetition.statement,
        calls=count,
        rows=round(repetition.rows * count / repeated),
        place=sources.place(frames[0]) if frames else None,
        loop=sources.loop_around(frames),
        asked_at=sources.call_in_loop(frames) if frames else None,
        other_places=[sources.place(frame) for frame in others],
        relationship=f"{known.owner}.{known.attribute}" if known else None,
        to_many=known.many if known else None,
        loader=advice.loader,
        advice=advice.text,
        statements_saved=saved,
        saved=[
            RoundTripSaving(round_trip_ms=round_trip, saved_ms=round(saved * round_trip, 3))
            for round_trip in ROUND_TRIPS_MS
        ],
    )


def _with_relationship(known: Relationship, *, narrowed: bool) -> LoaderAdvice:
    loader: Loader
    if known.framework == "django":
        loader = "prefetch_related" if known.many else "select_related"
        what = f'"{known.attribute}"'
        if known.many and narrowed:
            # Rows prefetched without the condition do not answer a query with it.
            what = f"Prefetch({what}, queryset=…, to_attr=…)"
        text = f"load them with the rows they belong to: .{loader}({what}) on the {known.owner} query"
    else:
        loader = "selectinload" if known.many else "joinedload"
        text = (
            f"load them with the rows they belong to: .options({loader}({known.owner}.{known.attribute})) "
            f"on the {known.owner} query"
        )
    return LoaderAdvice(loader, text, known)


def _key_of(statement: str) -> str | None:
    """The column that a statement asks by, without its table."""
    column = _condition_of(statement)
    return None if column is None else column.rpartition(".")[2].strip('"`[]')


def _condition_of(statement: str) -> str | None:
    found = _CONDITION.search(statement)
    return (found[1] or found[2] or found[3]) if found else None


def _batch(statement: str) -> str:
    key = _condition_of(statement)
    if key is None:
        return "one statement for all of them"
    if _COUNTS.match(statement):
        return f"one statement for all of them: SELECT {key}, … WHERE {key} IN (…) GROUP BY {key}"
    return f"one statement for all of them: … WHERE {key} IN (…)"
