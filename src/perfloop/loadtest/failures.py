"""The kinds of ways a request fails, and how often each happened, with one example in words."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl

from ..records import ErrorKind

__all__ = [
    "CLOSED_BEFORE_RESPONSE",
    "CLOSED_IN_BODY",
    "CLOSED_IN_HEADERS",
    "CONNECT_TIMEOUT",
    "GIVEN_UP",
    "INVALID_RESPONSE",
    "INVALID_UTF8",
    "MESSAGE_TOO_LARGE",
    "MOST_KINDS",
    "NEVER_SENT",
    "NOT_HTTP2",
    "NOT_UPGRADED",
    "NO_EVENT_STREAM",
    "OTHER",
    "PROTOCOL_ERROR",
    "REFUSED",
    "RESET",
    "RESPONSE_HEAD_TOO_LARGE",
    "STREAM_ENDED",
    "STREAM_RESET",
    "TIMEOUT",
    "TLS",
    "UNEXPECTED_UPGRADE",
    "FailureTally",
    "NotHttp2Error",
    "classify",
]

TIMEOUT = "timeout"
NEVER_SENT = "never sent"
NOT_HTTP2 = "no HTTP/2"
REFUSED = "connection refused"
RESET = "connection reset"
CONNECT_TIMEOUT = "connect timeout"
CLOSED_BEFORE_RESPONSE = "closed before response"
CLOSED_IN_HEADERS = "closed in headers"
CLOSED_IN_BODY = "closed in body"
INVALID_RESPONSE = "invalid response"
RESPONSE_HEAD_TOO_LARGE = "response head too large"
STREAM_RESET = "stream reset"
UNEXPECTED_UPGRADE = "unexpected protocol switch"
TLS = "TLS"
GIVEN_UP = "given up"
# Of WebSocket and server-sent events.
NOT_UPGRADED = "not upgraded"
PROTOCOL_ERROR = "protocol error"
INVALID_UTF8 = "invalid UTF-8"
MESSAGE_TOO_LARGE = "message too large"
NO_EVENT_STREAM = "no event stream"
STREAM_ENDED = "closed before first event"


class NotHttp2Error(ConnectionError):
    """What answered does not speak HTTP/2."""


def classify(error: BaseException) -> tuple[str, str]:
    """The kind of a transport error, and the error in words."""
    text = str(error) or type(error).__name__
    if isinstance(error, NotHttp2Error):
        return NOT_HTTP2, text
    if isinstance(error, ConnectionRefusedError):
        return REFUSED, text
    if isinstance(error, (ConnectionResetError, BrokenPipeError, ConnectionAbortedError)):
        return RESET, text
    if isinstance(error, (TimeoutError, asyncio.TimeoutError)):
        return CONNECT_TIMEOUT, text
    if isinstance(error, ssl.SSLError):
        return TLS, text
    if isinstance(error, socket.gaierror):
        return "name resolution", text
    if isinstance(error, OSError) and error.errno is not None:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            return "too many open files", text
        return os.strerror(error.errno).lower(), text
    return type(error).__name__, text


MOST_KINDS = 100
OTHER = "other errors"


class FailureTally:
    """How often each kind of failure happened. Holds one example a kind, whatever the number of failures.

    Kinds beyond MOST_KINDS are counted together: a service or scenario may put a number into each of its texts.
    """

    __slots__ = ("_counts", "_examples")

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._examples: dict[str, str] = {}

    def add(self, kind: str, example: str, count: int = 1) -> None:
        """Count `count` failures; the first example of a kind is the one that is kept."""
        if kind not in self._counts and len(self._counts) >= MOST_KINDS:
            kind, example = OTHER, f"{kind}: {example}"
        self._counts[kind] = self._counts.get(kind, 0) + count
        self._examples.setdefault(kind, example)

    def since(self, seen: dict[str, int]) -> list[ErrorKind]:
        """What was counted since `seen`, earlier counts by kind, which are brought up to date."""
        found = [
            ErrorKind(kind=kind, count=count - seen.get(kind, 0), example=self._examples[kind])
            for kind, count in self._counts.items()
            if count != seen.get(kind, 0)
        ]
        seen.update(self._counts)
        return found

    @property
    def total(self) -> int:
        """All failures counted."""
        return sum(self._counts.values())

    def counts(self) -> dict[str, int]:
        """Kinds with their counts, most frequent first."""
        return dict(sorted(self._counts.items(), key=lambda item: (-item[1], item[0])))

    def kinds(self) -> list[ErrorKind]:
        """Kinds with count and example, most frequent first."""
        return [
            ErrorKind(kind=kind, count=count, example=self._examples[kind]) for kind, count in self.counts().items()
        ]
