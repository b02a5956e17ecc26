"""The versioned record: what every measuring command writes, and `report`, `compare` and CI read.

Plain data only. Durations carry their unit in the name; places are relative to the working directory where they can
be. Nothing here holds a parameter value of a statement, a header value or a query string's secret: see `redact_url`.
"""

from __future__ import annotations

from ..redaction import redact_url
from .capacity import CapacityPoint, CapacityProbe, CapacityRecord, UslFit
from .kinds import (
    SCHEMA_VERSION,
    CohortBreakdown,
    ComparisonRecord,
    CurvePoint,
    DiagnosisRecord,
    Environment,
    ErrorKind,
    Figures,
    Finding,
    GroupResult,
    Interval,
    LoadPlan,
    LoadRecord,
    LoadResults,
    LoadSummary,
    MetricComparison,
    Place,
    Predicted,
    Record,
    RecordingFidelity,
    RouteBreakdown,
    RouteGain,
    SeriesPoint,
    ServiceDescription,
    SlowRequest,
    StatementSummary,
    TargetResult,
    Threshold,
    current_environment,
)
from .storage import AnyRecord, json_schema, load_record, save_record

__all__ = [
    "SCHEMA_VERSION",
    "AnyRecord",
    "CapacityPoint",
    "CapacityProbe",
    "CapacityRecord",
    "CohortBreakdown",
    "ComparisonRecord",
    "CurvePoint",
    "DiagnosisRecord",
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
    "UslFit",
    "current_environment",
    "json_schema",
    "load_record",
    "redact_url",
    "save_record",
]
