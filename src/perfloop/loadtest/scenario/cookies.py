"""The cookies of one user: set by responses, sent with the requests they are for.

The standard library reads Set-Cookie; whom a cookie goes to is decided here, simply: all requests of a load test go to
one host, so a cookie for another domain is dropped, and the path decides.
"""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["CookieJar"]


class CookieJar:
    """Cookies by name and path. Truthy when it holds any.

    Args:
        host: of the target.
        secure: the target is spoken to over TLS; without it, cookies marked Secure are not sent.
    """

    __slots__ = ("_host", "_secure", "kept")

    def __init__(self, host: str, *, secure: bool = False) -> None:
        self._host = host.lower()
        self._secure = secure
        self.kept: dict[tuple[str, str], str] = {}

    def __len__(self) -> int:
        return len(self.kept)

    def clear(self) -> None:
        """Forget all."""
        self.kept.clear()

    def set(self, name: str, value: str, path: str = "/") -> None:
        """Add a cookie, or replace the one of that name and path."""
        self.kept[name, path] = value

    def values(self, path: str = "/") -> dict[str, str]:
        """Names and values of the cookies that go to a path."""
        fitting = sorted((key for key in self.kept if _covers(key[1], path)), key=lambda key: len(key[1]))
        return {name: self.kept[name, scope] for name, scope in fitting}

    def header(self, path: str) -> bytes:
        """The value of the Cookie header for a request's path; empty when none goes there."""
        return "; ".join(f"{name}={value}" for name, value in self.values(path).items()).encode("latin-1", "replace")

    def take(self, lines: Iterable[str], path: str) -> int:
        """Take the Set-Cookie headers of the response to a request of that path; how many could not be read."""
        unread = 0
        for line in lines:
            parsed: SimpleCookie = SimpleCookie()
            try:
                parsed.load(line)
            except CookieError:
                parsed.clear()
            unread += not parsed
            for name, morsel in parsed.items():
                domain = morsel["domain"].lstrip(".").lower()
                if domain and not (self._host == domain or self._host.endswith(f".{domain}")):
                    continue
                if morsel["secure"] and not self._secure:
                    continue
                scope = morsel["path"] if morsel["path"].startswith("/") else _directory(path)
                if _expired(morsel["max-age"], morsel["expires"]):
                    self.kept.pop((name, scope), None)
                else:
                    self.kept[name, scope] = morsel.coded_value
        return unread


def _directory(path: str) -> str:
    """RFC 6265 §5.1.4: the default path of a cookie."""
    path = path.partition("?")[0]
    return path[: path.rfind("/")] or "/"


def _covers(scope: str, path: str) -> bool:
    """RFC 6265 §5.1.4: path match."""
    path = path.partition("?")[0]
    return path == scope or (path.startswith(scope) and (scope.endswith("/") or path[len(scope)] == "/"))


def _expired(max_age: str, expires: str) -> bool:
    if max_age:
        try:
            return int(max_age) <= 0
        except ValueError:
            return False
    if expires:
        try:
            return parsedate_to_datetime(expires).timestamp() <= time.time()
        except (ValueError, OverflowError):
            return False
    return False
