"""The HTTP answer to a request that was not let in."""

from __future__ import annotations

import json
import math
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from ...exceptions import CallRejected, CallTimedOut, InvalidValue, RateLimited
from ..deadline import from_header
from ..gate import Gate
from ..settings import positive

if TYPE_CHECKING:
    from typing import Any

    from ...telemetry import Registry

__all__ = ["REJECTIONS", "Admission", "Rejection", "rejection"]

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


class Admission:
    """What both middlewares are set with, and what they count."""

    def __init__(
        self,
        gate: Gate[Any],
        deadline_header: str | None,
        priority_header: str | None,
        timeout: float | None,
        registry: Registry,
    ) -> None:
        if not isinstance(gate, Gate):
            raise InvalidValue("Expected a gate: LoadShedder(), a RateLimiter …", got=gate, where="gate")
        self.gate = gate
        self.deadline_header = _header(deadline_header, "deadline_header")
        self.priority_header = _header(priority_header, "priority_header")
        self._timeout = None if timeout is None else positive(timeout, "timeout")
        self._rejected = registry.counter(
            "perfloop.resilience.http.rejected",
            "Requests that were answered without the application.",
            labels=("name", "status"),
            unit="{request}",
        )

    def seconds(self, header: str | bytes | None) -> float | None:
        """Until the deadline: what the header says, or the timeout if that is sooner; None: there is none."""
        given = None if header is None else from_header(header)
        return min((each for each in (given, self._timeout) if each is not None), default=None)

    def reject(self, error: CallRejected | CallTimedOut) -> Rejection:
        """The answer, counted."""
        answer = rejection(error)
        self._rejected.labels(self.gate.name, str(int(answer.status))).inc()
        return answer


def _header(name: str | None, where: str) -> str | None:
    if name is not None and not (isinstance(name, str) and name):
        raise InvalidValue("Expected a header's name", got=name, where=where)
    return None if name is None else name.lower()
