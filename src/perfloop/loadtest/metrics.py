"""A run under way as metrics: what a scrape or an export shows of it.

Names are OpenTelemetry's where its semantic conventions for HTTP clients have one
(opentelemetry.io/docs/specs/semconv/http/http-metrics), and begin with `perfloop.load.` elsewhere. Everything is made
from the engine's progress, about four times a second: a request costs nothing for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..telemetry import Distribution, FamilySnapshot, Series
from .outcome import Progress
from .tally import BUCKETS, Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..telemetry import Kind
    from .options import LoadOptions

    Value = float | Distribution
    Values = Value | Mapping[str, Value] | None

__all__ = ["METRICS", "Metric", "attributes", "before_start", "families"]


class Metric(NamedTuple):
    """One metric: its name, kind, unit and description, and what it is of a progress.

    A mapping gives a series for each value of `label`; None leaves the metric out.
    """

    name: str
    kind: Kind
    unit: str
    description: str
    value: Callable[[Progress], Values]
    label: str | None = None


METRICS: tuple[Metric, ...] = (
    Metric(
        "http.client.request.duration",
        "histogram",
        "s",
        "From a request written to the last byte of its response, or to the timeout.",
        lambda progress: _distribution(progress.service_time),
    ),
    Metric(
        "http.client.active_requests",
        "gauge",
        "{request}",
        "Requests sent and not answered yet.",
        lambda progress: progress.in_flight,
    ),
    Metric(
        "http.client.open_connections",
        "gauge",
        "{connection}",
        "Connections open.",
        lambda progress: progress.connections,
    ),
    Metric(
        "perfloop.load.latency",
        "histogram",
        "s",
        "From the moment a request was due to the last byte of its response, or to its being given up.",
        lambda progress: _distribution(progress.latency),
    ),
    Metric(
        "perfloop.load.send_lag",
        "histogram",
        "s",
        "From the moment a request was due with a connection free to its being written: the generator's own delay.",
        lambda progress: _distribution(progress.send_lag),
    ),
    Metric(
        "perfloop.load.requests",
        "counter",
        "{request}",
        "Requests finished, failed ones too.",
        lambda progress: progress.requests,
    ),
    Metric(
        "perfloop.load.errors",
        "counter",
        "{request}",
        "Requests that failed, by kind.",
        lambda progress: progress.error_kinds,
        "error.type",
    ),
    Metric(
        "perfloop.load.responses",
        "counter",
        "{response}",
        "Responses by status.",
        lambda progress: progress.statuses,
        "http.response.status_code",
    ),
    Metric(
        "perfloop.load.received",
        "counter",
        "By",
        "Bytes of responses, headers included.",
        lambda progress: progress.bytes_received,
    ),
    Metric(
        "perfloop.load.backlog",
        "gauge",
        "{request}",
        "Requests that are due and wait for a connection; 0 in the closed model.",
        lambda progress: progress.backlog,
    ),
    Metric(
        "perfloop.load.rate",
        "gauge",
        "{request}/s",
        "Requests finished a second, of late.",
        lambda progress: progress.rate,
    ),
    Metric(
        "perfloop.load.target_rate",
        "gauge",
        "{request}/s",
        "Requests that became due a second, of late; absent in the closed model.",
        lambda progress: progress.target_rate,
    ),
)
"""Every metric of a run."""


def attributes(options: LoadOptions) -> dict[str, str]:
    """What every series says of the run's target; the request's method too, where there is one only."""
    target = options.target()
    found = {"server.address": target.unix_path or target.host}
    if target.unix_path is None:
        found["server.port"] = str(target.port)
    methods = {request.method for request in options.effective_requests()}
    if len(methods) == 1:
        found["http.request.method"] = methods.pop()
    return found


def before_start(options: LoadOptions) -> Progress:
    """The progress of a run that has not begun: nothing yet, so that a scrape finds every metric from the start."""
    return Progress(
        elapsed=0.0,
        duration=options.duration,
        requests=0,
        errors=0,
        in_flight=0,
        backlog=0,
        rate=0.0,
        p50_ms=None,
        p99_ms=None,
        bytes_received=0,
        connections=0,
    )


def families(progress: Progress, labels: Mapping[str, str]) -> list[FamilySnapshot]:
    """The metrics of a progress.

    Args:
        progress: as the engine gave it.
        labels: of every series, by name: `attributes` of the run.
    """
    found = []
    for metric in METRICS:
        value = metric.value(progress)
        if value is None:
            continue
        by_label: Mapping[str, Value] = value if isinstance(value, dict) else {"": value}  # type: ignore[dict-item]
        own = () if metric.label is None else (metric.label,)
        found.append(
            FamilySnapshot(
                name=metric.name,
                kind=metric.kind,
                description=metric.description,
                unit=metric.unit,
                label_names=(*labels, *own),
                series=[
                    Series(labels=(*labels.values(), *((each,) if own else ())), value=number)
                    for each, number in by_label.items()
                ],
            )
        )
    return found


def _distribution(found: Tally) -> Distribution:
    counts = found.counts
    cells = {0: counts[0], **{cell: counts[cell] - counts[cell - 1] for cell in range(1, len(counts))}}
    return Distribution(
        buckets=BUCKETS,
        bounds=list(BUCKETS),
        cells={cell: count for cell, count in cells.items() if count},
        count=counts[-1],
        sum=found.sum,
    )
