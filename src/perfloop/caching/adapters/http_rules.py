"""What HTTP says of caching a response in a cache that many share (RFC 9111), as functions of headers."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "CachedResponse",
    "Headers",
    "age_of",
    "by_name",
    "directives",
    "entity_tag",
    "lifetime_of",
    "matches",
    "vary_of",
]

Headers = tuple[tuple[bytes, bytes], ...]
"""Names in lower case, as ASGI has them."""
# RFC 9110, 15.1: what may be kept where nothing else is said; here it must say for how long all the same.
_STATUSES = {200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501}
_FOR_ALL = {"public", "s-maxage", "must-revalidate"}
_NOT_KEPT = {"no-store", "private", "no-cache"}
_LONGEST = 2.0**31
_SAID_OTHERWISE = {b"expires", b"pragma"}
"""What HTTP/1.0 says of caching: not what `default` is for."""
# Of one connection, or of the answer to one request.
NOT_SHARED = {b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"trailer", b"te", b"age", b"date"}


class CachedResponse(msgspec.Struct, frozen=True):
    """A whole response."""

    status: int
    headers: Headers
    body: bytes
    fresh_for: float
    """Seconds."""
    at: float
    """When it was made, in seconds since 1970: only for the Age that clients are told."""


def by_name(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers by name; the values of one that comes several times, as cookies do in HTTP/2, each on a line."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        found[name] = b"%b\n%b" % (found[name], value) if name in found else value
    return found


def directives(headers: Iterable[tuple[bytes, bytes]], name: bytes = b"cache-control") -> dict[str, str]:
    """The directives of a Cache-Control header, in lower case, with their values if they have one: the first, where one
    comes twice (RFC 9111, 4.2.1)."""
    found: dict[str, str] = {}
    for key, value in headers:
        if key == name:
            for piece in value.decode("latin-1").split(","):
                word, _, argument = piece.strip().partition("=")
                if word:
                    found.setdefault(word.lower(), argument.strip().strip('"'))
    return found


def lifetime_of(
    request: Sequence[tuple[bytes, bytes]], status: int, response: Sequence[tuple[bytes, bytes]], default: float | None
) -> float | None:
    """For how many seconds a response to a GET may be given to others too; None: not at all.

    Args:
        default: where the response says nothing about it; None: such a response is not kept.
    """
    said = directives(response)
    names = {name for name, _ in response}
    if status not in _STATUSES or not _NOT_KEPT.isdisjoint(said) or b"set-cookie" in names:
        return None
    if "*" in vary_of(response) or any(map(_never_ends, response)):
        return None
    personal = {name for name, _ in request} & {b"authorization", b"cookie"}
    personal -= {name.encode("latin-1") for name in vary_of(response)}
    if personal and _FOR_ALL.isdisjoint(said):
        return None
    for name in ("s-maxage", "max-age"):
        if name in said:
            seconds = min(float(said[name]), _LONGEST) if said[name].isdecimal() else 0.0
            seconds -= age_of(response)
            return seconds if seconds > 0 else None
    return default if names.isdisjoint(_SAID_OTHERWISE) else None


def _never_ends(header: tuple[bytes, bytes]) -> bool:
    name, value = header
    return name == b"content-type" and value.lower().startswith(b"text/event-stream")  # a charset may follow


def age_of(headers: Iterable[tuple[bytes, bytes]]) -> float:
    """The seconds since a response was made, as a cache that it comes from says (RFC 9111, 5.1)."""
    said = next((value.decode("latin-1").partition(",")[0].strip() for name, value in headers if name == b"age"), "")
    return min(float(said), _LONGEST) if said.isdecimal() else 0.0


def vary_of(headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, ...]:
    """The request headers that a response depends on, sorted, in lower case."""
    values = [value.decode("latin-1") for name, value in headers if name == b"vary"]
    return tuple(sorted({each.strip().lower() for value in values for each in value.split(",") if each.strip()}))


def entity_tag(headers: Iterable[tuple[bytes, bytes]], body: bytes) -> bytes:
    """The response's own ETag, or a strong one made of its body."""
    for name, value in headers:
        if name == b"etag":
            return value
    return b'"%b"' % hashlib.blake2b(body, digest_size=16).hexdigest().encode()


def matches(condition: bytes, tag: bytes) -> bool:
    """Whether If-None-Match names the tag: by the weak comparison, as RFC 9110, 13.1.2, wants it."""
    names = [each.strip() for each in condition.split(b",")]
    return b"*" in names or tag.removeprefix(b"W/") in {each.removeprefix(b"W/") for each in names}


def varied(key: str, vary: Sequence[str], request: Mapping[bytes, bytes]) -> str:
    """The key of the variant that a request asks for."""
    values = [(name, request.get(name.encode("latin-1"), b"")) for name in vary]
    if not values:
        return key
    digest = hashlib.blake2b(msgspec.msgpack.encode(values), digest_size=16).hexdigest()
    return f"{key} {digest}"
