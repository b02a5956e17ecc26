"""Where a load test goes: scheme, address and path, out of a URL."""

from __future__ import annotations

import base64
import re
from urllib.parse import quote, unquote, urlsplit

from msgspec import Struct

from ..exceptions import InvalidValue
from ..redaction import redact_malformed_url

__all__ = ["Target"]

_DEFAULT_PORTS = {"http": 80, "https": 443, "http+unix": 0}
_SAFE_IN_TARGET = "/%:=&?~+!$,;'@()*[]|{}^\"<>`\\"  # what is ASCII and printable goes as the user wrote it
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_HARMLESS = ("Port out of range 0-65535", "Invalid IPv6 URL")
_LONGEST_LABEL, _LONGEST_HOST = 63, 253  # RFC 1035 §2.3.4


class Target(Struct, frozen=True, kw_only=True):
    """The service a load test talks to.

    `path` is the origin form of the request target, with its query. `unix_path` is set for `http+unix` only, where
    `host` is `localhost`. `authorization` holds the value of the Authorization header for a URL with user and
    password; it is never part of a record.
    """

    scheme: str
    host: str
    port: int
    path: str = "/"
    unix_path: str | None = None
    verify_tls: bool = True
    authorization: str | None = None

    @classmethod
    def parse(cls, url: str, *, insecure: bool = False) -> Target:
        """The target in `http://…`, `https://…` or `http+unix://%2Frun%2Fapp.sock/path`.

        Raises:
            InvalidValue: unknown scheme, no host, or a bad port.
        """
        # A URL that does not parse may hold a password anywhere; so may the words of Python's own errors about it.
        shown = redact_malformed_url(url)
        if _CONTROL.search(url):
            raise InvalidValue("Expected a URL without control characters and bytes that are no UTF-8", got=shown)
        try:
            parts = urlsplit(url.strip())
            port = parts.port
        except ValueError as error:
            reason = str(error) if str(error) in _HARMLESS else "its host or port cannot be read"
            raise InvalidValue(f"Expected a URL: {reason}", got=shown) from None
        scheme = parts.scheme.lower()
        if scheme not in _DEFAULT_PORTS or not url.strip().lower().startswith(f"{scheme}://"):
            raise InvalidValue(
                "Expected a URL of scheme http, https or http+unix",
                got=shown,
                hint="write http://localhost:8000/path, or http+unix://%2Frun%2Fapp.sock/path for a unix socket",
            )
        path = _origin_form(parts.path, parts.query)
        if scheme == "http+unix":
            socket_path = unquote(parts.netloc)
            if not socket_path.startswith("/"):
                raise InvalidValue(
                    "Expected the socket's absolute path, percent-encoded, after http+unix://",
                    got=shown,
                    hint="for example http+unix://%2Frun%2Fapp.sock/path",
                )
            return cls(scheme=scheme, host="localhost", port=0, path=path, unix_path=socket_path)
        if not parts.hostname:
            raise InvalidValue("Expected a URL with a host", got=shown, hint="for example http://localhost:8000/")
        if port == 0:
            raise InvalidValue("Expected a port from 1 to 65535", got=shown)
        authorization = None
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            authorization = f"Basic {base64.b64encode(pair).decode()}"
        try:
            host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode()
        except UnicodeError:
            host = ""
        labels = host.removesuffix(".").split(".")
        if not all(0 < len(label) <= _LONGEST_LABEL for label in labels) or len(host) > _LONGEST_HOST:
            raise InvalidValue(
                f"Expected a host name whose parts between dots have 1 to {_LONGEST_LABEL} characters", got=shown
            )
        return cls(
            scheme=scheme,
            host=host,
            port=port or _DEFAULT_PORTS[scheme],
            path=path,
            verify_tls=not insecure,
            authorization=authorization,
        )

    @property
    def tls(self) -> bool:
        """The connection is encrypted."""
        return self.scheme == "https"

    @property
    def host_header(self) -> str:
        """The Host header: brackets round IPv6, the port where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def address(self) -> str:
        """Where connections go, for messages: `127.0.0.1:8000`, `[::1]:80` or the socket's path."""
        if self.unix_path is not None:
            return self.unix_path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _origin_form(path: str, query: str) -> str:
    target = quote(path or "/", safe=_SAFE_IN_TARGET)
    return f"{target}?{quote(query, safe=_SAFE_IN_TARGET)}" if query else target
