"""What all records share, and the records of load tests, diagnoses and comparisons."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from typing import Literal

from msgspec import Struct, field

from .._version import __version__
from .counting import ServerCount  # noqa: TC001  # a Struct's types are read at run time

__all__ = [
    "SCHEMA_VERSION",
    "CohortBreakdown",
    "ComparisonRecord",
    "CurvePoint",
    "DiagnosisRecord",
    "EndpointResult",
    "Environment",
    "ErrorKind",
    "Figures",
    "Finding",
    "GroupResult",
    "Interval",
    "LoadPlan",
    "LoadRecord",
    "LoadResults",
    "LoadSummary",
    "MetricComparison",
    "PhaseTime",
    "Place",
    "Predicted",
    "Record",
    "RecordingFidelity",
    "RouteBreakdown",
    "RouteGain",
    "SeriesPoint",
    "ServiceDescription",
    "SlowRequest",
    "StatementSummary",
    "TargetResult",
    "Threshold",
    "WorkerResult",
    "current_environment",
]

SCHEMA_VERSION = 1

# Low, estimate, high.
Interval = tuple[float, float, float]


class Environment(Struct, frozen=True, kw_only=True):
    """The machine and interpreter a record was measured on."""

    python: str
    implementation: str
    system: str
    machine: str
    cpu_count: int
    memory_bytes: int | None = None


class Figures(Struct, frozen=True, kw_only=True):
    """The summary of one distribution, in the unit of the field that holds it. All zero without samples."""

    mean: float = 0.0
    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    p999: float = 0.0
    max: float = 0.0


class LoadPlan(Struct, frozen=True, kw_only=True):
    """What the load test was asked to do."""

    model: Literal["open", "closed"]
    connections: int
    requests: list[str]
    """`GET /orders?page=1`, with a leading weight such as `2x ` where it is not 1; of a scenario, what is taken."""
    scenario: str | None = None
    """The scenario's name; with one of journeys or in Python, `rate` and `request_limit` count iterations."""
    keep_alive: bool = True
    """A connection is used again; else each request has one of its own."""
    tls_resume: bool = False
    """TLS connections begin with the session of an earlier one."""
    streams: int | None = None
    """Over HTTP/2: the most requests in flight on one connection; None over HTTP/1.1."""
    rate: float | None = None
    profile: str | None = None
    """Where the rate varies: `ramp 10..500 30s, constant 500 1m`, as `--profile` takes it."""
    arrival: Literal["constant", "poisson"] | None = None
    duration_seconds: float | None = None
    think_time: str | None = None
    """Between a connection's answer and its next request (closed model): `1s`, `0.5s..2s`, `exponential 1s`."""
    pacing_seconds: float | None = None
    """From the start of a connection's request to when its next is due (closed model)."""
    request_limit: int | None = None
    timeout_seconds: float = 10.0


class ErrorKind(Struct, frozen=True, kw_only=True):
    """One way requests failed, or what else happened, with how often and one example in words."""

    kind: str
    count: int
    example: str


class SeriesPoint(Struct, frozen=True, kw_only=True):
    """One second of a run, by the moment requests finished. Latencies are None in a second where none did."""

    second: int
    requests: int
    errors: int
    bytes_received: int
    in_flight: int
    p50_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None
    warm_up: bool = False
    """The second lies in the warm-up, or began in it."""


class LoadSummary(Struct, frozen=True, kw_only=True):
    """The result of a load test in one object.

    `latency_ms` counts from the moment a request was due (open model) or its connection was free (closed model);
    `service_time_ms` from written to the last byte; `queue_ms` from due to a connection free: the service's fault;
    `send_lag_ms` from due, with a connection free, to written: the generator's own fault. Of the warm-up only the
    errors are in it.
    """

    requests: int
    errors: int
    """Of the whole run, warm-up included."""
    rate: float
    """Finished requests a second over `elapsed_seconds`."""
    elapsed_seconds: float
    bytes_received: int
    bytes_per_second: float
    latency_ms: Figures
    service_time_ms: Figures
    queue_ms: Figures
    send_lag_ms: Figures
    generator_cpu_seconds: float
    trustworthy: bool
    reasons: list[str] = field(default_factory=list)
    warm_up_seconds: float = 0.0
    """For so long from the start what finished is not counted, but for errors."""
    warm_up_requests: int = 0
    warm_up_errors: int = 0
    """Those of `errors` that happened then."""

    @property
    def all_requests(self) -> int:
        """Finished requests, warm-up included."""
        return self.requests + self.warm_up_requests

    @property
    def succeeded(self) -> int:
        """Of `requests`, those without an error."""
        return self.requests - (self.errors - self.warm_up_errors)

    @property
    def error_share(self) -> float:
        """The errors as a share of all requests; 0 without requests."""
        return self.errors / max(self.all_requests, 1)

    @property
    def run_seconds(self) -> float:
        """How long the run was, warm-up included."""
        return self.warm_up_seconds + self.elapsed_seconds


class SlowRequest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of the slowest requests of a run that sent a traceparent header: what to look up in the service's traces."""

    trace_id: str
    span_id: str
    """16 hexadecimal digits: the number of the request in the run, from 1."""
    request: str
    due_seconds: float
    """When it was due, from the start of the run."""
    latency_ms: float
    queue_ms: float | None = None
    """Of the latency, what it waited for a free connection; None when it never got one."""
    status: int | None = None
    """None when it was given up."""
    parts_ms: dict[str, float] = {}
    """Where the time went, as the agent saw it; they sum to the latency. Empty where there was no agent."""


class GroupResult(Struct, frozen=True, kw_only=True):
    """A journey or a named group of a scenario: how often it was gone through, and how long that took."""

    name: str
    count: int
    """Those that came to their end."""
    failed: int
    time_ms: Figures


class EndpointResult(Struct, frozen=True, kw_only=True):
    """What one endpoint of several answered: those with one label count together."""

    label: str
    """`GET /items/{id}`"""
    requests: int
    errors: int
    """Transport failures, statuses that are none of success, and responses that a scenario finds wrong."""
    rate: float
    latency_ms: Figures


class PhaseTime(Struct, frozen=True, kw_only=True):
    """How long one phase took: of opening a connection (`dns`, `connect`, `tls`), or of an answered request."""

    name: Literal["dns", "connect", "tls", "first_byte", "body"]
    """`first_byte`: from written to the response's first byte; `body`: from there to its last."""
    count: int
    time_ms: Figures


class WorkerResult(Struct, frozen=True, kw_only=True):
    """What one of several load generators did."""

    name: str
    requests: int
    errors: int
    cpu_seconds: float | None
    """None of one that was lost."""
    send_lag_p99_ms: float
    clock_offset_ms: float
    """How far its machine's monotonic clock is ahead; 0 on this machine."""
    clock_error_ms: float
    """By how much that may be wrong: its requests were due so much earlier or later than planned."""
    lost: str | None = None
    """When and how it was lost; its requests until then are in the figures."""
    reasons: list[str] = field(default_factory=list)
    """Why its measurement cannot be trusted."""


class LoadResults(Struct, frozen=True, kw_only=True):
    """Everything one run of the load engine produced, besides its summary."""

    statuses: dict[str, int]
    error_kinds: list[ErrorKind]
    series: list[SeriesPoint]
    latency_histogram: str
    """HdrHistogram V2 compressed, base64, in microseconds."""
    service_time_histogram: str
    slowest: list[SlowRequest] = field(default_factory=list)
    """The slowest requests, slowest first, of a run that sent a traceparent header."""
    endpoints: list[EndpointResult] = field(default_factory=list)
    """Where there are several: each that was requested, the most requested first."""
    groups: list[GroupResult] = field(default_factory=list)
    """Of a scenario with journeys or groups; time from the start, with think time."""
    phases: list[PhaseTime] = field(default_factory=list)
    """What there was of the phases, in the order they come in."""
    events: list[ErrorKind] = field(default_factory=list)
    """What happened to connections and users and is no failed request."""
    workers: list[WorkerResult] = field(default_factory=list)
    """Where there were several generators."""


class RecordingFidelity(Struct, frozen=True, kw_only=True):
    """How far the load was from the file it was imported from: a recording, or a description of the service."""

    format: str
    """`curl`, `har`, `openapi` or `access-log`."""
    recorded: int
    """Requests in the file."""
    sent: int
    mix_distance: float | None
    """The share of sent requests that would have to go to other endpoints for the recorded mix, 0 to 1; None: nothing
    was sent."""
    skipped: dict[str, int] = field(default_factory=dict)
    """Requests of the file that could not be sent, by the reason."""
    skipped_share: float = 0.0
    speed: float | None = None
    """How many times faster than recorded; None: the recorded times were not replayed."""
    arrival_error_p99_ms: float | None = None
    """99th percentile of the time between the planned and the real moment of sending."""
    notes: list[str] = field(default_factory=list)


class Threshold(Struct, frozen=True, kw_only=True):
    """One `--fail-if`, with the value measured and whether it holds (`failed` makes exit status 1)."""

    expression: str
    measured: float | None
    unit: str
    failed: bool


class TargetResult(Struct, frozen=True, kw_only=True):
    """One performance target and whether the service met it."""

    name: str
    target: float
    measured: float | None
    unit: str
    outcome: Literal["met", "missed", "not measured"]
    why: str | None = None
    configured: bool = True
    """False: a default of the guide that nobody set."""


class Place(Struct, frozen=True, kw_only=True):
    """A line of the user's code. `file` is relative to the working directory where it lies below it."""

    file: str
    line: int
    function: str
    source: str | None = None
    """The line itself, without its indentation, where the file could be read."""


class ServiceDescription(Struct, frozen=True, kw_only=True):
    """The service under diagnosis."""

    command: list[str]
    url: str
    python: str | None
    frameworks: list[str]
    processes: int
    startup_seconds: float


class CurvePoint(Struct, frozen=True, kw_only=True):
    """One step of the load curve: so many requests in flight gave this throughput and latency."""

    in_flight: int
    rate: float
    p50_ms: float
    p99_ms: float


class CohortBreakdown(Struct, frozen=True, kw_only=True):
    """Where the time of one group of requests went: mean milliseconds a part; they sum to `mean_ms`."""

    requests: int
    mean_ms: float
    parts_ms: dict[str, float]


class StatementSummary(Struct, frozen=True, kw_only=True):
    """One statement fingerprint as one route issues it."""

    sql: str
    calls: int
    per_request: float
    mean_ms: float
    total_ms: float
    rows_per_call: float
    place: Place | None = None


class RouteBreakdown(Struct, frozen=True, kw_only=True):
    """One route's latency breakdown, for all requests and for the slowest 1 %."""

    route: str
    requests: int
    latency_ms: Figures
    typical: CohortBreakdown
    slowest: CohortBreakdown
    unaccounted_p95: float
    """95th percentile over requests of the unaccounted share of the time in the service."""
    statements: list[StatementSummary]


class Predicted(Struct, frozen=True, kw_only=True):
    """What the service would measure after the fix, each as (low, estimate, high)."""

    p50_ms: Interval
    p99_ms: Interval
    capacity_rps: Interval


class RouteGain(Struct, frozen=True, kw_only=True):
    """What another route would measure after the fix, each as (low, estimate, high)."""

    route: str
    p50_ms: Interval
    p99_ms: Interval


class Finding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One bottleneck: what it is, where, the proof, the fix, what the fix costs and what it gains."""

    rule: str
    title: str
    route: str
    place: Place
    evidence: str
    fix: str
    cost: str
    predicted: Predicted
    share_of_p99: float
    """Part of the route's p99 that the fix removes, 0 to 1."""
    share_of_time: float
    """Part of the service's whole time that the fix removes, 0 to 1: findings are ranked by it."""
    measures: dict[str, float | str] = {}
    """The figures of the evidence, for machines: statement, statements_per_request, …"""
    loop: Place | None = None
    others: list[RouteGain] = []
    """Other routes that wait less after the fix, the one that gains most first."""


class MetricComparison(Struct, frozen=True, kw_only=True):
    """One metric of A against B. `ratio` is B ÷ A (low, estimate, high); the interval has the stated confidence."""

    metric: str
    unit: str
    a: float
    b: float
    ratio: Interval | None
    verdict: Literal["faster", "slower", "no difference", "not enough data"]


class Record(Struct, frozen=True, kw_only=True, tag_field="kind"):
    """What all records share."""

    schema_version: int = SCHEMA_VERSION
    perfloop: str = __version__
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    environment: Environment
    command: list[str] = field(default_factory=list)
    partial: bool = False
    """True when the run was interrupted: the figures cover what was measured until then."""


class LoadRecord(Record, frozen=True, kw_only=True, tag="load"):
    """The record of `perfloop load`."""

    target: str
    plan: LoadPlan
    summary: LoadSummary
    results: LoadResults
    thresholds: list[Threshold] = field(default_factory=list)
    targets: list[TargetResult] = field(default_factory=list)
    fidelity: RecordingFidelity | None = None
    """How far the load was from the file it was imported from; None when it was not imported."""
    server_count: ServerCount | None = None
    """What the server counted; None when it was not asked."""


class DiagnosisRecord(Record, frozen=True, kw_only=True, tag="diagnosis"):
    """The record of `perfloop diagnose`. `summary` and `results` are those of the judged open run."""

    service: ServiceDescription
    plan: LoadPlan
    curve: list[CurvePoint]
    capacity_rps: float
    summary: LoadSummary
    results: LoadResults
    routes: list[RouteBreakdown]
    findings: list[Finding]
    targets: list[TargetResult] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What the reader must know: what was not measured, dropped or assumed."""


class ComparisonRecord(Record, frozen=True, kw_only=True, tag="comparison"):
    """The record of `perfloop compare`."""

    a: str
    b: str
    runs: int
    confidence: float
    metrics: list[MetricComparison]
    verdict: Literal["faster", "slower", "no difference", "not enough data"]
    """B against A, by the first metric."""
    reasons: list[str] = field(default_factory=list)


def current_environment() -> Environment:
    """The environment of this process."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        memory = None
    return Environment(
        python=platform.python_version(),
        implementation=platform.python_implementation(),
        system=f"{platform.system()} {platform.release()}",
        machine=platform.machine(),
        cpu_count=os.cpu_count() or 1,
        memory_bytes=memory,
    )
