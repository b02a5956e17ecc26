"""The structured access log: one record of the standard `logging` a request, as text or as one line of JSON."""

from __future__ import annotations

import logging
from json.encoder import encode_basestring_ascii
from typing import Literal

__all__ = ["LOGGER_NAME", "AccessFormat", "AccessLog"]

LOGGER_NAME = "perfloop.access"

_INFINITE = float("inf")

AccessFormat = Literal["text", "json"]


class AccessLog:
    """Writes to the logger `perfloop.access` at level INFO; which handlers it has is the service's affair.

    A record carries `method`, `route`, `status`, `error`, `duration_ms`, `first_byte_ms` (None without a response) and
    `sent_bytes` as attributes, for formatters of the service's own. Neither path nor query string is logged: both may
    hold secrets.
    """

    def __init__(self, form: AccessFormat) -> None:
        """`form`: of the record's message: words, or one JSON object."""
        self._logger = logging.getLogger(LOGGER_NAME)
        self._message = _json if form == "json" else _text

    def write(
        self, method: str, route: str, status: int, error: str, duration: float, first_byte: float | None, sent: int
    ) -> None:
        """Log one request; durations in seconds."""
        logger = self._logger
        if not logger.isEnabledFor(logging.INFO):
            return
        duration_ms = round(duration * 1e3, 3)
        first_byte_ms = None if first_byte is None else round(first_byte * 1e3, 3)
        message = self._message(method, route, status, error, duration_ms, first_byte_ms, sent)
        # Not logger.info: it would look for the line of code that calls, and find this one.
        record = logging.LogRecord(LOGGER_NAME, logging.INFO, "", 0, message, None, None)
        record.__dict__.update(
            method=method,
            route=route,
            status=status,
            error=error,
            duration_ms=duration_ms,
            first_byte_ms=first_byte_ms,
            sent_bytes=sent,
        )
        logger.handle(record)


def _text(
    method: str, route: str, status: int, error: str, duration_ms: float, first_byte_ms: float | None, sent: int
) -> str:
    line = f"{method} {route} {status or '-'} {duration_ms} ms {sent} B"
    return f"{line} {error}" if error else line


def _json(
    method: str, route: str, status: int, error: str, duration_ms: float, first_byte_ms: float | None, sent: int
) -> str:
    quote = encode_basestring_ascii
    return (
        f'{{"method": {quote(method)}, "route": {quote(route)}, "status": {status:d}, "error": {quote(error)}, '
        f'"duration_ms": {_number(duration_ms)}, "first_byte_ms": {_number(first_byte_ms)}, "sent_bytes": {sent:d}}}'
    )


def _number(value: float | None) -> str:
    """As JSON has it, which knows no infinity: a broken clock may."""
    return "null" if value is None or not -_INFINITE < value < _INFINITE else repr(value)
