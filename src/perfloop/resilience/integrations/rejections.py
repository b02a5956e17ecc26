"""What the middlewares of ASGI and WSGI share: their settings, and the answer to a request that was not let in."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from ...exceptions import CallRejected, CallTimedOut, InvalidValue, RateLimited
from ...telemetry import DEFAULT_REGISTRY
from ..deadline import TIMEOUT_HEADER, from_header
from ..gate import Gate
from ..settings import positive
from ..shedding import LoadShedder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...telemetry import Registry

__all__ = ["REJECTIONS", "AdmittingMiddleware", "Rejection", "rejection"]

Application = TypeVar("Application")
REJECTIONS = (CallRejected, CallTimedOut)
"""What is answered, rather than passed on as an error."""


class Rejection(NamedTuple):
    """Status, headers and body (`application/problem+json`, RFC 9457)."""

    status: HTTPStatus
    headers: list[tuple[str, str]]
    body: bytes


def rejection(error: CallRejected | CallTimedOut) -> Rejection:
    """The answer that tells of the error, with nothing in it but its kind: names of parts are nobody's business.

    429 for a rate limit, 504 for a deadline that is over, 503 for the rest.
    """
    status, after = HTTPStatus.SERVICE_UNAVAILABLE, None
    if isinstance(error, CallRejected):
        after = error.retry_after
        if isinstance(error, RateLimited):
            status = HTTPStatus.TOO_MANY_REQUESTS
    else:
        status = HTTPStatus.GATEWAY_TIMEOUT
    problem = {"type": "about:blank", "title": status.phrase, "status": int(status), "code": error.slug}
    body = json.dumps(problem).encode()
    headers = [
        ("content-type", "application/problem+json"),
        ("content-length", str(len(body))),
        ("cache-control", "no-store"),
    ]
    if after is not None and math.isfinite(after):
        headers.append(("retry-after", str(max(1, math.ceil(after)))))
    return Rejection(status, headers, body)


class AdmittingMiddleware(ABC, Generic[Application]):
    """How both middlewares are set, and what they count."""

    def __init__(
        self,
        app: Application,
        *,
        gate: Gate[Any] | None = None,
        exempt: Callable[[Mapping[str, Any]], bool] | None = None,
        priority: Callable[[Mapping[str, Any]], int] | None = None,
        priority_header: str | None = None,
        deadline_header: str | None = TIMEOUT_HEADER,
        timeout: float | None = None,
        registry: Registry = DEFAULT_REGISTRY,
    ) -> None:
        """Wrap `app`.

        Args:
            app: the application.
            gate: lets requests in; `LoadShedder(name="http")` unless given.
            exempt: tells from an ASGI scope, or a WSGI environment, which requests pass untouched: health checks, and
                streams that last for ever, as server-sent events do, which would keep their places.
            priority: tells from such how important a request is, a Criticality.
            priority_header: a header that tells it: `critical+`, `critical`, `sheddable+`, `sheddable`. Only where
                those who ask are trusted: else all are critical. It counts for less than `priority`.
            deadline_header: a header with the milliseconds that the caller still waits; None: no header.
            timeout: seconds until the deadline of requests that bring none, or a later one.
            registry: where rejections are counted.

        Raises:
            InvalidValue: a gate that is none, a timeout that is not positive, a header without a name.
        """
        self.app = app
        self._gate = LoadShedder(name="http", registry=registry) if gate is None else gate
        if not isinstance(self._gate, Gate):
            raise InvalidValue("Expected a gate: LoadShedder(), a RateLimiter …", got=gate, where="gate")
        self._exempt = exempt
        self._priority = priority
        self._deadline_header = self._header(deadline_header, "deadline_header")
        self._priority_header = self._header(priority_header, "priority_header")
        self._timeout = None if timeout is None else positive(timeout, "timeout")
        self._rejected = registry.counter(
            "perfloop.resilience.http.rejected",
            "Requests that were answered without the application.",
            labels=("name", "status"),
            unit="{request}",
        )

    @staticmethod
    @abstractmethod
    def _key(header: str) -> Any:
        """What requests have the header under, whose name is in lower case."""

    def _header(self, name: str | None, where: str) -> Any:
        if name is not None and not (isinstance(name, str) and name):
            raise InvalidValue("Expected a header's name", got=name, where=where)
        return None if name is None else self._key(name.lower())

    def _seconds(self, header: str | bytes | None) -> float | None:
        """Until the deadline: what the header says, or the timeout if that is sooner; None: there is none."""
        given = None if header is None else from_header(header)
        return min((each for each in (given, self._timeout) if each is not None), default=None)

    def _rejection(self, error: CallRejected | CallTimedOut) -> Rejection:
        """The answer, counted."""
        answer = rejection(error)
        self._rejected.labels(self._gate.name, str(int(answer.status))).inc()
        return answer
