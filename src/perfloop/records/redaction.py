"""URLs without their secrets."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

__all__ = ["redact_url"]

_SECRET_NAME = re.compile(r"(?i)pass|secret|token|api[-_]?key|auth|signature|session|credential")


def redact_url(url: str) -> str:
    """The URL without user, password, fragment, or the values of query parameters that name a secret."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    netloc = f"***@{host}" if "@" in parts.netloc else host
    query = parts.query
    if _SECRET_NAME.search(query):
        query = "&".join(
            f"{quote(name)}={'***' if _SECRET_NAME.search(name) else quote(value)}"
            for name, value in parse_qsl(query, keep_blank_values=True)
        )
    return urlunsplit((parts.scheme, netloc, parts.path, query, ""))
