"""Who may read a page that a command or a service serves: by the name it was asked for, or by a token. Pure.

On a loopback address the Host header must be an address or a name of this machine: a name of somebody else's that
leads here would let their page read ours (DNS rebinding). On any other address a token is asked for instead, which no
page of theirs has: as `?token=…` once, from then on in a cookie, or as `Authorization: Bearer …`.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import ipaddress
import socket
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qs, urlsplit

from .http_server import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .http_server import Request

__all__ = ["Access", "AddressAccess", "TokenAccess", "is_loopback", "page_headers"]


class Access(Protocol):
    """Who may read a page."""

    def refusal(self, request: Request) -> Response | None:
        """The answer to who may not; None: go on."""


class AddressAccess:
    """Lets those in who asked for an address, or for a name of this machine.

    Args:
        bound: the name or address that is listened on.
    """

    def __init__(self, bound: str) -> None:
        self._bound = bound.lower()

    def refusal(self, request: Request) -> Response | None:
        """The answer to who asked for another name; None: go on."""
        if self._names_us(request.headers.get("host", "")):
            return None
        return Response.text(421, "expected the address that perfloop printed, or localhost")

    def _names_us(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        with contextlib.suppress(ValueError):
            return bool(ipaddress.ip_address(name))
        return name in ("localhost", self._bound, socket.gethostname().lower())


class TokenAccess:
    """Lets those in who have the token.

    Args:
        token: what they have to show.
    """

    def __init__(self, token: str) -> None:
        self._token = token
        # Cookies know no port: two pages of one machine must not take each other's away.
        self._cookie = f"perfloop-{hashlib.sha256(token.encode()).hexdigest()[:12]}"

    def refusal(self, request: Request) -> Response | None:
        """The answer to who has no token, or shows it in the address; None: go on."""
        shown = parse_qs(request.query).get("token", [""])[0]
        if shown and self._is_it(shown):
            # Out of the address, and so out of the history and of what is sent to others.
            cookie = f"{self._cookie}={self._token}; HttpOnly; SameSite=Lax; Path=/"
            place = request.path.rpartition("/")[2] or "./"
            headers = (("Location", place), ("Set-Cookie", cookie), ("Cache-Control", "no-store"))
            return Response.text(303, "go on without the token in the address", *headers)
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_it(given.strip()):
            return None
        if self._is_it(_cookie(request.headers, self._cookie)):
            return None
        return Response.text(
            401,
            "expected the token: open the address that perfloop printed, to its end",
            ("WWW-Authenticate", "Bearer"),
        )

    def _is_it(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._token.encode())


def _cookie(headers: Mapping[str, str], name: str) -> str:
    with contextlib.suppress(CookieError):
        morsel = SimpleCookie(headers.get("cookie", "")).get(name)
        return morsel.value if morsel is not None else ""
    return ""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on the address."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host.lower() == "localhost"


def page_headers(policy: str) -> tuple[tuple[str, str], ...]:
    """The headers that a page and what it reads are sent with.

    Args:
        policy: the page's content security policy.
    """
    return (
        ("Content-Security-Policy", policy),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Cache-Control", "no-store"),
    )
