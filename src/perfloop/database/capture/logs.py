"""A workload out of PostgreSQL's log (log_min_duration_statement, log_statement, auto_explain), in any of its forms."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...agent.fingerprint import fingerprint
from ...exceptions import ConfigurationError
from .workload import WorkloadBuilder

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from ...records import WorkloadRecord

__all__ = ["LogEntry", "capture_log", "read_log"]

_SEVERITIES = "LOG|ERROR|FATAL|PANIC|WARNING|NOTICE|INFO|DEBUG[1-5]?|DETAIL|HINT|STATEMENT|CONTEXT|QUERY|LOCATION"
_SEVERITY = re.compile(rf"\b(?P<severity>{_SEVERITIES}):  ?")
_DURATION = re.compile(r"^duration: (?P<ms>\d+(?:\.\d+)?) ms(?:  ?(?P<rest>.*))?$", re.DOTALL)
_STATEMENT = re.compile(r"^(?:statement|execute [^:]*|fast-path function call): (?P<sql>.*)$", re.DOTALL)
_OTHER_STEP = re.compile(r"^(?:parse|bind) [^:]*: ")
_PARAMETERS = re.compile(r"^(?:[Pp]arameters|Query Parameters): (?P<values>.*)$", re.DOTALL)
_VALUE = re.compile(r"\$(\d+) = (NULL|'(?:[^']|'')*')")
_QUERY_TEXT = re.compile(r"^\s*Query Text: (?P<sql>.*?)(?=\n\s*Query Parameters: |\n\S[^\n]*\(cost=|\Z)", re.DOTALL)
_CSV_DATABASE, _CSV_SEVERITY, _CSV_MESSAGE, _CSV_DETAIL = 2, 11, 13, 14
_HINT = (
    "the server logs statements with log_min_duration_statement = 0 (or a number of milliseconds), plans with "
    "auto_explain; messages are read in English (lc_messages = 'C')"
)


class LogEntry(NamedTuple):
    """One message of the server."""

    message: str
    detail: str = ""
    database: str | None = None


def capture_log(path: str | os.PathLike[str], *, database: str | None = None, values: bool = False) -> WorkloadRecord:
    """The workload of a log file: plain, CSV or JSON, told apart by its beginning.

    An execution that both auto_explain and log_min_duration_statement report counts once, with the plan.

    Args:
        path: the file.
        database: only its statements, where the form tells the database (CSV and JSON do).
        values: keep literals and the values of parameters.

    Raises:
        ConfigurationError: the file cannot be read, or no statement is found in it.
    """
    builder = WorkloadBuilder(values=values)
    timed: set[str] = set()
    plans: list[dict[str, Any]] = []
    pending: dict[str, Any] | None = None
    try:
        for entry in read_log(path):
            if database is not None and entry.database not in (None, database):
                builder.leave_out("statements of other databases")
                continue
            found = _execution(entry)
            if found is None:
                continue
            if found.get("only_time"):
                # log_statement and log_duration: the statement came before, its time comes now.
                if pending is not None:
                    builder.add(**{**pending, "total_ms": found["total_ms"]})
                    pending = None
                continue
            if pending is not None:
                builder.add(**pending)
                pending = None
            if "total_ms" not in found:
                pending = found
            elif "plan" in found:
                plans.append(found)
            else:
                timed.add(fingerprint(found["sql"]))
                builder.add(**found)
    except OSError as error:
        raise ConfigurationError(
            f"Expected a log of PostgreSQL, but it cannot be read: {error.strerror}", where=str(path)
        ) from error
    if pending is not None:
        builder.add(**pending)
    for plan in plans:
        known = fingerprint(plan["sql"]) in timed
        builder.add(**({**plan, "calls": 0, "total_ms": 0.0, "slowest_ms": plan["total_ms"]} if known else plan))
    if builder.empty:
        raise ConfigurationError("Expected statements in the log, found none", where=str(path), hint=_HINT)
    return builder.record("postgresql", "log", database=database)


def read_log(path: str | os.PathLike[str]) -> Iterator[LogEntry]:
    """The messages of a log file, each with its detail.

    Raises:
        OSError: it cannot be read.
    """
    with Path(path).open(encoding="utf-8", errors="replace", newline="") as file:
        beginning = file.read(4_096).lstrip()
        file.seek(0)
        if beginning.startswith("{"):
            yield from _json_entries(file)
        elif re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? [\w+-]+,", beginning):
            yield from _csv_entries(file)
        else:
            yield from _plain_entries(file)


def _json_entries(lines: Iterable[str]) -> Iterator[LogEntry]:
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            # The last line of a log that is being written.
            continue
        if isinstance(entry, dict) and entry.get("error_severity") == "LOG":
            yield LogEntry(str(entry.get("message", "")), str(entry.get("detail", "")), entry.get("dbname"))


def _csv_entries(lines: Iterable[str]) -> Iterator[LogEntry]:
    csv.field_size_limit(64_000_000)
    for row in csv.reader(lines):
        if len(row) > _CSV_DETAIL and row[_CSV_SEVERITY] == "LOG":
            yield LogEntry(row[_CSV_MESSAGE], row[_CSV_DETAIL], row[_CSV_DATABASE] or None)


def _plain_entries(lines: Iterable[str]) -> Iterator[LogEntry]:
    """Whatever log_line_prefix is: an entry begins with its severity, further lines of it with a tab."""
    message: list[str] | None = None
    detail: list[str] = []
    current: list[str] = []
    for raw in lines:
        line = raw.rstrip("\r\n")
        found = None if line.startswith("\t") else _SEVERITY.search(line)
        if found is None:
            current.append(line.removeprefix("\t"))
            continue
        text = line[found.end() :]
        if found["severity"] == "DETAIL":
            detail = current = [text]
            continue
        if found["severity"] in ("HINT", "STATEMENT", "CONTEXT", "QUERY", "LOCATION"):
            current = []
            continue
        if message is not None:
            yield LogEntry("\n".join(message), "\n".join(detail))
        detail = []
        message = current = [text]
        if found["severity"] != "LOG":
            message, current = None, []
    if message is not None:
        yield LogEntry("\n".join(message), "\n".join(detail))


def _execution(entry: LogEntry) -> dict[str, Any] | None:
    """What a message says of an execution, as `WorkloadBuilder.add` takes it; None: it says nothing of one."""
    found: dict[str, Any] = {}
    text = entry.message
    timed = _DURATION.match(text)
    if timed is not None:
        found["total_ms"] = float(timed["ms"])
        text = timed["rest"] or ""
        if not text:
            return {**found, "only_time": True}
    if text.startswith("plan:"):
        return _explained(text.removeprefix("plan:").strip("\n"), found)
    statement = _STATEMENT.match(text)
    if statement is None or _OTHER_STEP.match(text):
        return None
    found["sql"] = statement["sql"]
    parameters = _PARAMETERS.match(entry.detail)
    if parameters is not None:
        found["parameters"] = _values(parameters["values"])
    return found


def _explained(text: str, found: dict[str, Any]) -> dict[str, Any] | None:
    """What auto_explain says: JSON with the plan, or a text of which the statement is taken."""
    if text.lstrip().startswith("{"):
        try:
            explained = json.loads(text)
        except ValueError:
            return None
        sql = explained.get("Query Text")
        if not isinstance(sql, str):
            return None
        parameters = explained.get("Query Parameters")
        found |= {"sql": sql, "plan": {"Plan": explained["Plan"]} if "Plan" in explained else None}
        if isinstance(parameters, str):
            found["parameters"] = _values(parameters)
        return found
    query = _QUERY_TEXT.match(text)
    return None if query is None else {**found, "sql": query["sql"], "plan": None}


def _values(text: str) -> list[str | None]:
    """The values of `$1 = '5', $2 = NULL`, in order."""
    values = {
        int(number): None if value == "NULL" else value[1:-1].replace("''", "'")
        for number, value in _VALUE.findall(text)
    }
    return [values.get(number) for number in range(1, max(values, default=0) + 1)]
