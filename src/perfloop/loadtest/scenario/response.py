"""A response as a scenario looks at it: the bytes as they came, taken apart only when something asks for it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from ...exceptions import InvalidValue
from ..heads import SET_COOKIE

__all__ = ["LARGEST_BODY", "Headers", "NoHead", "Response", "final_head"]

LARGEST_BODY = 8 * 1024 * 1024
"""Bytes of a response that are kept to be looked at."""
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")
_LARGEST_HEAD = 256 * 1024


class NoHead(ValueError):
    """What came is not the head of a response, or no end of it is to be seen."""


def final_head(received: bytes) -> tuple[int, bytes, bytes] | None:
    """The status, the head and what lies behind it, after heads that are informational; None while it is not whole.

    Raises:
        NoHead: it never will be.
    """
    while True:
        if received[:7] != b"HTTP/1."[: len(received)]:
            raise NoHead("it does not begin with HTTP/1")
        head, end, rest = received.partition(b"\r\n\r\n")
        if not end:
            if len(head) > _LARGEST_HEAD:
                raise NoHead(f"{len(head)} bytes without the end of the headers")
            return None
        status_line = _STATUS_LINE.match(head + end)
        if status_line is None:
            raise NoHead("it has no status")
        status = int(status_line[1])
        if status >= 200 or status == 101:
            return status, head + end, rest
        received = rest


class Headers(Mapping[str, str]):
    """Headers by name, whatever its case. Several of one name are joined by a comma, but for `all`."""

    __slots__ = ("_values",)

    def __init__(self, head: bytes) -> None:
        self._values: dict[str, list[str]] = {}
        for line in head.decode("latin-1").split("\r\n")[1:]:
            name, colon, value = line.partition(":")
            if colon:
                self._values.setdefault(name.lower(), []).append(value.strip())

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._values[name.lower()])

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def all(self, name: str) -> list[str]:
        """Each value of a header that may come several times, such as Set-Cookie."""
        return self._values.get(name.lower(), [])


class Response(Struct, eq=False, gc=False):  # a Struct is made in half the time of a class with slots
    """The answer to one request.

    `status` is the status code, `latency` seconds from the moment the request was due to the response's end.
    """

    status: int
    latency: float
    _raw: bytes
    label: str
    cut: bool = False
    """More than LARGEST_BODY came: the rest was not kept."""
    _headers: Headers | None = None
    _body: bytes | None = None

    def __repr__(self) -> str:
        return f"<Response {self.status} to {self.label}>"

    @property
    def ok(self) -> bool:
        """The status is below 400."""
        return self.status < 400

    @property
    def sets_cookies(self) -> bool:
        """It has a Set-Cookie header, or looks like it: a quick look."""
        return SET_COOKIE.search(self._raw) is not None

    @property
    def headers(self) -> Headers:
        """The headers, by name in any case."""
        if self._headers is None:
            self._take_apart()
        assert self._headers is not None
        return self._headers

    @property
    def body(self) -> bytes:
        """The body, out of its chunks, not decompressed.

        Raises:
            InvalidValue: it was longer than LARGEST_BODY.
        """
        if self.cut:
            raise InvalidValue(f"Expected a body of at most {LARGEST_BODY >> 20} MiB to look at", where=self.label)
        if self._body is None:
            self._take_apart()
        assert self._body is not None
        return self._body

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: it is not.
        """
        try:
            return msgspec.json.decode(self.body)
        except msgspec.DecodeError as error:
            raise ValueError(f"{self.label} was not answered with JSON: {error}") from error

    def _take_apart(self) -> None:
        raw = self._raw
        while True:
            head, _, body = raw.partition(b"\r\n\r\n")
            if head[9:10] != b"1" or head[9:12] == b"101":
                break
            raw = body  # informational: the final response follows
        self._headers = Headers(head)
        if self._headers.get("transfer-encoding", "").lower().endswith("chunked"):
            body = _out_of_chunks(body)
        elif "content-length" in self._headers:
            body = body[: int(self._headers["content-length"])]
        self._body = body
        self._raw = b""


def _out_of_chunks(data: bytes) -> bytes:
    """RFC 9112 §7.1; the parser of the connection has found it whole."""
    pieces: list[bytes] = []
    at = 0
    while True:
        end = data.find(b"\r\n", at)
        size = int(data[at:end].partition(b";")[0] or b"0", 16) if end >= 0 else 0
        if not size:
            return b"".join(pieces)
        pieces.append(data[end + 2 : end + 2 + size])
        at = end + 2 + size + 2
