"""Decides which calls and requests go wrong."""

from __future__ import annotations

import asyncio
import errno
import fnmatch
import logging
import os
import random as random_module
import time
from collections import Counter
from threading import RLock
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from ...clock import MONOTONIC
from ...exceptions import InvalidValue
from ...resilience.part import Description, Part, refuse_coroutine, target_of
from ...telemetry import DEFAULT_REGISTRY
from ...telemetry.forks import renew_lock_in_forks
from .fault import Fault, parse_fault
from .permission import ALLOW_VARIABLE, refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from ...clock import Clock
    from ...telemetry import Registry

__all__ = ["FAULT_HEADER", "Faults"]

P = ParamSpec("P")
R = TypeVar("R")
FAULT_HEADER: Final = "X-Perfloop-Fault"
_LOG = logging.getLogger("perfloop.testing")


class Faults(Part):
    """Faults by route, for the middlewares, or round functions as a decorator or a part.

    Blocked unless this is known to be no production: then nothing is ever injected, and a warning logged at the
    beginning says why.
    """

    kind = "fault"
    results = ("none", "latency", "status", "error", "reset", "partial")
    sees_arguments = True

    def __init__(
        self,
        routes: Mapping[str, Fault] | None = None,
        *,
        by_header: bool = False,
        allow: bool | None = None,
        name: str = "",
        clock: Clock = MONOTONIC,
        registry: Registry = DEFAULT_REGISTRY,
        random: Callable[[], float] = random_module.random,
        sleep: Callable[[float], object] = time.sleep,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """Faults. `random`, `sleep` and `environ` are for tests; others as in `Part`.

        Args:
            routes: the fault by path or qualified name of a function, `*` and `?` as in a shell; the first that fits.
            by_header: requests may bring their own, in X-Perfloop-Fault; it goes before those of routes.
            allow: True or False decides. None: PERFLOOP_ALLOW_FAULTS does, or what the environment says of itself.

        Raises:
            InvalidValue: no faults by pattern.
        """
        self._routes = dict(routes or {})
        for pattern, fault in self._routes.items():
            if not isinstance(pattern, str) or not isinstance(fault, Fault):
                raise InvalidValue("Expected faults by pattern", got={pattern: fault}, where="routes")
        self.by_header = by_header
        self._random, self._sleep = random, sleep
        self._counts: Counter[str] = Counter()
        self._lock = RLock()
        renew_lock_in_forks(self)
        super().__init__(name, clock=clock, registry=registry)
        reason = refusal(allow, environ)
        self.allowed = reason is None
        if reason is not None:
            _LOG.warning(
                "faults %r are not injected: %s; where they may be, set %s=1", self.name, reason, ALLOW_VARIABLE
            )

    def describe(self) -> Description:
        settings = {"routes": dict(self._routes), "by_header": self.by_header, "allowed": self.allowed}
        return Description(self.kind, self.name, settings)

    def counts(self) -> Mapping[str, int]:
        """Calls and requests by what went wrong on purpose; none of them while it is blocked."""
        return {result: self._counts[result] for result in self.results}

    def choose(self, route: str, header: str | None = None) -> Fault | None:
        """The fault for a call that begins, if there is to be one; counted.

        Args:
            route: the path or name.
            header: what the request's X-Perfloop-Fault says.

        Raises:
            InvalidValue: a header that cannot be understood.
        """
        if not self.allowed:
            return None
        fault = None
        if header is not None and self.by_header:
            fault = parse_fault(header, where=FAULT_HEADER)
        else:
            matching = (fault for pattern, fault in self._routes.items() if fnmatch.fnmatchcase(route, pattern))
            fault = next(matching, None)
        if fault is not None and self._random() >= fault.probability:
            fault = None
        with self._lock:
            self._counts["none" if fault is None else fault.kind] += 1
        if fault is not None and self._listeners:
            self._tell(fault.kind, route=route)
        return fault

    def wrap(self, function: Callable[P, R], /) -> Callable[P, R]:
        """The function, which may be slow or fail."""

        def faulty(*args: P.args, **kwargs: P.kwargs) -> R:
            fault = self._of_function(function, args)
            if fault is not None:
                self.wait(fault)
                self.fail(fault)
            result = function(*args, **kwargs)
            if type(result) is CoroutineType:
                refuse_coroutine(result)
            return result

        return faulty

    def awrap(self, function: Callable[P, Awaitable[R]], /) -> Callable[P, Coroutine[Any, Any, R]]:
        """As `wrap`."""

        async def faulty(*args: P.args, **kwargs: P.kwargs) -> R:
            fault = self._of_function(function, args)
            if fault is not None:
                if fault.latency:
                    await asyncio.sleep(fault.latency)
                self.fail(fault)
            return await function(*args, **kwargs)

        return faulty

    def wait(self, fault: Fault) -> None:
        """Let the fault's latency pass, in this thread."""
        if fault.latency:
            self._sleep(fault.latency)

    def fail(self, fault: Fault) -> None:
        """Raise the fault's error, if it has one.

        Raises:
            ConnectionResetError: for a reset.
            Exception: the error it names.
        """
        error: Exception | None = None
        if fault.reset:
            error = ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        elif fault.error is not None:
            error = fault.error()
        if error is not None:
            error.add_note(f"injected by {self.kind} {self.name!r}")
            raise error

    def _of_function(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Fault | None:
        target = target_of(function, args)[0]
        name = getattr(target, "__qualname__", type(target).__qualname__)
        fault = self.choose(name)
        if fault is not None and fault.kind in ("status", "partial"):
            raise InvalidValue("Expected latency, error or reset for a function", got=fault, where=name)
        return fault
