"""Metrics of a load test while it runs: `--prometheus` and `--otlp`.

The engine leaves its progress here, one assignment four times a second; threads of their own make metrics of it and
serve or send them.
"""

from __future__ import annotations

import contextlib
import re
import sys
from typing import TYPE_CHECKING

from ..exceptions import InvalidValue
from .streams import note

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from ..loadtest import LoadOptions, Progress
    from ..telemetry import FamilySnapshot
    from ..telemetry.exporters.opentelemetry import OtlpExporter

__all__ = ["MetricsFeed", "parse_address", "short_turns"]

_ADDRESS = re.compile(r"(?:(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]]*):)?(?P<port>\d{1,5})")
_LOOPBACK = "127.0.0.1"
# How long another thread may keep the interpreter from the engine's: Python's 5 ms would be a late request.
_SWITCH_SECONDS = 1e-4


class MetricsFeed:
    """Serves and exports the metrics of a run from entering to leaving; does nothing when neither was asked for.

    Args:
        options: of the run.
        prometheus: the address to serve at, `9100` or `127.0.0.1:9100`.
        otlp: the collector's URL.

    Raises:
        InvalidValue: no such address or URL.
        ConfigurationError: the address cannot be listened on.
        MissingExtra: OpenTelemetry's exporter is not installed.
    """

    def __init__(self, options: LoadOptions, prometheus: str | None, otlp: str | None) -> None:
        self._stack = contextlib.ExitStack()
        self._otlp: OtlpExporter | None = None
        self._wanted = bool(prometheus or otlp)
        if not self._wanted:
            return
        from ..loadtest import metrics

        address = parse_address(prometheus, where="--prometheus") if prometheus else None
        self._progress: Progress = metrics.before_start(options)
        self._labels = metrics.attributes(options)
        self._read: tuple[Progress, list[FamilySnapshot]] | None = None
        with contextlib.ExitStack() as stack:
            if address is not None:
                from ..telemetry.exporters.scrape import ScrapeServer

                server = stack.enter_context(ScrapeServer(*address, self._families, where="--prometheus"))
                note(f"metrics  {server.url}")
            if otlp:
                from .._version import __version__
                from ..telemetry.exporters.opentelemetry import OtlpExporter

                resource = {"service.name": "perfloop", "service.version": __version__}
                self._otlp = stack.enter_context(OtlpExporter(otlp, self._families, resource=resource, where="--otlp"))
            stack.enter_context(short_turns())
            self._stack = stack.pop_all()

    def update(self, progress: Progress) -> None:
        """Take the latest progress; called by the engine."""
        if self._wanted:
            self._progress = progress

    def _families(self) -> list[FamilySnapshot]:
        from ..loadtest import metrics

        progress, read = self._progress, self._read
        if read is None or read[0] is not progress:
            read = self._read = (progress, metrics.families(progress, self._labels))
        return read[1]

    def __enter__(self) -> MetricsFeed:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        if self._otlp is not None and self._otlp.exports.lost:
            from ..reporting.figures import clean
            from .redaction import redact_text

            sent, lost, reason = self._otlp.exports
            said = f": {clean(redact_text(reason))}" if reason else ""
            note(f"opentelemetry: {lost} of {sent + lost} exports were lost{said}")


@contextlib.contextmanager
def short_turns() -> Iterator[None]:
    """Let no other thread keep the interpreter from the engine's for long."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def parse_address(text: str, *, where: str) -> tuple[str, int]:
    """Host and port in `9100`, `:9100`, `0.0.0.0:9100` or `[::1]:9100`; the loopback address where no host is given.

    Raises:
        InvalidValue: anything else.
    """
    match = _ADDRESS.fullmatch(text.strip())
    if match is None or int(match["port"]) > 65_535:
        raise InvalidValue(
            "Expected a port, or an address and a port",
            got=text,
            where=where,
            hint="for example 9100 (on 127.0.0.1) or 0.0.0.0:9100 (for other machines)",
        )
    return (match["host"] or _LOOPBACK).strip("[]"), int(match["port"])
