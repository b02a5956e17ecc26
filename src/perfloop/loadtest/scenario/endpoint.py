"""The requests a scenario sends, each known by its template: one label, however many paths it becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...exceptions import InvalidValue
from ...records import redact_url
from ..request import IDEMPOTENT_METHODS, PreparedRequest, Request, default_headers
from .template import BytesTemplate, parse, path_template

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..target import Target

__all__ = ["MOST_ENDPOINTS", "Endpoint", "Endpoints"]

MOST_ENDPOINTS = 1000
"""A scenario whose paths are no templates would have one for each path: those beyond are counted together."""
_WITH_LENGTH = ("POST", "PUT", "PATCH")


class Endpoint:
    """One request by its template. `index` is that of its label."""

    __slots__ = ("_endpoints", "has_length", "index", "is_head", "label", "method", "path", "placeholders", "render")

    def __init__(self, endpoints: Endpoints, index: int, method: str, path: BytesTemplate, label: str) -> None:
        self._endpoints = endpoints
        self.index = index
        self.method = method.encode()
        self.path = path
        self.label = label
        self.is_head = method == "HEAD"
        self.has_length = method in _WITH_LENGTH
        self.placeholders = len(path.names)
        self.render = path.within(self.method + b" ", b" HTTP/1.1" + endpoints.defaults + b"\r\n\r\n").render
        """Makes the message of a request without a body and headers of its own: one formatting operation."""

    def defaults(self, headers: Mapping[str, str] | None = None) -> bytes:
        """The lines of the headers that every request has, without those given."""
        if not headers:
            return self._endpoints.defaults
        return self._endpoints.defaults_without(frozenset(name.lower() for name in headers))


class Endpoints:
    """All requests of one run.

    Args:
        headers: of each request that has none of that name.
    """

    def __init__(self, target: Target, headers: tuple[tuple[str, str], ...]) -> None:
        self.prepared: list[PreparedRequest] = []
        """As the engine knows them: no message, but the label and what may be done with it."""
        self.labels: list[str] = []
        self.target = target
        self._headers = headers
        self._known: dict[tuple[str, str], Endpoint] = {}
        self._defaults: dict[frozenset[str], bytes] = {}
        self.defaults = self.defaults_without(frozenset())

    def add(self, label: str, method: str) -> int:
        """The index of a label; steps of the same name share it."""
        if label not in self.labels:
            self.prepared.append(PreparedRequest(b"", b"", method == "HEAD", method in IDEMPOTENT_METHODS, label))
            self.labels.append(label)
        return self.labels.index(label)

    def of(self, method: str, path: str) -> Endpoint:
        """The endpoint of a method and a path's template.

        Raises:
            InvalidValue: one that HTTP does not allow.
        """
        try:
            return self._known[method, path]
        except KeyError:
            return self._new(method, path)

    def of_session(self, kind: str, path: str, step: str) -> Endpoint:
        """The endpoint of a step of a session, which begins with GET: `WS /chat/{room} connect`."""
        try:
            return self._known[f"{kind} {step}", path]
        except KeyError:
            return self._new("GET", path, kind, step)

    def _new(self, method: str, path: str, kind: str = "", step: str = "") -> Endpoint:
        template = path_template(path, parse(path))
        key = f"{kind} {step}" if kind else method, path
        if len(self._known) >= MOST_ENDPOINTS:
            key = key[0], "(further paths)"
        if key in self._known:
            known = self._known[key]
            return Endpoint(self, known.index, method, template, known.label)
        Request(method=method).validate()
        label = f"{redact_url(f'{kind or method} {key[1]}')} {step}".rstrip()
        self._known[key] = endpoint = Endpoint(self, self.add(label, method), method, template, label)
        return endpoint

    def defaults_without(self, given: frozenset[str]) -> bytes:
        """The lines of the headers that every request has, without those of the names given in lower case."""
        if given not in self._defaults:
            if len(self._defaults) > MOST_ENDPOINTS:
                self._defaults.clear()
            own = "".join(f"\r\n{name}: {value}" for name, value in self._headers if name.lower() not in given)
            names = given | {name.lower() for name, _ in self._headers}
            self._defaults[given] = default_headers(self.target, names) + own.encode("latin-1")
        return self._defaults[given]

    def lines(self, headers: Mapping[str, str]) -> bytes:
        """Header lines, each after a line break.

        Raises:
            InvalidValue: a name or value that would break the request.
        """
        pairs = tuple(headers.items())
        if any(name.lower() == "content-length" for name, _ in pairs):
            raise InvalidValue("Expected no Content-Length: perfloop counts the body")
        Request(headers=pairs).validate()
        return "".join(f"\r\n{name}: {value}" for name, value in pairs).encode("latin-1")
