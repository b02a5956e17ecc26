"""What both middlewares do at the end of a request: count it, log it, warn when it was slow."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from ...exceptions import InvalidValue
from .access_log import AccessFormat, AccessLog
from .slow import SlowRequest, warn
from .tally import METHODS, OTHER_METHOD, tally_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...clock import Clock
    from ...telemetry import Registry
    from .exchange import Exchange

__all__ = ["Watch"]


class Watch:
    """The options of a middleware, and where its requests go. Nothing here raises into the application."""

    def __init__(
        self,
        registry: Registry,
        slow_threshold: float,
        access_log: bool | AccessFormat,
        route: Callable[[Mapping[str, Any]], str | None] | None,
        clock: Clock,
        *,
        breakdown: bool,
    ) -> None:
        """The arguments are the middlewares'.

        Raises:
            InvalidValue: a threshold that is no positive number, or an unknown format of the access log.
            ConfigurationError: a metric's name is taken in the registry.
        """
        if not slow_threshold > 0:
            raise InvalidValue(
                "Expected a positive number of seconds",
                got=slow_threshold,
                where="slow_threshold",
                hint="math.inf warns of no request",
            )
        if not isinstance(access_log, bool) and access_log not in get_args(AccessFormat):
            raise InvalidValue('Expected False, True, "text" or "json"', got=access_log, where="access_log")
        self.now = clock.now
        self._registry = registry
        self.tally = tally_of(registry)
        self.route = route
        self.slow_threshold = slow_threshold
        self._breakdown = breakdown
        self.access_log = AccessLog("json" if access_log == "json" else "text") if access_log else None

    def report(
        self,
        exchange: Exchange,
        method: str,
        route: str,
        duration: float,
        ended: float,
        holder: Mapping[str, Any],
    ) -> None:
        """Log a request that was slow, or every one where that was asked for.

        Args:
            exchange: what happened.
            method: as the client sent it.
            route: the route's template; `(unmatched)` where none matched.
            duration: seconds until the last byte.
            ended: when the application was done.
            holder: its scope or environment.
        """
        if duration >= self.slow_threshold:
            self._warn(exchange, method, route, duration, ended, holder)
        if self.access_log is not None:
            status, error = exchange.outcome()
            first_byte = exchange.first - exchange.started if exchange.first else None
            self.access_log.write(_shown(method), route, status, error, duration, first_byte, exchange.sent)

    def wants_server_timing(
        self, option: bool | Callable[[Mapping[str, Any]], bool], holder: Mapping[str, Any]
    ) -> bool:
        """What the option `server_timing` says of this scope or environment; False when it raises."""
        try:
            return bool(option(holder)) if callable(option) else option
        except Exception:
            self.tally.failures.inc()
            return False

    def _warn(
        self,
        exchange: Exchange,
        method: str,
        route: str,
        duration: float,
        ended: float,
        holder: Mapping[str, Any],
    ) -> None:
        status, error = exchange.outcome()
        breakdown: dict[str, float] = {}
        statements = 0
        if self._breakdown:
            breakdown, statements = exchange.breakdown(exchange.started, exchange.started + duration)
        slow = SlowRequest(
            at=time.time(),
            method=_shown(method),
            route=route,
            status=status,
            error=error,
            duration=duration,
            first_byte=exchange.first - exchange.started if exchange.first else None,
            after_response=max(ended - exchange.started - duration, 0.0),
            sent=exchange.sent,
            breakdown=breakdown,
            statements=statements,
            span_id=_span_id(holder),
            pid=os.getpid(),
        )
        self.tally.slow.append(slow)
        self._registry.leave_note(msgspec.json.encode(slow))
        warn(slow)


def _span_id(holder: Mapping[str, Any]) -> str | None:
    """The span that a scope's or environment's `traceparent` names."""
    from ...agent.asgi import parse_span

    given = holder.get("HTTP_TRACEPARENT")
    for name, value in holder.get("headers", ()):
        if name == b"traceparent":
            given = value
    span = parse_span(given) if given else None
    return None if span is None else f"{span:016x}"


def _shown(method: str) -> str:
    """The method as a log may show it: clients choose it, and could write lines of their own."""
    return method if method in METHODS else OTHER_METHOD
