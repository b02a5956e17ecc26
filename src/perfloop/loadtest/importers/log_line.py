"""One line of an access log: the common and combined format, uvicorn's, or a JSON object. Pure, in linear time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ...exceptions import InvalidValue
from .log_time import log_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LOG_FIELDS", "LONGEST_LINE", "JsonLines", "LogLine", "common_line"]

LONGEST_LINE = 1 << 20
"""Bytes; what is longer is no line of a log."""

# Each part ends where the next begins, so that nothing is tried twice.
_COMMON = re.compile(
    r'(?:[^\s"]+ )??'  # the virtual host, where it is written first
    r'([^\s"]+) [^\s"]+ [^\s"]+ \[([^\]"]+)\] "((?:[^"\\]|\\.)*)" (?:\d{3}|-) (?:\d+|-)'
    r'(?: "(?:[^"\\]|\\.)*" "((?:[^"\\]|\\.)*)")?'
)
_UVICORN = re.compile(r'(?:[A-Z]+: +)?([^\s"]+):\d+ - "((?:[^"\\]|\\.)*)" \d{3}(?: |$)')
_ESCAPE = re.compile(rb'\\(?:x([0-9a-fA-F]{2})|(["\\]))')
_REQUEST = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+)(?: HTTP/\d(?:\.\d)?)?")

LOG_FIELDS: dict[str, tuple[str, ...]] = {
    "request": ("request", "request_line", "requestLine", "r"),
    "method": ("method", "request_method", "request.method", "http_method", "verb", "RequestMethod", "http.method",
               "http.request.method", "m"),
    "target": ("request_uri", "uri", "request.uri", "target", "url", "path", "RequestPath", "http.target",
               "url.original", "url.path", "U"),
    "query": ("query", "query_string", "args", "url.query", "q"),
    "time": ("time", "ts", "timestamp", "@timestamp", "time_iso8601", "time_local", "msec", "date", "StartUTC",
             "asctime", "t"),
    "client": ("remote_addr", "client_ip", "request.client_ip", "request.remote_ip", "remote_ip", "client", "ip",
               "ClientHost", "client_addr", "client.address", "h"),
    "agent": ("http_user_agent", "user_agent", "request.headers.User-Agent", "userAgent", "agent",
              "request_User-Agent", "user_agent.original", "a"),
}  # fmt: skip
"""The keys under which the usual servers (nginx, Caddy, Traefik, gunicorn, uvicorn with a JSON formatter) write each
field, in the order in which they are looked for. Dots lead into objects."""


class LogLine(NamedTuple):
    """What counts of one line."""

    time: float | None
    """Seconds since 1970."""
    method: str
    target: str
    session: int
    """The same for the same client address and user agent; only within this process."""


def common_line(line: bytes) -> LogLine:
    """The request of a line of the common or combined format, or of uvicorn's, which has no time.

    Raises:
        ValueError: none; says why.
    """
    text = line.decode("utf-8", "surrogateescape") if len(line) <= LONGEST_LINE else ""
    if match := _COMMON.match(text):
        client, stamp, request, agent = match.groups()
    elif match := _UVICORN.match(text):
        (client, request), stamp, agent = match.groups(), None, None
    else:
        raise ValueError("no line of an access log")
    method, target = _request_line(request)
    if "\\" in target:
        target = _unescaped(target)
    return LogLine(None if stamp is None else log_seconds(stamp), method, target, hash((client, agent)))


def _unescaped(text: str) -> str:
    r"""What the server escaped: `\x22` of nginx, `\"` of Apache."""
    raw = text.encode("utf-8", "surrogateescape")
    raw = _ESCAPE.sub(lambda match: bytes([int(match[1], 16)]) if match[1] else match[2], raw)
    return raw.decode("utf-8", "surrogateescape")


def _request_line(text: str) -> tuple[str, str]:
    found = _REQUEST.fullmatch(text)
    if found is None:
        raise ValueError("no HTTP request")
    return found[1], found[2]


class JsonLines:
    """Reads lines that are JSON objects, and remembers under which keys the fields were found.

    Args:
        fields: the key of a field, by its name in LOG_FIELDS, where it is none of the usual.

    Raises:
        InvalidValue: a field that is none.
    """

    def __init__(self, fields: Mapping[str, str]) -> None:
        unknown = sorted(set(fields) - set(LOG_FIELDS))
        if unknown:
            raise InvalidValue(
                f"Expected a field of a log: {', '.join(LOG_FIELDS)}", got=unknown[0], where="log_fields"
            )
        self._own = frozenset(fields)
        self._keys = {name: ((fields[name],) if name in fields else usual) for name, usual in LOG_FIELDS.items()}
        self._decode = msgspec.json.Decoder(dict[str, Any]).decode

    def read(self, line: bytes) -> LogLine:
        """The request of a line.

        Raises:
            ValueError: none; says why.
        """
        if len(line) > LONGEST_LINE:
            raise ValueError("no line of an access log")
        try:
            entry = self._decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise ValueError("no JSON object") from None
        method, target = self._find(entry, "method"), self._find(entry, "target")
        if not (isinstance(method, str) and isinstance(target, str)) or "request" in self._own:
            request = self._find(entry, "request")
            if not isinstance(request, str):
                raise ValueError(f"no method and target under the keys {self._looked_for()}")
            method, target = _request_line(request)
        elif "?" not in target and isinstance(query := self._find(entry, "query"), str) and query:
            target = f"{target}?{query.removeprefix('?')}"
        session = hash((str(self._find(entry, "client")), str(self._find(entry, "agent"))))
        return LogLine(self._time(entry), method.upper(), target, session)

    def _time(self, entry: dict[str, Any]) -> float | None:
        """The first that is a time: `time` may be how long the response took."""
        problem: ValueError | None = None
        for key in self._keys["time"]:
            value = _at(entry, key)
            if value is not None:
                try:
                    return log_seconds(value)
                except ValueError as error:
                    problem = problem or error
        if problem is not None:
            raise problem
        return None

    def _find(self, entry: dict[str, Any], name: str) -> object:
        keys = self._keys[name]
        for position, key in enumerate(keys):
            value = _at(entry, key)
            if value is not None:
                if position:  # the next line has it there too
                    self._keys[name] = (key, *(each for each in keys if each != key))
                return value
        return None

    def _looked_for(self) -> str:
        return ", ".join(f"`{self._keys[name][0]}`" for name in ("method", "target", "request"))


def _at(entry: Any, key: str) -> object:
    value = entry.get(key)
    if value is not None or "." not in key:
        return value
    for part in key.split("."):
        if not isinstance(entry, dict):
            return None
        entry = entry.get(part)
    return entry[0] if isinstance(entry, list) and entry else entry
