"""What a load test is asked to do: one frozen object for the API and the command line."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np
from msgspec import Struct, structs

from ..exceptions import InvalidValue
from ..fields import BYTES, FLAG, NUMBER, PAIRS, TEXT, WHOLE, FieldType, check_fields
from ..records import LoadPlan
from ..redaction import redact_url
from .arrivals import SPACINGS, Arrival, Closed, Constant, Poisson, Profile, arrival
from .arrivals.profile import duration_in_words
from .checkpoints import Checkpoints
from .parts import ONLY_PART, Part, PartArrival
from .request import Request, for_ever, smooth_order
from .scenario.document import PythonScenario, Scenario  # noqa: TC001  # a Struct's types are read at run time
from .target import Target
from .thinking import ThinkTime, Users

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from .request import PreparedRequest

__all__ = ["LoadOptions"]

_TYPES = {
    "url": FieldType((str,), "a URL as text", secret=True),
    "requests": FieldType((tuple, list), "Request objects", FieldType((Request,), "a Request"), secret=True),
    "order": FieldType((np.ndarray,), "an array of whole numbers"),
    "method": TEXT,
    "headers": PAIRS,
    "body": BYTES,
    "connections": WHOLE,
    "keep_alive": FLAG,
    "tls_resume": FLAG,
    "http2": FLAG,
    "streams": WHOLE,
    "rate": NUMBER,
    "arrival": TEXT,
    "duration": NUMBER,
    "think_time": FieldType((ThinkTime, *NUMBER.types), "a number of seconds or a ThinkTime"),
    "pacing": NUMBER,
    "request_limit": WHOLE,
    "timeout": NUMBER,
    "insecure": FLAG,
    "expect_status": FieldType((frozenset, set, tuple, list, range), "statuses, such as {200, 404}", WHOLE),
    "seed": WHOLE,
    "trace": FLAG,
    "keep_samples": FLAG,
    "warm_up": FieldType((str, *NUMBER.types), '"auto", "none" or a number of seconds'),
}
_OPTIONAL = ("order", "rate", "duration", "think_time", "pacing", "request_limit", "expect_status")

MOST_CONNECTIONS = 100_000
MOST_STREAMS = 1000
FASTEST = 1_000_000
"""Requests a second that can be asked for."""
MOST_REQUESTS = 10**9
"""That can be due in one run of an open model."""


class LoadOptions(Struct, frozen=True, kw_only=True):
    """One load test.

    Args:
        url: `http://`, `https://`, or `http+unix://%2Ftmp%2Fx.sock/path`.
        requests: what to send, weighted and evenly interleaved; default one request built of the url's path, `method`,
            `headers` and `body`. `headers` are sent with each of `requests` too, unless it has one of that name.
        order: indices of `requests` in the order they are sent, again from the first after the last; None: by weight.
        scenario: what users do, in place of `requests`; see `read_scenario`. `connections` are then users, and `rate`
            and `request_limit` count iterations: journeys, calls of a function.
        connections: the most requests ever in flight, each on a connection of its own. The closed model opens them all
            before it begins; the open model opens one more whenever a request finds none idle.
        keep_alive: use a connection for one request after the other. False: each is sent with `Connection: close` over
            a connection of its own, and opening it is part of its latency.
        tls_resume: begin each TLS connection with the session of an earlier one, as browsers do when they come back.
        http2: speak HTTP/2: over https:// by ALPN, else without asking first. Not for scenarios with users.
        streams: with HTTP/2, the most requests in flight on one connection, so that in all there are `connections`
            times as many.
        rate: requests a second; given, the model is open: a request is due at its time whatever the service does.
            None: each connection sends its next request when the last is answered (closed model).
        profile: a rate that varies, in place of `rate`: `parse_profile("ramp 10..500 30s, constant 500 1m")`.
        arrival: how due times are spaced in the open model.
        precise: send at the microsecond by never sleeping, which takes a whole core; open model only.
        duration: seconds for which requests become due; None runs until `request_limit`. A profile that ends by itself
            lasts as long as it says instead.
        think_time: in the closed model, the pause between a connection's answer and its next request: seconds, or a
            random `ThinkTime`.
        pacing: in the closed model, seconds from the start of a connection's request to when its next is due.
        request_limit: stop after so many requests; None runs for `duration`. With both, whichever comes first.
        timeout: seconds from written to the response's end, after which the request fails; also for connecting, and for
            how much longer than `duration` requests that are already due may still be sent.
        insecure: do not verify the certificate.
        expect_status: statuses that count as success; None: all below 400.
        seed: for the Poisson arrivals and the start of the requests' order.
        trace: send a W3C traceparent header: a random trace id a run, the request's number (from 1) as span id.
        keep_samples: keep every request's times; costs 64 bytes a request.
        part: which part of the run this generator makes, where there are several; see `part_of`.
        warm_up: what finishes in the first seconds is in no figure, but for errors: so many seconds, or "auto" as long
            as a steady run of 3 s or more is clearly slower than its second half, or "none".
    """

    url: str
    requests: tuple[Request, ...] = ()
    order: NDArray[np.int32] | None = None
    scenario: Scenario | PythonScenario | None = None
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    connections: int = 10
    keep_alive: bool = True
    tls_resume: bool = False
    http2: bool = False
    streams: int = 10
    rate: float | None = None
    profile: Profile | None = None
    arrival: Literal["constant", "poisson"] = "constant"
    precise: bool = False
    duration: float | None = 10.0
    think_time: ThinkTime | float | None = None
    pacing: float | None = None
    request_limit: int | None = None
    timeout: float = 10.0
    insecure: bool = False
    expect_status: frozenset[int] | None = None
    seed: int = 0
    trace: bool = False
    keep_samples: bool = False
    part: Part = ONLY_PART
    warm_up: Literal["auto", "none"] | float = "auto"

    def validate(self) -> None:
        """Check every option before anything is opened.

        Raises:
            InvalidValue: names the option, what was expected and what was got.
        """
        check_fields(self, _TYPES, optional=_OPTIONAL)
        self.target()
        if self.scenario is not None and self.requests:
            raise InvalidValue("Expected either requests or a scenario", where="scenario")
        if self.scenario is not None and (self.think_time is not None or self.pacing is not None):
            raise InvalidValue(
                "Expected no think time beside a scenario: its steps say how long users think", where="scenario"
            )
        if not 1 <= self.connections <= MOST_CONNECTIONS:
            raise InvalidValue(
                f"Expected from 1 to {MOST_CONNECTIONS:,} connections", got=self.connections, where="connections"
            )
        if self.http2 and not self.keep_alive:
            raise InvalidValue("Expected no HTTP/2: its connections are made to be kept", where="keep_alive")
        if self.tls_resume and not self.target().tls:
            raise InvalidValue(
                "Expected an https:// URL: without TLS there is no session to resume", where="tls_resume"
            )
        if not 1 <= self.streams <= MOST_STREAMS:
            raise InvalidValue(f"Expected from 1 to {MOST_STREAMS} streams", got=self.streams, where="streams")
        if self.rate is not None:
            _positive(self.rate, "requests a second", "rate")
        if self.profile is not None:
            self._validate_profile(self.profile)
        self._validate_users()
        if self.arrival not in SPACINGS:
            raise InvalidValue(f"Expected one of {', '.join(SPACINGS)}", got=self.arrival, where="arrival")
        if self.lasts is None and self.request_limit is None:
            raise InvalidValue("Expected a duration or a number of requests: the test would never end")
        if self.duration is not None:
            _positive(self.duration, "seconds", "duration")
        if self.request_limit is not None and self.request_limit < 1:
            raise InvalidValue("Expected at least one request", got=self.request_limit, where="requests")
        _positive(self.timeout, "seconds", "timeout")
        self._validate_arrivals()
        self._validate_warm_up()
        if self.seed < 0:
            raise InvalidValue("Expected a seed of 0 or more", got=self.seed, where="seed")
        for status in self.expect_status or ():
            if not 200 <= status <= 599:
                raise InvalidValue("Expected a status code from 200 to 599", got=status, where="expect_status")
        requests = self.effective_requests()
        for request in requests:
            request.validate()
        if self.order is not None:
            _check_order(self.order, len(requests))

    def _validate_arrivals(self) -> None:
        arrivals = self.arrivals()
        if arrivals is None:
            if self.precise:
                raise InvalidValue(
                    "Expected a rate or a profile: only its requests have a time to be sent at", where="precise"
                )
            return
        if arrivals.peak > FASTEST:
            raise InvalidValue(
                f"Expected no more than {FASTEST:,} requests a second",
                got=f"{arrivals.peak:g}",
                where="rate",
                hint="one generator sends about 100,000; more than it can is not sent faster",
            )
        if self.lasts is not None and self.lasts * arrivals.peak > MOST_REQUESTS:
            raise InvalidValue(
                f"Expected no more than {MOST_REQUESTS:,} requests in one run",
                got=f"{self.lasts:g} s",
                where="duration",
            )

    def _validate_profile(self, profile: Profile) -> None:
        if not isinstance(profile, Profile):
            raise InvalidValue(
                "Expected a profile", got=profile, where="profile", hint="parse_profile(text) makes one of text"
            )
        if self.rate is not None:
            raise InvalidValue("Expected a rate or a profile, not both", got=self.rate, where="rate")
        profile.validate()
        if not isinstance(profile, Closed) and not profile.curve().total:
            raise InvalidValue("Expected a profile that makes requests", got=str(profile), where="profile")

    def _validate_users(self) -> None:
        think_time = self.thinking()
        if think_time is not None:
            think_time.validate()
        if self.pacing is not None:
            _positive(self.pacing, "seconds", "pacing")
        pacing = None if self.pacing is None else duration_in_words(self.pacing)
        if think_time is not None and pacing is not None:
            raise InvalidValue("Expected a think time or a pacing, not both", got=pacing, where="pacing")
        for name, got in (("think_time", think_time), ("pacing", pacing)):
            if got is not None and not self.closed:
                raise InvalidValue(
                    f"Expected no {name.replace('_', ' ')} beside a rate or a profile: it belongs to the closed model",
                    got=str(got),
                    where=name,
                    hint="leave out one of the two",
                )

    def _validate_warm_up(self) -> None:
        if self.warm_up in ("auto", "none"):
            return
        if isinstance(self.warm_up, str):
            raise InvalidValue("Expected auto, none or a time", got=self.warm_up, where="warm_up")
        _positive(self.warm_up, "seconds", "warm_up")
        if self.lasts is not None and self.warm_up >= self.lasts:
            raise InvalidValue(
                f"Expected a warm-up shorter than the run of {duration_in_words(self.lasts)}",
                got=duration_in_words(self.warm_up),
                where="warm_up",
            )

    @property
    def steady(self) -> bool:
        """The load is the same all the time: it follows neither a rate that varies nor a recorded order."""
        profile = self.profile.of if isinstance(self.profile, Poisson) else self.profile
        return self.order is None and (profile is None or isinstance(profile, (Closed, Constant)))

    def checkpoints(self) -> Checkpoints | None:
        """Where the warm-up may end; None where none is looked for."""
        if self.warm_up == "none" or (self.warm_up == "auto" and not self.steady):
            return None
        return Checkpoints(None if isinstance(self.warm_up, str) else self.warm_up)

    def thinking(self) -> ThinkTime | None:
        """The think time; None without one."""
        if self.think_time is None or isinstance(self.think_time, ThinkTime):
            return self.think_time
        return ThinkTime(self.think_time)

    @property
    def closed(self) -> bool:
        """The model is closed: no rate is given."""
        return self.rate is None and (self.profile is None or isinstance(self.profile, Closed))

    @property
    def most_in_flight(self) -> int:
        """How many requests can be in flight at once."""
        return self.connections * (self.streams if self.http2 else 1)

    @property
    def lasts(self) -> float | None:
        """Seconds for which requests become due; None when only `request_limit` ends the run."""
        lasts = math.inf if self.profile is None else self.profile.lasts
        return lasts if lasts < math.inf else self.duration

    def users(self) -> Users | None:
        """The users of a closed model who think or keep a pace; None when they do neither."""
        think_time = self.thinking()
        if think_time is None and self.pacing is None:
            return None
        return Users(self.most_in_flight, think_time, self.pacing, self.own_seed, self.part)

    def arrivals(self) -> Arrival | None:
        """When requests are due in the open model; None in the closed one."""
        profile = self.profile if self.rate is None else Constant(self.rate)
        if profile is None or self.closed:
            return None
        whole = arrival(profile, self.arrival, self.seed)
        return whole if self.part.count == 1 else PartArrival(whole, self.part)

    def target(self) -> Target:
        """The parsed `url`.

        Raises:
            InvalidValue: not a URL perfloop can load.
        """
        return Target.parse(self.url, insecure=self.insecure)

    def effective_requests(self) -> tuple[Request, ...]:
        """The requests to send, each with its headers complete."""
        headers = self.common_headers
        if not self.requests:
            path = self.target().path
            return (Request(method=self.method, target=path, headers=headers, body=self.body),)
        if not headers:
            return self.requests
        complete = []
        for request in self.requests:
            own = {name.lower() for name, _ in request.headers}
            shared = tuple(header for header in headers if header[0].lower() not in own)
            complete.append(structs.replace(request, headers=(*shared, *request.headers)))
        return tuple(complete)

    @property
    def common_headers(self) -> tuple[tuple[str, str], ...]:
        """Headers that each request has which says nothing else."""
        if self.keep_alive or any(name.lower() == "connection" for name, _ in self.headers):
            return self.headers
        return (*self.headers, ("Connection", "close"))

    def sending_order(self, requests: Sequence[Request] | Sequence[PreparedRequest]) -> Iterator[int]:
        """Indices of the effective requests in the order they are sent, for ever."""
        if self.order is not None:
            return self.part.of(for_ever(self.order))
        return self.turns([request.weight for request in requests])

    def turns(self, weights: Sequence[float]) -> Iterator[int]:
        """Indices of the weights, in proportion to them, for ever."""
        if self.closed:  # each part at its own speed: taking turns, one could have all of one kind
            return smooth_order(weights, self.own_seed)
        return self.part.of(smooth_order(weights, self.seed))

    @property
    def own_seed(self) -> int:
        """Of what each part of a run draws for itself."""
        return self.seed + self.part.index

    def plan(self) -> LoadPlan:
        """The plan as it stands in a record, secrets in query strings removed."""
        profile = self.profile
        closed, think_time = self.closed, self.thinking()
        if profile is not None and self.arrival == "poisson":
            profile = Poisson(profile)
        lines = map(str, _by_label(self.effective_requests())) if self.scenario is None else self.scenario.lines()
        return LoadPlan(
            model="closed" if closed else "open",
            connections=self.connections,
            streams=self.streams if self.http2 else None,
            keep_alive=self.keep_alive,
            tls_resume=self.tls_resume,
            requests=[redact_url(line) for line in lines],
            scenario=None if self.scenario is None else self.scenario.name,
            rate=self.profile.rate if isinstance(self.profile, Constant) else self.rate,
            profile=None if closed or profile is None else str(profile),
            arrival=None if closed else "poisson" if isinstance(profile, Poisson) else self.arrival,
            duration_seconds=self.lasts,
            think_time=None if think_time is None else str(think_time),
            pacing_seconds=self.pacing,
            request_limit=self.request_limit,
            timeout_seconds=self.timeout,
        )


def _by_label(requests: Sequence[Request]) -> list[Request]:
    """The requests with those of one label as one: a recording has thousands of them."""
    merged: dict[str, Request] = {}
    for number, request in enumerate(requests):
        key = request.label or f"{number}"
        known = merged.get(key)
        merged[key] = request if known is None else structs.replace(known, weight=known.weight + request.weight)
    return list(merged.values())


def _check_order(order: NDArray[np.int32], requests: int) -> None:
    if order.ndim != 1 or not order.size or not np.issubdtype(order.dtype, np.integer):
        raise InvalidValue(
            "Expected one or more whole numbers in a row", got=f"{order.dtype}{order.shape}", where="order"
        )
    if order.min() < 0 or order.max() >= requests:
        raise InvalidValue(
            f"Expected indices of the {requests} requests", got=f"{order.min()} to {order.max()}", where="order"
        )


def _positive(value: float, unit: str, where: str) -> None:
    if not (math.isfinite(value) and value > 0):
        raise InvalidValue(f"Expected a number of {unit} above 0", got=value, where=where)
