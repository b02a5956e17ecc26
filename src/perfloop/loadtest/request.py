"""Requests as bytes ready to be written, and the order in which weighted requests are sent."""

from __future__ import annotations

import itertools
import math
import re
from array import array
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from msgspec import Struct

from .._version import __version__
from ..exceptions import InvalidValue
from ..fields import BYTES, NUMBER, PAIRS, TEXT, check_fields
from ..redaction import redact_url

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from numpy.typing import NDArray

    from .target import Target

__all__ = [
    "IDEMPOTENT_METHODS",
    "MOST_SMOOTH",
    "Preparation",
    "PreparedRequest",
    "Request",
    "default_headers",
    "for_ever",
    "prepare",
    "smooth_order",
    "spread_order",
]

IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
"""RFC 9110 §9.2.2: sending one of these twice has the effect of sending it once."""

_TYPES = {"method": TEXT, "target": TEXT, "headers": PAIRS, "body": BYTES, "weight": NUMBER, "label": TEXT}
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET = re.compile(r"(?:/|\*$)[\x21-\x7e]*")
_FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_LONGEST_CYCLE = 100_000
_LONGEST_SPREAD = 1_000_000

MOST_SMOOTH = 64
"""As many weights are interleaved one turn at a time; more are sorted into their order at once."""


class Request(Struct, frozen=True, kw_only=True):
    """One kind of request of a load test.

    `target` is the path with its query. `weight` is relative: 2 is sent twice as often as 1. `label` is what results
    call it, and may be that of many: `GET /items/{id}`; default the method and the target.
    """

    method: str = "GET"
    target: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    weight: float = 1
    label: str | None = None

    def __str__(self) -> str:
        line = self.label or f"{self.method} {self.target}"
        return line if self.weight == 1 else f"{self.weight:.10g}x {line}"

    def validate(self, where: str | None = None) -> None:
        """Check what would otherwise break the request's framing. Messages never show a header's value.

        Raises:
            InvalidValue: a method that is no token, a target with blanks, a header with a line break, a weight that is
                not a positive number, or a header that contradicts the body.
        """
        check_fields(self, _TYPES, optional=("label",))
        if _TOKEN.fullmatch(self.method) is None or self.method == "CONNECT":
            raise InvalidValue("Expected an HTTP method such as GET or POST", got=self.method, where=where)
        if _TARGET.fullmatch(self.target) is None:
            raise InvalidValue("Expected a path such as /orders?page=1", got=redact_url(self.target), where=where)
        for name, value in self.headers:
            if _TOKEN.fullmatch(name) is None:
                raise InvalidValue(
                    "Expected a header name without blanks or line breaks", got=name.partition(":")[0], where=where
                )
            if _FIELD_VALUE.fullmatch(value) is None:
                raise InvalidValue(f"Expected a value of header {name} without line breaks", where=where)
            lowered, hidden = name.lower(), f"{name}: ***"
            if lowered == "transfer-encoding":
                raise InvalidValue("Expected no Transfer-Encoding: the body is sent whole", got=hidden, where=where)
            if lowered == "content-length" and value.strip() != str(len(self.body)):
                raise InvalidValue(f"Expected the body's length, {len(self.body)}, or none", got=hidden, where=where)
            if lowered == "upgrade":
                raise InvalidValue("Expected plain HTTP/1.1: no protocol is switched to", got=hidden, where=where)
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise InvalidValue("Expected a weight above 0", got=self.weight, where=where)


Preparation: TypeAlias = "Callable[[str | None], list[PreparedRequest]]"
"""Makes the requests of a run, given its trace id."""


class PreparedRequest(NamedTuple):
    """A request as it goes over the wire, with what the engine must know of it.

    With tracing, a message is `prefix`, 16 hexadecimal digits, `suffix`; without it, `prefix` is the whole message.
    Where there is a `render`, a message is what that gives for the request's number.
    """

    prefix: bytes
    suffix: bytes
    is_head: bool
    idempotent: bool
    label: str
    """What results call it, without secrets."""
    weight: float = 1
    render: Callable[[int], bytes] | None = None


def prepare(request: Request, target: Target, trace_id: str | None = None) -> PreparedRequest:
    """Serialise a request once, so that sending it costs a single write.

    Args:
        trace_id: 32 hexadecimal digits for a W3C traceparent header; None sends none.
    """
    given = {name.lower() for name, _ in request.headers}
    lines = [f"{name}: {value.strip()}" for name, value in request.headers]
    if "content-length" not in given and (request.body or request.method in ("POST", "PUT", "PATCH")):
        lines.append(f"Content-Length: {len(request.body)}")
    head = f"{request.method} {request.target} HTTP/1.1".encode("latin-1") + default_headers(target, given)
    head += b"".join(f"\r\n{line}".encode("latin-1") for line in lines)
    if trace_id is None:
        prefix, suffix = head + b"\r\n\r\n" + request.body, b""
    else:
        prefix = head + f"\r\ntraceparent: 00-{trace_id}-".encode()
        suffix = b"-01\r\n\r\n" + request.body
    return PreparedRequest(
        prefix,
        suffix,
        request.method == "HEAD",
        request.method in IDEMPOTENT_METHODS,
        redact_url(request.label or f"{request.method} {request.target}"),
        request.weight,
        None if trace_id is None else lambda number: b"%b%016x%b" % (prefix, number, suffix),
    )


def default_headers(target: Target, given: Collection[str]) -> bytes:
    """The lines, each after a line break, of the headers that every request has, without those that are given.

    Args:
        given: names in lower case.
    """
    lines = {"Host": target.host_header, "User-Agent": f"perfloop/{__version__}", "Accept": "*/*"}
    if target.authorization is not None:
        lines["Authorization"] = target.authorization
    return "".join(f"\r\n{name}: {value}" for name, value in lines.items() if name.lower() not in given).encode(
        "latin-1"
    )


def smooth_order(weights: Sequence[float], seed: int = 0) -> Iterator[int]:
    """Indices in proportion to their weights, spread as evenly as can be, for ever.

    Smooth weighted round robin, as nginx balances: each turn every request gains its weight, the one that has gained
    most is sent and pays the sum. Weights 5, 1, 1 give 0 0 1 0 2 0 0. `seed` chooses where in the cycle to start.
    Each turn looks at all weights: more than MOST_SMOOTH of them are spread by `spread_order`.
    """
    if len(weights) == 1:
        return itertools.repeat(0)
    if len(weights) > MOST_SMOOTH:
        return for_ever(spread_order(weights, seed))
    exact = [Fraction(weight).limit_denominator(1000) or Fraction(weight) for weight in weights]
    scale = math.lcm(*(weight.denominator for weight in exact))
    whole = [int(weight * scale) for weight in exact]
    divisor = math.gcd(*whole)
    whole = [weight // divisor for weight in whole]
    if sum(whole) > _LONGEST_CYCLE:
        return itertools.islice(_smooth(list(weights)), seed % 1000, None)
    cycle = list(itertools.islice(_smooth(whole), sum(whole)))
    start = seed % len(cycle)
    return itertools.cycle(cycle[start:] + cycle[:start])


def spread_order(weights: Sequence[float], seed: int = 0) -> NDArray[np.int32]:
    """One cycle of indices in proportion to their weights, each at even distances from a random start.

    A request of weight w has w turns in the cycle. Whole weights are met exactly as long as the cycle has no more than
    a million turns; others are rounded to a cycle of that length, in which each request has one turn at least.
    """
    exact = np.asarray(weights, dtype=np.float64)
    turns = np.rint(exact)
    if not np.array_equal(turns, exact) or turns.sum() > _LONGEST_SPREAD:
        turns = np.rint(exact / exact.sum() * _LONGEST_SPREAD)
    turns = np.maximum(turns, 1).astype(np.int64)
    indices = np.repeat(np.arange(len(turns), dtype=np.int32), turns)
    turn = np.arange(len(indices)) - np.repeat(np.cumsum(turns) - turns, turns)
    starts = np.random.default_rng(seed).random(len(turns))
    return indices[np.argsort((turn + starts[indices]) / turns[indices], kind="stable")]


def for_ever(order: NDArray[np.int32]) -> Iterator[int]:
    """The indices again and again, in four bytes each."""
    return itertools.chain.from_iterable(itertools.repeat(array("i", order.astype(np.intc).tobytes())))


def _smooth(weights: Sequence[float]) -> Iterator[int]:
    total = sum(weights)
    gained = [0.0] * len(weights)
    positions = range(len(weights))
    while True:
        for position in positions:
            gained[position] += weights[position]
        chosen = max(positions, key=gained.__getitem__)
        gained[chosen] -= total
        yield chosen
