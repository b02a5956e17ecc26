"""Whether something that listens answers HTTP: any status counts."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from ..exceptions import ConfigurationError
from ..redaction import redact_malformed_url

if TYPE_CHECKING:
    from .listening import Listener

__all__ = ["PROBE_SPAN", "Endpoint", "endpoint_of", "server_of"]

PROBE_SPAN = int.from_bytes(b"perfloop")
"""The number that requests for readiness carry, by which they are told from those of clients."""
_TRACEPARENT = f"00-{2 * f'{PROBE_SPAN:016x}'}-{PROBE_SPAN:016x}-00"


# No blanks, control characters or surrogates: they would break the request's framing.
_PLAIN = re.compile(r"[^\s\x00-\x1f\x7f\ud800-\udfff]+")


class Endpoint:
    """Where a service is reached: scheme, and host with port or a unix socket's path; `target` is what is asked for."""

    __slots__ = ("host", "path", "port", "scheme", "target")

    def __init__(self, scheme: str, host: str, port: int, path: str | None, target: str = "/") -> None:
        self.scheme = scheme
        self.host = host
        self.port = port
        self.path = path
        self.target = target

    @property
    def url(self) -> str:
        """Without path or query: `http://127.0.0.1:8000`, `http+unix://%2Ftmp%2Fx.sock`."""
        if self.path is not None:
            return f"{self.scheme}+unix://{quote(self.path, safe='')}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @classmethod
    def of_listener(cls, listener: Listener, scheme: str, target: str) -> Endpoint:
        """How to ask a listening socket."""
        return cls(scheme, listener.host, listener.port, listener.path, target)


def endpoint_of(url: str) -> Endpoint:
    """The endpoint a URL names.

    Raises:
        ConfigurationError: no URL of http, https, http+unix or https+unix with a host.
    """
    wrong = ConfigurationError(
        "Expected a URL such as http://127.0.0.1:8000/health", got=redact_malformed_url(url), where="ready URL"
    )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise wrong from None
    scheme, _, kind = parts.scheme.partition("+")
    if scheme not in ("http", "https") or kind not in ("", "unix") or not parts.netloc or not _PLAIN.fullmatch(url):
        raise wrong
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if kind:
        return Endpoint(scheme, "", 0, unquote(parts.netloc), target)
    return Endpoint(scheme, parts.hostname or "", port or (443 if scheme == "https" else 80), None, target)


async def server_of(endpoint: Endpoint, timeout: float) -> str | None:
    """What answers a GET there with any HTTP status within `timeout` seconds: its `Server` header, empty without one.

    None: nobody does.
    """
    try:
        async with asyncio.timeout(timeout):
            return await _ask(endpoint)
    except (OSError, TimeoutError, ssl.SSLError, asyncio.IncompleteReadError, ValueError):
        return None


async def _ask(endpoint: Endpoint) -> str | None:
    context: ssl.SSLContext | None = None
    if endpoint.scheme == "https":
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    name = endpoint.host or "localhost"
    if endpoint.path is not None:
        reader, writer = await asyncio.open_unix_connection(
            endpoint.path, ssl=context, server_hostname=name if context else None
        )
    else:
        reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port, ssl=context)
    try:
        host = f"[{name}]" if ":" in name else name
        lines = f"GET {endpoint.target} HTTP/1.1", f"Host: {host}:{endpoint.port}", "User-Agent: perfloop"
        more = f"traceparent: {_TRACEPARENT}", "Connection: close", "", ""
        writer.write("\r\n".join([*lines, *more]).encode())
        if await reader.read(5) != b"HTTP/":
            return None
        while (line := await reader.readline()).strip():
            name, _, value = line.decode("latin-1").partition(":")
            if name.lower() == "server":
                return value.strip()
        return ""
    finally:
        writer.close()
        with contextlib.suppress(Exception):
            await writer.wait_closed()
