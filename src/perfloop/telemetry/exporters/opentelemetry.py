"""Metrics to an OpenTelemetry collector, by OTLP over HTTP, from a thread of its own.

The wire format, retries and `OTEL_EXPORTER_OTLP_HEADERS` are those of OpenTelemetry's own exporter. A collector that
is down costs its exports and nothing else: they are counted.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from ...exceptions import InvalidValue, MissingExtra
from ..snapshots import Distribution, Occurrences

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from ..snapshots import FamilySnapshot

__all__ = ["Exports", "OtlpExporter", "metrics_data", "metrics_endpoint"]

_INTERVAL_SECONDS = 5.0
_TIMEOUT_SECONDS = 3.0
_LOGGER = "opentelemetry"
# What the libraries below say, the first that is found, and what it means.
_MEANINGS = (
    (r"Connection refused", "nothing listens at {place} (connection refused): is the collector running?"),
    (r"Failed to resolve|Name or service not known|nodename nor servname", "no such host: {place}"),
    (r"certificate verify failed", "the certificate of {place} could not be verified"),
    (r"\[SSL: (?P<why>[\w ]+)\]", "the TLS handshake with {place} failed ({why})"),
    (r"due to timeout, max retries", "{place} took no export in time"),
    (r"[Tt]imed? ?out", "{place} did not answer in time"),
    (r"unreachable|No route to host", "{place} cannot be reached from here"),
    (r"Connection reset|RemoteDisconnected|Connection aborted", "{place} closed the connection without an answer"),
    (
        r"code: (?P<why>\d+)(?:, reason: (?P<more>[^,]*))?",
        "{place} answered {why} {more}: does it take OTLP over HTTP there?",
    ),
)


class Exports(NamedTuple):
    """How many exports arrived, how many were lost, and why the first of those was."""

    sent: int
    lost: int
    reason: str | None


class OtlpExporter:
    """Exports metrics every few seconds from entering to leaving, and once at the end.

    Args:
        endpoint: `http://collector:4318`; the path `/v1/metrics` is added where there is none.
        read: gives what to export, asked in the exporter's thread: a registry's `collect`.
        resource: attributes of the resource, such as `service.name`.
        interval: seconds between exports.
        timeout: seconds an export may take, its retries included.
        where: the option the endpoint came from, for messages.

    Raises:
        InvalidValue: no HTTP URL.
        MissingExtra: OpenTelemetry's exporter is not installed.
    """

    def __init__(
        self,
        endpoint: str,
        read: Callable[[], Sequence[FamilySnapshot]],
        *,
        resource: Mapping[str, str],
        interval: float = _INTERVAL_SECONDS,
        timeout: float = _TIMEOUT_SECONDS,
        where: str | None = None,
    ) -> None:
        url = metrics_endpoint(endpoint, where=where)
        try:
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        except ImportError as error:
            raise MissingExtra(
                "Expected OpenTelemetry's exporter, which is not installed",
                where=where,
                hint="pip install 'perfloop[opentelemetry]'",
            ) from error
        self._read = read
        self._resource = dict(resource)
        self._interval = interval
        self._exporter = OTLPMetricExporter(endpoint=url, timeout=timeout)
        self._timeout = timeout
        self._start = time.time_ns()
        self._sent = self._lost = 0
        self._place = urlsplit(url).netloc.rpartition("@")[2]
        self._complaints = _Complaints()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._export_until_ended, name="perfloop-otlp", daemon=True)

    def __enter__(self) -> OtlpExporter:
        # What the exporter complains of is said once, at the end.
        logger = logging.getLogger(_LOGGER)
        logger.addHandler(self._complaints)
        logger.propagate = False
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(timeout=2 * self._timeout + 1)
        self._exporter.shutdown()
        logger = logging.getLogger(_LOGGER)
        logger.removeHandler(self._complaints)
        logger.propagate = True

    @property
    def exports(self) -> Exports:
        """How the exports went so far."""
        said = self._complaints.first if self._lost else None
        return Exports(self._sent, self._lost, said and _in_words(said, self._place))

    def _export_until_ended(self) -> None:
        while not self._ended.wait(self._interval):
            self._export()
        self._export()

    def _export(self) -> None:
        from opentelemetry.sdk.metrics.export import MetricExportResult

        data = metrics_data(self._read(), self._resource, start_ns=self._start, now_ns=time.time_ns())
        try:
            arrived = self._exporter.export(data) is MetricExportResult.SUCCESS
        except Exception as error:  # whatever the library raises, the run goes on
            self._complaints.first = f"{type(error).__name__}: {error}"
            arrived = False
        self._sent += arrived
        self._lost += not arrived


class _Complaints(logging.Handler):
    """Keeps the first thing that was logged: it says what went wrong, the later ones that it did not get better."""

    first: str | None = None

    def emit(self, record: logging.LogRecord) -> None:
        self.first = self.first or record.getMessage()


def _in_words(complaint: str, place: str) -> str:
    """What a library's complaint means; the complaint itself where that is not known."""
    for pattern, words in _MEANINGS:
        if found := re.search(pattern, complaint):
            return words.format(place=place, **{"why": "", "more": "", **found.groupdict("")}).replace(" :", ":")
    return complaint


def metrics_endpoint(endpoint: str, *, where: str | None = None) -> str:
    """The URL that metrics go to.

    Raises:
        InvalidValue: no HTTP URL with a host.
    """
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise InvalidValue(
            "Expected the URL of an OpenTelemetry collector that takes OTLP over HTTP",
            got=endpoint,
            where=where,
            hint="for example http://localhost:4318",
        )
    return endpoint if parts.path.strip("/") else f"{parts.scheme}://{parts.netloc}/v1/metrics"


def metrics_data(families: Sequence[FamilySnapshot], resource: Mapping[str, str], *, start_ns: int, now_ns: int) -> Any:
    """The families as OpenTelemetry's `MetricsData`: counters and histograms cumulative since `start_ns`.

    Args:
        start_ns: when counting began, nanoseconds since the epoch.
        now_ns: when the families were read.
    """
    from opentelemetry.sdk.metrics import export
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from ..._version import __version__

    cumulative = export.AggregationTemporality.CUMULATIVE
    metrics = []
    for family in families:
        points: list[Any] = []
        for series in family.series:
            attributes = dict(zip(family.label_names, series.labels, strict=True))
            value = series.value
            if isinstance(value, Distribution):
                points.append(_histogram_point(export, attributes, value, start_ns, now_ns))
            else:
                number = value.count if isinstance(value, Occurrences) else value
                points.append(export.NumberDataPoint(attributes, start_ns, now_ns, number))
        data: Any
        if family.kind == "histogram":
            data = export.Histogram(points, cumulative)
        elif family.kind == "gauge":
            data = export.Gauge(points)
        else:
            data = export.Sum(points, cumulative, is_monotonic=True)
        metrics.append(export.Metric(family.name, family.description, family.unit, data))
    scope = export.ScopeMetrics(InstrumentationScope("perfloop", __version__), metrics, "")
    return export.MetricsData([export.ResourceMetrics(Resource.create(dict(resource)), [scope], "")])


def _histogram_point(export: Any, attributes: Any, value: Distribution, start_ns: int, now_ns: int) -> Any:
    reached = [0, *value.cumulative(), value.count]
    return export.HistogramDataPoint(
        attributes,
        start_ns,
        now_ns,
        count=value.count,
        sum=value.sum,
        bucket_counts=[after - before for before, after in pairwise(reached)],
        explicit_bounds=list(value.buckets),
        min=None,  # not known: left out of what is sent
        max=None,
    )
