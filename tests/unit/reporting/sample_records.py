"""Complete records of every kind, and the odd ones that reports must survive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import sample_advice as advices
from . import sample_capacities as capacities
from . import sample_comparisons as comparisons
from . import sample_diagnoses as diagnoses
from . import sample_loads as loads
from . import sample_plans as plans
from . import sample_replays as replays
from . import sample_workloads as workloads

if TYPE_CHECKING:
    from perfloop.records import AnyRecord

SAMPLES: dict[str, AnyRecord] = {
    "load": loads.load(),
    "load-failing": loads.failing_load(),
    "load-scenario": loads.scenario_load(),
    "load-untrustworthy": loads.untrustworthy_load(),
    "load-traced": loads.traced_load(),
    "load-imported": loads.imported_load(),
    "load-distributed": loads.distributed_load(),
    "load-empty": loads.empty_load(),
    "load-all-errors": loads.all_errors_load(),
    "load-huge": loads.huge_load(),
    "diagnosis": diagnoses.diagnosis(),
    "diagnosis-healthy": diagnoses.healthy_diagnosis(),
    "diagnosis-hostile": diagnoses.hostile_diagnosis(),
    "diagnosis-untrustworthy": diagnoses.untrustworthy_diagnosis(),
    "diagnosis-endless": diagnoses.endless_diagnosis(),
    "comparison": comparisons.comparison(),
    "comparison-slower": comparisons.slower_comparison(),
    "comparison-undecided": comparisons.undecided_comparison(),
    "comparison-empty": comparisons.empty_comparison(),
    "capacity": capacities.capacity(),
    "capacity-limited": capacities.limited_capacity(),
    "capacity-hopeless": capacities.hopeless_capacity(),
    "capacity-interrupted": capacities.interrupted_capacity(),
    "capacity-early": capacities.early_capacity(),
    "advice": advices.advice(),
    "advice-none": advices.no_advice(),
    "advice-workload": advices.workload_advice(),
    "plan": plans.plan(),
    "plan-planned": plans.planned(),
    "plan-sqlite": plans.sqlite_plan(),
    "plan-deep": plans.deep_plan(),
    "replay": replays.replayed(),
    "replay-quiet": replays.quiet_replay(),
    "workload": workloads.workload(),
    "workload-log": workloads.logged_workload(),
    "workload-timeless": workloads.timeless_workload(),
}
