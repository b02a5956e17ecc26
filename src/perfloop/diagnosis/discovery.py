"""What to ask a service nobody described: the parameterless GETs of its OpenAPI page, else its front page."""

from __future__ import annotations

import http.client
import socket
import ssl
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from ..loadtest import Request

__all__ = ["discover_requests", "parameterless_gets"]

_LARGEST_PAGE = 10_000_000
_MOST_REQUESTS = 20
# They describe the service, they are not what it is for.
_DOCUMENTATION = ("/openapi.json", "/docs", "/redoc", "/docs/oauth2-redirect")


def discover_requests(url: str, *, timeout: float = 5.0) -> tuple[tuple[Request, ...], str]:
    """The requests to send, and in words where they come from. Blocks: call it off the event loop.

    Args:
        url: of the service, without a path: http, https or http+unix.
        timeout: seconds to wait for its OpenAPI page.
    """
    page = _get_json(url, "/openapi.json", timeout)
    found = parameterless_gets(page) if page is not None else ()
    if found:
        many = f"{len(found)} parameterless GETs" if len(found) > 1 else "one parameterless GET"
        return found, f"the {many} of its OpenAPI page"
    return (Request(target="/"),), "GET /, as it has no OpenAPI page with parameterless GETs"


def parameterless_gets(page: Any) -> tuple[Request, ...]:
    """A GET for each path of an OpenAPI page that needs no parameter and no body; at most 20."""
    paths = page.get("paths") if isinstance(page, dict) else None
    if not isinstance(paths, dict):
        return ()
    found = []
    for path, item in paths.items():
        if not isinstance(item, dict) or not isinstance(item.get("get"), dict):
            continue
        operation = item["get"]
        parameters = [*_list(item.get("parameters")), *_list(operation.get("parameters"))]
        needed = any(not isinstance(each, dict) or "$ref" in each or each.get("required") for each in parameters)
        if needed or "{" in path or not path.startswith("/") or path in _DOCUMENTATION or operation.get("deprecated"):
            continue
        if operation.get("security"):
            continue
        found.append(Request(target=path))
    return tuple(found[:_MOST_REQUESTS])


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _get_json(url: str, path: str, timeout: float) -> Any:
    """The decoded page; None when there is none."""
    connection = _connection(url, timeout)
    try:
        connection.request("GET", path, headers={"Accept": "application/json", "Connection": "close"})
        response = connection.getresponse()
        body = response.read(_LARGEST_PAGE)
        return msgspec.json.decode(body) if response.status == 200 else None
    except (OSError, http.client.HTTPException, msgspec.DecodeError, UnicodeDecodeError):
        # Whatever answers otherwise has no OpenAPI page.
        return None
    finally:
        connection.close()


def _connection(url: str, timeout: float) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    scheme, _, kind = parts.scheme.partition("+")
    if kind == "unix":
        return _UnixConnection(unquote(parts.netloc), timeout)
    host = parts.hostname or "127.0.0.1"
    if scheme == "https":
        # The service runs on this machine, under whatever certificate it has.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection(host, parts.port, timeout=timeout, context=context)
    return http.client.HTTPConnection(host, parts.port, timeout=timeout)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
