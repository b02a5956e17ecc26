"""How OpenTelemetry's names are written in Prometheus' exposition."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..exceptions import InvalidValue

if TYPE_CHECKING:
    from .snapshots import Kind

__all__ = [
    "CALLBACK_ERRORS",
    "DROPPED_LABELS",
    "OWN_METRICS",
    "check_label_names",
    "check_name",
    "exposition_label",
    "exposition_name",
    "sample_names",
]

DROPPED_LABELS = "perfloop.telemetry.dropped_labels"
CALLBACK_ERRORS = "perfloop.telemetry.callback_errors"
OWN_METRICS = {
    DROPPED_LABELS: "Look-ups of label values beyond the bound, which count in the overflow series.",
    CALLBACK_ERRORS: "Gauge callbacks that raised; their series were left out.",
}
"""What every registry counts of itself, with one label, `metric`."""

# OpenTelemetry's instrument name syntax: opentelemetry.io/docs/specs/otel/metrics/api/#instrument-name-syntax,
# and a leading underscore or a colon, which Prometheus allows.
_NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_.:/-]{0,254}")
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9_:]+")
_NOT_IN_LABEL = re.compile(r"[^A-Za-z0-9_]")
_ANNOTATION = re.compile(r"\{[^}]*\}")

# opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/#metric-metadata
_UNITS = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "kBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "%": "percent",
}
_PER = {"s": "second", "m": "minute", "min": "minute", "h": "hour", "d": "day"}


def check_name(name: str) -> None:
    """Refuse what is no instrument name.

    Raises:
        InvalidValue: empty, longer than 255, a first character that is no letter, or one outside `A-Za-z0-9_.:/-`.
    """
    if not _NAME.fullmatch(name):
        raise InvalidValue("Expected a metric name such as http.server.request.duration", got=name)


def check_label_names(names: tuple[str, ...], metric: str) -> None:
    """Refuse label names that an exposition could not tell apart or reserves.

    Raises:
        InvalidValue: an empty or reserved name, or two that are written alike.
    """
    written: dict[str, str] = {}
    for name in names:
        label = exposition_label(name) if name else ""
        if not label or label.startswith("__") or label in ("le", "quantile"):
            raise InvalidValue("Expected a label name that is not reserved", got=name, where=f"labels of {metric}")
        if label in written:
            raise InvalidValue(
                f"Expected label names that stay apart in an exposition; {written[label]!r} is there already",
                got=name,
                where=f"labels of {metric}",
            )
        written[label] = name


def exposition_label(name: str) -> str:
    """`http.request.method` as `http_request_method`."""
    label = _NOT_IN_LABEL.sub("_", name)
    return f"_{label}" if label[0].isdigit() else label


def exposition_name(name: str, unit: str, kind: Kind) -> str:
    """The name of the metric family: `http.server.request.duration` in `s` as `http_server_request_duration_seconds`.

    A counter's samples add `_total` to it. A gauge such as `process.thread.count` loses its last part: in Prometheus
    that is how samples of histograms are called.
    """
    if kind == "gauge":
        name = name.removesuffix(".count")
    base = _NOT_IN_NAME.sub("_", name)
    if kind in ("counter", "event"):
        base = base.removesuffix("_total")
    suffix = _unit_suffix(unit, kind)
    if suffix and base != suffix and not base.endswith(f"_{suffix}"):
        base += f"_{suffix}"
    return base


def _unit_suffix(unit: str, kind: Kind) -> str:
    if unit == "1":
        return "ratio" if kind == "gauge" else ""
    numerator, _, denominator = _ANNOTATION.sub("", unit).partition("/")
    words = _UNITS.get(numerator, numerator)
    if denominator:
        words += f"_per_{_PER.get(denominator, denominator)}"
    return _NOT_IN_NAME.sub("_", words).strip("_")


def sample_names(name: str, unit: str, kind: Kind) -> frozenset[str]:
    """Every sample name an exposition of the family could hold: no two families may share one."""
    base = exposition_name(name, unit, kind)
    if kind == "gauge":
        return frozenset({base})
    if kind == "histogram":
        return frozenset({base, f"{base}_bucket", f"{base}_sum", f"{base}_count", f"{base}_created"})
    return frozenset({base, f"{base}_total", f"{base}_created"})
