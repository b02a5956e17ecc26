"""A record on the terminal: dense at 80 columns, readable without colour and without Unicode."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfloop.records import (
    AdviceRecord,
    AnyRecord,
    CapacityRecord,
    DiagnosisRecord,
    LoadRecord,
    PlanRecord,
    ReplayRecord,
    WorkloadRecord,
)

from .advice import print_advice
from .capacity import print_capacity
from .comparison import print_comparison
from .diagnosis import print_diagnosis
from .load import print_load
from .paper import Paper
from .plan import print_plan
from .replay import print_replay
from .workload import print_workload

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["render_terminal"]


def render_terminal(record: AnyRecord, console: Console) -> None:
    """Print a record for people.

    Args:
        record: any record.
        console: where to; its width (at least 60 columns are used), colour and encoding are honoured.
    """
    paper = Paper(console)
    if isinstance(record, LoadRecord):
        print_load(record, paper)
    elif isinstance(record, DiagnosisRecord):
        print_diagnosis(record, paper)
    elif isinstance(record, CapacityRecord):
        print_capacity(record, paper)
    elif isinstance(record, AdviceRecord):
        print_advice(record, paper)
    elif isinstance(record, PlanRecord):
        print_plan(record, paper)
    elif isinstance(record, ReplayRecord):
        print_replay(record, paper)
    elif isinstance(record, WorkloadRecord):
        print_workload(record, paper)
    else:
        print_comparison(record, paper)
