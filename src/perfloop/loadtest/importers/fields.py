"""What a recorded request carries over the wire again, and how it is written. Pure."""

from __future__ import annotations

from urllib.parse import quote

__all__ = ["HOP_BY_HOP", "origin_form", "wire_value"]

HOP_BY_HOP = frozenset(
    [
        "host",
        "content-length",
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
        "expect",
    ]
)
"""Headers of one connection or one message (RFC 9110 §7.6.1): the engine writes its own."""

_SAFE = "/%:=&?~+!$,;'@()*[]|{}^\"<>`\\"


def origin_form(prefix: str, path: str, query: str) -> str:
    """The request target: blanks and what is not ASCII are percent-encoded, the rest stays as it was recorded."""
    target = prefix + quote(path or "/", safe=_SAFE, errors="surrogateescape")
    return f"{target}?{quote(query, safe=_SAFE, errors='surrogateescape')}" if query else target


def wire_value(value: str) -> str:
    """A header value as latin-1 text whose bytes are those of the recording: UTF-8 where it was more than latin-1."""
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogateescape").decode("latin-1")
    return value
