"""Where a service's time goes, what to change, and what that gains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .breakdown import breakdown
    from .comparison import compare_commands
    from .driver import diagnose
    from .evidence import Evidence
    from .options import ComparisonOptions, DiagnosisOptions
    from .prediction import Fix, Prediction, predict
    from .record_comparison import compare_records
    from .rules import RULES, Rule, find
    from .unfinished import nothing_compared, nothing_judged
    from .workload import capture_service, workload_of

_HOMES = {
    "RULES": "rules",
    "ComparisonOptions": "options",
    "DiagnosisOptions": "options",
    "Evidence": "evidence",
    "Fix": "prediction",
    "Prediction": "prediction",
    "Rule": "rules",
    "breakdown": "breakdown",
    "capture_service": "workload",
    "compare_commands": "comparison",
    "compare_records": "record_comparison",
    "diagnose": "driver",
    "find": "rules",
    "nothing_compared": "unfinished",
    "nothing_judged": "unfinished",
    "predict": "prediction",
    "workload_of": "workload",
}

__all__ = [
    "RULES",
    "ComparisonOptions",
    "DiagnosisOptions",
    "Evidence",
    "Fix",
    "Prediction",
    "Rule",
    "breakdown",
    "capture_service",
    "compare_commands",
    "compare_records",
    "diagnose",
    "find",
    "nothing_compared",
    "nothing_judged",
    "predict",
    "workload_of",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{home}", __name__), name)
