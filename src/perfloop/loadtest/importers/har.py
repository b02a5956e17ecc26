"""HAR 1.2, as browsers' developer tools and proxies export it. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import numpy as np
from msgspec import Struct, field

from ...exceptions import InvalidValue
from ..request import Request
from .documents import decode_json
from .fields import HOP_BY_HOP, origin_form, wire_value
from .imported import OTHER_HOST, Imported, RequestTable, SkippedTally

if TYPE_CHECKING:
    from .imported import ImportOptions

__all__ = ["parse_har", "recognises_har"]

_HEAD = re.compile(rb'\s*\{\s*"log"\s*:\s*\{')


class _Pair(Struct):
    name: str
    value: str = ""


class _PostData(Struct, rename="camel"):
    mime_type: str = ""
    text: str | None = None
    params: list[_Pair] = field(default_factory=list)


class _HarRequest(Struct, rename="camel"):
    method: str
    url: str
    headers: list[_Pair] = field(default_factory=list)
    cookies: list[_Pair] = field(default_factory=list)
    post_data: _PostData | None = None


class _HarResponse(Struct):
    status: int = 0


class _Entry(Struct, rename="camel"):
    request: _HarRequest
    started_date_time: str | None = None
    response: _HarResponse | None = None
    resource_type: str | None = field(default=None, name="_resourceType")


class _Log(Struct):
    entries: list[_Entry]


class _Har(Struct):
    log: _Log


def recognises_har(head: bytes) -> bool:
    """Whether a file that begins so is a HAR."""
    return _HEAD.match(head) is not None


def parse_har(data: bytes, source: str, options: ImportOptions) -> Imported:
    """The requests of a HAR to the host that is meant, with their times.

    Args:
        data: the file's bytes.
        source: its name, for messages.

    Raises:
        InvalidValue: not JSON, no HAR, or a time that is none; names the line or the key.
    """
    har = decode_json(data, _Har, source, expected="a HAR")
    skipped = SkippedTally()
    table = RequestTable(skipped)
    indices: list[int] = []
    times: list[float] = []
    timed = True
    for number, entry in enumerate(har.log.entries):
        request = _request(entry, f"entry {number}", options, skipped)
        if request is None:
            continue
        index = table.add(request, f"entry {number}")
        if index is None:
            continue
        indices.append(index)
        if entry.started_date_time is None:
            timed = False
        elif timed:
            times.append(_time(entry.started_date_time, f"{source}: log.entries[{number}].startedDateTime"))
    order = arrivals = None
    if timed and indices:
        moments = np.array(times)
        ranks = np.argsort(moments, kind="stable")
        order, arrivals = np.array(indices, dtype=np.int32)[ranks], moments[ranks] - moments[ranks[0]]
    elif indices:
        order = np.array(indices, dtype=np.int32)
    return Imported(
        format="har",
        source=source,
        requests=table.requests(templated=True),
        order=order,
        arrivals=arrivals,
        sessions=None if order is None else np.zeros(len(order), dtype=np.int32),
        skipped=skipped.all(),
        notes=() if timed else ("entries without startedDateTime: the times of arrival are not known",),
    )


def _request(entry: _Entry, place: str, options: ImportOptions, skipped: SkippedTally) -> Request | None:
    recorded = entry.request
    try:
        parts = urlsplit(recorded.url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        skipped.add("no valid URL", place, recorded.url)
        return None
    if parts.scheme in ("ws", "wss") or entry.resource_type == "websocket" or _status(entry) == 101:
        skipped.add("a WebSocket", place, recorded.url)
        return None
    if parts.scheme not in ("http", "https") or not host:
        skipped.add("no http URL", place, recorded.url)
        return None
    if not options.wants(parts.scheme, host, port):
        skipped.add(OTHER_HOST, place, host)
        return None
    body = _body(recorded.post_data)
    if body is None:
        skipped.add("a form whose body is not in the file", place, recorded.url)
        return None
    request = Request(
        method=recorded.method.upper(),
        target=origin_form(options.prefix, parts.path, parts.query),
        headers=_headers(recorded),
        body=body,
    )
    try:
        request.validate()
    except InvalidValue as error:
        skipped.add("what HTTP does not allow", place, error.message)
        return None
    return request


def _status(entry: _Entry) -> int:
    return 0 if entry.response is None else entry.response.status


def _body(post: _PostData | None) -> bytes | None:
    """The bytes of the body; None where the file holds the names of a form's fields only."""
    if post is None:
        return b""
    if post.text is not None:
        return post.text.encode("utf-8", "replace")
    if not post.params:
        return b""
    if not post.mime_type.startswith("application/x-www-form-urlencoded"):
        return None
    return urlencode([(pair.name, pair.value) for pair in post.params]).encode()


def _headers(recorded: _HarRequest) -> tuple[tuple[str, str], ...]:
    headers = [
        (pair.name, wire_value(pair.value.strip(" \t")))
        for pair in recorded.headers
        if not pair.name.startswith(":") and pair.name.lower() not in HOP_BY_HOP
    ]
    if recorded.cookies and not any(name.lower() == "cookie" for name, _ in headers):
        headers.append(("Cookie", wire_value("; ".join(f"{pair.name}={pair.value}" for pair in recorded.cookies))))
    return tuple(headers)


def _time(text: str, where: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidValue("Expected a time such as 2026-11-25T10:00:00.000Z", got=text, where=where) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
