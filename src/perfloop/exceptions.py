"""One tree of errors. Each says what was expected, what was got, where, and the next step."""

from __future__ import annotations

from typing import Any, ClassVar

__all__ = [
    "AsyncMisuse",
    "BulkheadFull",
    "BulkheadTimedOut",
    "CallRejected",
    "CallThrottled",
    "CallTimedOut",
    "CircuitOpen",
    "ConfigurationError",
    "DatabaseFailed",
    "DatabaseLocked",
    "DatabaseUnreachable",
    "DeadlineExceeded",
    "InternalError",
    "InvalidValue",
    "LevelFailed",
    "LoadShed",
    "LoadTimedOut",
    "MissingExtra",
    "NoPrivilege",
    "NoServer",
    "PerfloopError",
    "PortInUse",
    "RateLimited",
    "RecordTooNew",
    "ReentrantLoad",
    "ServiceDied",
    "ServiceLost",
    "ServiceNotReady",
    "StatementTimedOut",
    "UnreachableTarget",
    "UnreadableRecord",
    "UnreadableStatement",
    "UntrustworthyMeasurement",
    "WorkerLost",
]


class PerfloopError(Exception):
    """The root of every error perfloop raises on purpose.

    Args:
        message: what was expected and what happened, one sentence without a full stop.
        got: the offending value, as the user wrote it (secrets removed by the caller).
        where: file and line, option, key or URL the value came from.
        hint: the next step.
        output: last lines of a child process' output, where one is to blame.
    """

    slug: ClassVar[str] = "error"
    exit_status: ClassVar[int] = 2

    def __init__(
        self,
        message: str,
        *,
        got: object = None,
        where: str | None = None,
        hint: str | None = None,
        output: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.got = got
        self.where = where
        self.hint = hint
        self.output = output
        if hint is not None:
            self.add_note(f"hint: {hint}")

    def __str__(self) -> str:
        text = self.message
        if self.got is not None:
            text += f", got {self.got!r}"
        if self.where is not None:
            text += f" ({self.where})"
        return text


class ConfigurationError(PerfloopError):
    """An option or configuration key that cannot be used."""

    slug = "configuration"


class InvalidValue(ConfigurationError, ValueError):
    """A value of the right option that does not parse or lies out of range."""

    slug = "invalid-value"


class UnreadableStatement(ConfigurationError):
    """SQL that cannot be parsed, or that is not one statement."""

    slug = "unreadable-statement"


class MissingExtra(PerfloopError, ImportError):
    """An optional library is not installed; the hint names the extra that brings it."""

    slug = "missing-extra"


class DatabaseFailed(PerfloopError):
    """A database does not carry out a statement, or what it holds cannot be used."""

    slug = "database-failed"


class DatabaseUnreachable(DatabaseFailed):
    """A database cannot be connected to, or the connection was lost."""

    slug = "database-unreachable"


class DatabaseLocked(DatabaseFailed):
    """Somebody else holds a lock for longer than we wait; the message says who."""

    slug = "database-locked"


class StatementTimedOut(DatabaseFailed):
    """A statement ran for longer than it may."""

    slug = "statement-timed-out"


class NoPrivilege(DatabaseFailed):
    """The user connected as may not do what is needed; the hint says what to grant."""

    slug = "no-privilege"


class LevelFailed(PerfloopError):
    """A level of a cache cannot be reached, is too slow, or refuses what is asked of it."""

    slug = "level-failed"


class LoadTimedOut(PerfloopError, TimeoutError):
    """A cache's loader takes longer than its hard timeout, and there is no stale value to give."""

    slug = "load-timed-out"


class ReentrantLoad(PerfloopError, RuntimeError):
    """A cache's loader asks the cache for the very key it loads, and would wait for itself for ever."""

    slug = "reentrant-load"


class AsyncMisuse(ConfigurationError, TypeError):
    """A coroutine where a plain function was expected, or the other way round."""

    slug = "async-misuse"


class CallRejected(PerfloopError):
    """A call did not begin: a part of its policy would not let it in. Says nothing of the service to be called."""

    slug = "call-rejected"

    retry_after: float | None = None
    """Seconds after which to try again makes sense; None: not known."""


class CircuitOpen(CallRejected):
    """A circuit breaker is open, or lets no more probes through."""

    slug = "circuit-open"

    # A service that is down makes thousands a second: what most have not costs nothing, nor does a text nobody reads.
    got = where = hint = output = None

    def __init__(self, message: str, retry_after: float | None = None, **rest: Any) -> None:
        if rest:
            super().__init__(message, **rest)
        self.message = message
        self.retry_after = retry_after

    def __str__(self) -> str:
        text = super().__str__()
        return text if self.retry_after is None else f"{text}; retry after {self.retry_after:.1f} s"


class BulkheadFull(CallRejected):
    """As many calls run as may, and as many wait as may."""

    slug = "bulkhead-full"


class BulkheadTimedOut(CallRejected, TimeoutError):
    """A call waited in the queue of a bulkhead for as long as it may."""

    slug = "bulkhead-timed-out"


class RateLimited(CallRejected):
    """More calls than a rate limit allows."""

    slug = "rate-limited"


class LoadShed(CallRejected):
    """A service has more to do than it can, and this call is not important enough."""

    slug = "load-shed"


class CallThrottled(CallRejected):
    """A client holds back calls of which the service would reject most."""

    slug = "call-throttled"


class CallTimedOut(PerfloopError, TimeoutError):
    """A call took longer than it may."""

    slug = "call-timed-out"


class DeadlineExceeded(CallTimedOut):
    """Whoever asked for this does not wait any longer: the deadline of the whole request is over."""

    slug = "deadline-exceeded"

    inherited: bool = False
    """It was the deadline of somebody further outside: how long that one waits says nothing of the service called."""


class UnreachableTarget(PerfloopError):
    """The target of a load test cannot be connected to, or never answers."""

    slug = "unreachable-target"


class ServiceDied(PerfloopError):
    """A command perfloop started ended while it was still needed."""

    slug = "service-died"


class ServiceLost(ServiceDied):
    """A service ended while it was being measured; what was measured until then is kept."""

    slug = "service-lost"
    exit_status = 3

    record: object = None
    """The partial record, of `perfloop.records`."""

    @classmethod
    def keeping(cls, error: PerfloopError, record: object) -> ServiceLost:
        """The error with what was measured before it."""
        lost = cls(error.message, got=error.got, where=error.where, hint=error.hint, output=error.output)
        lost.record = record
        return lost


class ServiceNotReady(PerfloopError):
    """A started command did not listen or answer within the startup timeout."""

    slug = "service-not-ready"


class NoServer(ServiceDied):
    """A command ended without ever listening: it is no server."""

    slug = "no-server"


class PortInUse(ServiceDied):
    """The service could not bind its port because another process has it."""

    slug = "port-in-use"


class UnreadableRecord(PerfloopError):
    """A file that is no perfloop record, or a damaged one."""

    slug = "unreadable-record"


class RecordTooNew(UnreadableRecord):
    """A record written by a newer perfloop than this one."""

    slug = "record-too-new"


class WorkerLost(PerfloopError):
    """One of several load generators ended, or cannot be reached any more."""

    slug = "worker-lost"
    exit_status = 3


class UntrustworthyMeasurement(PerfloopError):
    """The figures exist, but the measurement cannot be trusted."""

    slug = "untrustworthy"
    exit_status = 3


class InternalError(PerfloopError):
    """A defect of perfloop itself."""

    slug = "internal"
    exit_status = 4
