"""`curl` command lines, as browsers' developer tools copy them. Pure but for the files that `@FILE` names."""

from __future__ import annotations

import base64
import os
import re
from typing import TYPE_CHECKING
from urllib.parse import quote_plus, urljoin, urlsplit

from ...exceptions import InvalidValue
from ...files import read_within
from ..request import Request
from .curl_options import CurlOptions
from .fields import HOP_BY_HOP, origin_form, wire_value
from .imported import OTHER_HOST, Imported, RequestTable, SkippedTally
from .shell_words import split_commands

if TYPE_CHECKING:
    from collections.abc import Callable

    from .imported import ImportOptions

__all__ = ["parse_curl", "recognises_curl"]

_LARGEST_BODY = 100_000_000
_PATTERN = re.compile(r"\{[^{}]*,[^{}]*\}|\[\w+-\w+(?::\d+)?\]")
_WINDOWS = re.compile(r"\bcurl(?:\.exe)? \^\"|\^\r?\n")


def recognises_curl(head: bytes) -> bool:
    """Whether a file that begins so holds curl command lines."""
    for line in head.decode("utf-8", "replace").splitlines():
        text = line.strip().removeprefix("$ ")
        if text and not text.startswith("#"):
            return text.partition(" ")[0] in ("curl", "curl.exe", "curl\\")
    return False


def parse_curl(
    text: str, source: str, options: ImportOptions, *, read: Callable[[str], bytes] | None = None
) -> Imported:
    """The requests of curl command lines.

    Args:
        source: the file, for messages.
        read: gives the bytes of a file that a command names; default: reads it, in the working directory.

    Raises:
        InvalidValue: no curl command, an option or a quotation that is not understood, a URL that is none.
    """
    if _WINDOWS.search(text):
        raise InvalidValue(
            "Expected curl commands for a POSIX shell, got those for the Windows prompt",
            where=source,
            hint="choose `Copy as cURL (bash)` in the browser",
        )
    skipped, notes = SkippedTally(), set[str]()
    table = RequestTable(skipped)
    for words, lines in split_commands(text, source):
        if words[0] == "$":
            del words[0], lines[0]
        if not words or words[0] not in ("curl", "curl.exe"):
            raise InvalidValue(
                "Expected a curl command",
                got=words[0] if words else "$",
                where=f"{source}:{(lines or [1])[0]}",
                hint="a URL with & goes in single quotes",
            )
        _Command(CurlOptions(words, lines, source), options, read or _read_file).add_to(table, skipped, notes)
    return Imported(
        format="curl",
        source=source,
        requests=table.requests(templated=False),
        skipped=skipped.all(),
        notes=tuple(sorted(notes)),
    )


class _Command:
    def __init__(self, reader: CurlOptions, options: ImportOptions, read: Callable[[str], bytes]) -> None:
        self._place = reader.place
        self._options = options
        self._read = read
        self._method: str | None = None
        self._headers: list[tuple[str, str]] = []
        self._without: set[str] = set()
        self._extra: dict[str, str] = {}
        self._data: list[bytes] = []
        self._urls: list[tuple[str, str]] = []
        self._kinds: set[str] = set()
        for kind, value, where in reader.options:
            self._kinds.add(kind)
            take = getattr(self, f"_take_{kind}", None)
            if take is not None:
                take(value, where)

    # One function for each option that has something to say.

    def _take_url(self, value: str, where: str) -> None:
        self._urls.append((value, where))

    def _take_method(self, value: str, where: str) -> None:
        self._method = value

    def _take_header(self, value: str, where: str) -> None:
        if value.startswith("@"):
            raise InvalidValue("Expected a header, not a file of them", got=value, where=where)
        name, colon, content = value.partition(":")
        if colon and content.strip():
            self._headers.append((name.strip(), wire_value(content.strip())))
        elif colon:  # `Accept:` takes curl's own away
            self._without.add(name.strip().lower())
        elif value.endswith(";"):  # `X-Empty;` sends it empty
            self._headers.append((value[:-1].strip(), ""))
        else:
            raise InvalidValue("Expected a header as `Name: value` (what was given is not shown)", where=where)

    def _take_data(self, value: str, where: str) -> None:
        data = self._content(value, where)
        self._data.append(data.translate(None, b"\r\n\0") if value.startswith("@") else data)

    def _take_raw(self, value: str, where: str) -> None:
        self._data.append(os.fsencode(value))

    def _take_binary(self, value: str, where: str) -> None:
        self._data.append(self._content(value, where))

    def _take_urlencode(self, value: str, where: str) -> None:
        name, mark, content = value.partition("=")
        if not mark and "@" in value:
            name, _, path = value.partition("@")
            text = self._content(f"@{path}", where)
        else:
            text = os.fsencode(content if mark else value)
        encoded = quote_plus(text).encode()
        self._data.append(b"%b=%b" % (os.fsencode(name), encoded) if name and (mark or "@" in value) else encoded)

    def _take_json(self, value: str, where: str) -> None:
        # Several are put together as they are.
        self._data[-1:] = [b"".join(self._data[-1:]) + self._content(value, where)]
        self._extra |= {"Content-Type": "application/json", "Accept": "application/json"}

    def _take_user(self, value: str, where: str) -> None:
        if ":" not in value:
            raise InvalidValue("Expected user:password (what was given is not shown)", where=where)
        self._extra["Authorization"] = "Basic " + base64.b64encode(os.fsencode(value)).decode()

    def _take_bearer(self, value: str, where: str) -> None:
        self._extra["Authorization"] = f"Bearer {value}"

    def _take_cookie(self, value: str, where: str) -> None:
        if "=" not in value:
            raise InvalidValue("Expected cookies as name=value, not a file of them", got=value, where=where)
        former = self._extra.get("Cookie")
        self._extra["Cookie"] = f"{former}; {wire_value(value)}" if former else wire_value(value)

    def _take_agent(self, value: str, where: str) -> None:
        self._extra["User-Agent"] = wire_value(value)

    def _take_referer(self, value: str, where: str) -> None:
        self._extra["Referer"] = wire_value(value.removesuffix(";auto"))

    def _take_range(self, value: str, where: str) -> None:
        self._extra["Range"] = f"bytes={value}"

    def _take_compressed(self, value: str, where: str) -> None:
        self._extra["Accept-Encoding"] = "deflate, gzip, br, zstd"

    def _content(self, value: str, where: str) -> bytes:
        if not value.startswith("@"):
            return os.fsencode(value)
        try:
            return self._read(value[1:])
        except OSError as error:
            raise InvalidValue(f"Expected a readable file: {error.strerror}", got=value, where=where) from error

    # The requests.

    def add_to(self, table: RequestTable, skipped: SkippedTally, notes: set[str]) -> None:
        """Add the command's requests, one for each of its URLs, to the table."""
        if not self._urls:
            raise InvalidValue("Expected a URL in the curl command", where=self._place)
        if "insecure" in self._kinds:
            notes.add("curl accepts any certificate (-k): pass --insecure to do the same")
        if "location" in self._kinds:
            notes.add("curl follows redirects (-L): perfloop measures the redirect itself")
        for url, where in self._urls:
            request = self._request(url, where, skipped)
            if request is not None:
                request.validate(where)
                table.add(request, where)

    def _request(self, url: str, where: str, skipped: SkippedTally) -> Request | None:
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            host, port = (parts.hostname or "").lower(), parts.port
        except ValueError as error:
            raise InvalidValue(f"Expected a URL: {error}", got=url, where=where) from error
        if parts.scheme not in ("http", "https") or not host:
            raise InvalidValue("Expected a URL of scheme http or https", got=url, where=where)
        if "globoff" not in self._kinds and _PATTERN.search(f"{parts.path}?{parts.query}"):
            raise InvalidValue(
                "Expected one URL, curl makes several of a pattern",
                got=url,
                where=where,
                hint="-g sends brackets and braces as they are",
            )
        if not self._options.wants(parts.scheme, host, port):
            skipped.add(OTHER_HOST, where, host)
            return None
        body = b"&".join(self._data)
        query = parts.query
        if "get" in self._kinds and body:
            query = "&".join(part for part in (query, os.fsdecode(body)) if part)
            body = b""
        posts = self._data and "get" not in self._kinds
        method = "HEAD" if "head" in self._kinds else "POST" if posts else "GET"
        return Request(
            method=self._method or method,
            target=origin_form(self._options.prefix, self._path(parts.path), query),
            headers=self._all_headers(parts.username, parts.password, method),
            body=body,
        )

    def _path(self, path: str) -> str:
        """The path without `.` and `..`, as curl sends it."""
        return path if "as is" in self._kinds or "/." not in path else urlsplit(urljoin("http://x/", path)).path

    def _all_headers(self, user: str | None, password: str | None, method: str) -> tuple[tuple[str, str], ...]:
        headers = [each for each in self._headers if each[0].lower() not in HOP_BY_HOP]
        extra = dict(self._extra)
        if user is not None:
            pair = base64.b64encode(os.fsencode(f"{user}:{password or ''}")).decode()
            extra.setdefault("Authorization", f"Basic {pair}")
        if method == "POST":
            extra.setdefault("Content-Type", "application/x-www-form-urlencoded")
        given = {name.lower() for name, _ in headers} | self._without
        return (*headers, *(each for each in extra.items() if each[0].lower() not in given))


def _read_file(path: str) -> bytes:
    return read_within(path, _LARGEST_BODY)
