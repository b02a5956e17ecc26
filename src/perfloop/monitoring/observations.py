"""What the agent saw inside the service, decoded: the input of the diagnosis and of the live page.

Times are seconds on the system's monotonic clock, which the load generator on the same machine reads too, so both
sides' times can be compared directly.
"""

from __future__ import annotations

from msgspec import Struct, field

from ..records.workload import Parameter  # noqa: TC001  # a Struct's types are read at run time
from ..telemetry.caches import CacheReport  # noqa: TC001
from ..telemetry.resilience import PartReport  # noqa: TC001

__all__ = [
    "PARTS",
    "CacheLoad",
    "CacheSample",
    "Explain",
    "Frame",
    "GcPause",
    "LongStep",
    "Observations",
    "PartSample",
    "ProcessInfo",
    "RequestTrace",
    "ResourceSample",
    "Sample",
    "Stack",
    "StatementCall",
]

PARTS = (
    "cpu",
    "event_loop_wait",
    "worker_wait",
    "database",
    "pool_wait",
    "upstream",
    "blocking",
    "sleep",
    "interpreter_wait",
    "gc",
    "unaccounted",
)
"""The parts a request's time in the service is divided into; they sum to it, and overlapping waits count once.

- cpu: this request's own code on the processor (thread CPU time, without GC pauses and without statement time);
- event_loop_wait: the loop was busy with other work while this request could have run;
- worker_wait: waiting for a thread of the pool that runs sync handlers;
- database: inside execute and fetch calls (CPU that SQLite burns there belongs here);
- pool_wait: waiting for a database connection, on a thread or awaited;
- upstream: inside outgoing HTTP calls, on a thread or awaited;
- blocking: inside time.sleep, socket, file or subprocess calls made on the request's own thread; and whatever holds the
  event loop without computing, be it upstream, a lock or a driver in C;
- sleep: inside asyncio.sleep, waiting that the code itself asked for;
- interpreter_wait: runnable, but without the GIL or the processor, while other threads of the process ran;
- gc: garbage collections that ran on this request's thread;
- unaccounted: the rest.
"""


class Frame(Struct, frozen=True):
    """A line of code in the service, file as an absolute path."""

    file: str
    line: int
    function: str
    user: bool = True
    """The user's own code: not the standard library, not site-packages, not the agent."""


class StatementCall(Struct, frozen=True):
    """One statement executed: indices into Observations.statements and Observations.sites."""

    statement: int
    site: int
    started: float
    duration: float
    """Seconds inside execute and the fetches that followed."""
    rows: int
    """Rows fetched, or changed; 0 when unknown."""
    on_loop: bool = False
    """It ran on the event loop's own thread: everything else waited."""
    key: int = 0
    """The same number for the same values asked by, in one process; they cannot be read from it. 0: not known."""
    values: int = 0
    """How many values it asks by at once: 1 for `id = ?`, 3 for `id IN (?, ?, ?)`; 0: none, or not known."""
    in_transaction: bool | None = None
    """A transaction was open after it; None: not known."""


class Sample(Struct, frozen=True):
    """The parameters of one execution, in the order of the statement's placeholders."""

    statement: int
    """Index into Observations.statements."""
    parameters: list[Parameter]
    sql: str | None = None
    """The text itself, where values were asked for."""


class RequestTrace(Struct, frozen=True, kw_only=True):
    """One request as the service saw it."""

    pid: int
    span: int | None
    """The number in the low 64 bits of the generator's traceparent; None for requests of others."""
    method: str
    route: str
    """The framework's route template (`/orders/{id}`), else `(unmatched)`."""
    status: int
    """0 when the application raised or the client went away before the response started."""
    started: float
    """The application was called."""
    first_byte: float
    ended: float
    """The response's last byte was handed to the server (work after the response is not in it)."""
    parts: dict[str, float]
    """Seconds a part of PARTS between started and ended; parts of zero may be left out."""
    statements: list[StatementCall] = field(default_factory=list)
    cache_loads: list[CacheLoad] = field(default_factory=list)
    """Of the caches of perfloop; from a full agent only."""
    is_async: bool = False
    """The handler ran on the event loop."""
    handler: Frame | None = None
    """Where the handler of this route is defined."""
    error: str | None = None


class LongStep(Struct, frozen=True, kw_only=True):
    """One callback or coroutine step that held the event loop for long (over 20 ms)."""

    pid: int
    route: str | None
    """None when no request's step did it (a background task, a callback)."""
    started: float
    wall: float
    cpu: float
    """CPU seconds of the loop's thread in it: near wall when computing, near 0 when blocked."""
    stack: list[Frame]
    """Where it was, innermost first, as sampled during the step; empty when no sample fell into it."""


class Stack(Struct, frozen=True, kw_only=True):
    """One distinct sampled stack, with how often it was seen."""

    pid: int
    route: str | None
    """The route of the request whose thread or loop step it was; None outside requests."""
    frames: list[Frame]
    """Innermost first."""
    samples: int
    cpu_seconds: float
    """CPU time of the thread between its samples, given to this stack."""


class GcPause(Struct, frozen=True, kw_only=True):
    pid: int
    started: float
    duration: float
    generation: int


class ResourceSample(Struct, frozen=True, kw_only=True):
    """One process at one moment (every 250 ms); counters since its start."""

    pid: int
    at: float
    cpu_seconds: float
    rss_bytes: int
    threads: int
    loop_lag: float | None
    """Seconds the event loop was late for the agent's timer, the worst since the last sample; None without a loop."""
    commits: int
    """Database transactions committed (TPS)."""
    allocated_blocks: int | None = None
    """Python's blocks of memory in use; every 5 s from a light agent, None otherwise."""


class CacheSample(Struct, frozen=True, kw_only=True):
    """The caches of one process at one moment (every second or so); counts since they were made."""

    pid: int
    at: float
    report: CacheReport


class PartSample(Struct, frozen=True, kw_only=True):
    """The parts of policies of one process at one moment (every second or so); counts since they were made."""

    pid: int
    at: float
    report: PartReport


class CacheLoad(Struct, frozen=True):
    """A request waited while a cache loaded, or looked up below."""

    cache: str
    started: float
    duration: float
    keys: int
    """That were loaded; 0 for a look-up at a shared level."""


class Explain(Struct, frozen=True, kw_only=True):
    """What SQLite says it does for one statement, asked once by the agent on the statement's own connection."""

    statement: int
    plan: list[str]
    """Detail lines of EXPLAIN QUERY PLAN, for example `SCAN item`."""
    database: str | None
    """Path of the database file; None in memory."""
    parameters: str | None = None
    """The first call's parameters as a JSON array or object; stays on the parent's side, never in a record.
    None when they are not plain JSON values."""
    sql: str | None = None
    """The statement as the service wrote it, to run it again on a private copy; stays on the parent's side like the
    parameters. None when the agent did not keep it."""


class ProcessInfo(Struct, frozen=True, kw_only=True):
    pid: int
    parent: int
    python: str
    argv: list[str]
    frameworks: list[str]
    """Names and versions of the hooked libraries seen imported: `FastAPI 0.116.1`."""
    hooks_failed: dict[str, str] = field(default_factory=dict)
    """Part of the agent → the first error it raised, and how often it has."""


class Observations(Struct, kw_only=True):
    """Everything received from the agents of one service's processes."""

    processes: dict[int, ProcessInfo] = field(default_factory=dict)
    statements: list[str] = field(default_factory=list)
    """Fingerprints: literals replaced by `?`, IN lists collapsed, whitespace folded."""
    sites: list[list[Frame]] = field(default_factory=list)
    """User frames of a call, innermost first; empty when no user code was on the stack."""
    requests: list[RequestTrace] = field(default_factory=list)
    long_steps: list[LongStep] = field(default_factory=list)
    stacks: list[Stack] = field(default_factory=list)
    gc_pauses: list[GcPause] = field(default_factory=list)
    resources: list[ResourceSample] = field(default_factory=list)
    caches: list[CacheSample] = field(default_factory=list)
    """Also those from before the moment that is asked for: what was counted until then is not of the time after."""
    parts: list[PartSample] = field(default_factory=list)
    """Of policies; likewise."""
    explains: list[Explain] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    dropped: int = 0
    """Events the agents' bounded buffers could not take."""
