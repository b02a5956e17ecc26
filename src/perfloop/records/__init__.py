"""The versioned record: what every measuring command writes, and `report`, `compare` and CI read.

Plain data only. Durations carry their unit in the name; places are relative to the working directory where they can
be. Nothing here holds a parameter value of a statement, a header value or a query string's secret: see `redact_url`.
"""

from __future__ import annotations

from ..redaction import redact_url
from .advice import AdviceRecord, AdviceWorkload
from .capacity import CapacityPoint, CapacityProbe, CapacityRecord, UslFit
from .counting import ServerCount
from .index_advice import AdvisedIndex, DroppableIndex, IndexAdvice, SequentialScan, StatementGain, WriteBill
from .kinds import (
    SCHEMA_VERSION,
    CohortBreakdown,
    ComparisonRecord,
    CurvePoint,
    DiagnosisRecord,
    EndpointResult,
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
    PhaseTime,
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
    WorkerResult,
    current_environment,
)
from .nplusone import NPlusOne, RoundTripSaving
from .outcomes import OutcomesRecord
from .plan import PlanBuffers, PlanNode, PlanProblem, PlanRecord
from .query_advice import Alternative, Counterexample, Proof, QueryAdvice
from .replay import ReplayCourse, ReplayOutage, ReplayRecord, ReplayResult, SettingValue
from .storage import AnyRecord, json_schema, load_record, save_record
from .workload import Parameter, StatementUse, WorkloadRecord, WorkloadStatement

__all__ = [
    "SCHEMA_VERSION",
    "AdviceRecord",
    "AdviceWorkload",
    "AdvisedIndex",
    "Alternative",
    "AnyRecord",
    "CapacityPoint",
    "CapacityProbe",
    "CapacityRecord",
    "CohortBreakdown",
    "ComparisonRecord",
    "Counterexample",
    "CurvePoint",
    "DiagnosisRecord",
    "DroppableIndex",
    "EndpointResult",
    "Environment",
    "ErrorKind",
    "Figures",
    "Finding",
    "GroupResult",
    "IndexAdvice",
    "Interval",
    "LoadPlan",
    "LoadRecord",
    "LoadResults",
    "LoadSummary",
    "MetricComparison",
    "NPlusOne",
    "OutcomesRecord",
    "Parameter",
    "PhaseTime",
    "Place",
    "PlanBuffers",
    "PlanNode",
    "PlanProblem",
    "PlanRecord",
    "Predicted",
    "Proof",
    "QueryAdvice",
    "Record",
    "RecordingFidelity",
    "ReplayCourse",
    "ReplayOutage",
    "ReplayRecord",
    "ReplayResult",
    "RoundTripSaving",
    "RouteBreakdown",
    "RouteGain",
    "SequentialScan",
    "SeriesPoint",
    "ServerCount",
    "ServiceDescription",
    "SettingValue",
    "SlowRequest",
    "StatementGain",
    "StatementSummary",
    "StatementUse",
    "TargetResult",
    "Threshold",
    "UslFit",
    "WorkerResult",
    "WorkloadRecord",
    "WorkloadStatement",
    "WriteBill",
    "current_environment",
    "json_schema",
    "load_record",
    "redact_url",
    "save_record",
]
