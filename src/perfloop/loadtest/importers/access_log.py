"""Access logs: the common and the combined format, and JSON lines. Pure; a line at a time, in linear time.

A line in memory becomes 20 bytes: when, which request, whose. The time of a line is when the server wrote it, for most
servers the end of the response.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import numpy as np

from ...exceptions import InvalidValue
from ..request import Request
from .fields import origin_form
from .imported import Imported, RequestTable, SkippedTally
from .log_line import JsonLines, common_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from .imported import ImportOptions
    from .log_line import LogLine

__all__ = ["parse_access_log", "recognises_access_log"]


def recognises_access_log(head: bytes) -> bool:
    """Whether one of the first lines is of a log: common, combined, or a JSON object on a line of its own."""
    lines = [line for line in head.split(b"\n")[:20] if line.strip()]
    if lines and lines[0].lstrip().startswith(b"{"):
        return lines[0].rstrip().endswith(b"}")
    return any(map(_is_common, lines))


def _is_common(line: bytes) -> bool:
    try:
        common_line(line)
    except ValueError:
        return False
    return True


def parse_access_log(
    lines: Iterable[bytes], source: str, options: ImportOptions, *, on_line: Callable[[int], None] | None = None
) -> Imported:
    """The requests of a log: their mix, their order and their times.

    Times of whole seconds say nothing about what lies between: the requests of one second are spread evenly over it, in
    their order.

    Args:
        lines: with or without their line ends.
        source: the file, for messages.
        on_line: called with the number of lines read, every 4096.

    Raises:
        InvalidValue: none of the lines is one of an access log.
    """
    prefix = options.prefix
    read_json = JsonLines(options.log_fields).read
    known: dict[tuple[str, str], int] = {}
    skipped = SkippedTally()
    table = RequestTable(skipped)
    indices, times, sessions = array("i"), array("d"), array("q")
    timed = True
    number = 0
    for number, line in enumerate(lines, 1):
        if on_line is not None and not number & 4095:
            on_line(number)
        try:
            entry = read_json(line) if line.lstrip()[:1] == b"{" else common_line(line)
        except ValueError as error:
            if line.strip() and not line.startswith(b"#"):
                skipped.add(str(error), f"line {number}", line[:500].decode("utf-8", "replace").strip())
            continue
        key = (entry.method, entry.target)
        index = known.get(key)
        if index is None:
            index = _add(entry, f"line {number}", prefix, table, skipped)
            if index is None:
                continue
            known[key] = index
        else:
            table.count(index)
        indices.append(index)
        sessions.append(entry.session)
        if entry.time is None:
            timed = False
        elif timed:
            times.append(entry.time)
    if not indices:
        raise InvalidValue(
            "Expected an access log: common, combined or JSON lines",
            got=skipped.describe() if skipped else "an empty file",
            where=source,
            hint="the keys of a JSON log can be named: --log-field target=uri",
        )
    return _imported(source, table, skipped, indices, times if timed else None, sessions)


def _add(entry: LogLine, place: str, prefix: str, table: RequestTable, skipped: SkippedTally) -> int | None:
    target = entry.target
    path, _, query = target.partition("?")
    if "://" in path and not path.startswith("/"):  # as proxies write it
        path = "/" + path.partition("://")[2].partition("/")[2]
    if not path.startswith("/"):
        skipped.add("no path", place, target)
        return None
    request = Request(method=entry.method, target=origin_form(prefix, path, query.partition("#")[0]))
    try:
        request.validate()
    except InvalidValue as error:
        skipped.add("what HTTP does not allow", place, error.message)
        return None
    return table.add(request, place)


def _imported(
    source: str,
    table: RequestTable,
    skipped: SkippedTally,
    indices: array[int],
    times: array[float] | None,
    sessions: array[int],
) -> Imported:
    order = np.frombuffer(indices, dtype=np.intc).astype(np.int32)
    arrivals = None
    _, numbers = np.unique(np.frombuffer(sessions, dtype=np.int64), return_inverse=True)
    notes = []
    if times is None:
        notes.append("lines without a time: the times of arrival are not known")
    else:
        moments = np.frombuffer(times, dtype=np.float64)
        ranks = np.argsort(moments, kind="stable")
        moments, order, numbers = moments[ranks], order[ranks], numbers[ranks]
        if len(moments) > 1 and np.array_equal(moments, np.floor(moments)):
            moments = _spread_in_seconds(moments)
            notes.append("its times are whole seconds: the requests of one second are spread evenly over it")
        arrivals = moments - moments[0]
    requests = table.requests(templated=True)
    bodiless = sum(request.weight for request in requests if request.method in ("POST", "PUT", "PATCH"))
    if bodiless:
        notes.append(f"a log holds no bodies: {bodiless:g} POST, PUT and PATCH requests are sent without")
    return Imported(
        format="access-log",
        source=source,
        requests=requests,
        order=order,
        arrivals=arrivals,
        sessions=numbers.astype(np.int32),
        skipped=skipped.all(),
        notes=tuple(notes),
    )


def _spread_in_seconds(moments: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rising whole seconds, each request moved within its second: the k-th of n by (k + ½) ÷ n."""
    _, starts, counts = np.unique(moments, return_index=True, return_counts=True)
    within = np.arange(len(moments)) - np.repeat(starts, counts)
    return moments + (within + 0.5) / np.repeat(counts, counts)
