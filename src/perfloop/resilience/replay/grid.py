"""A grid of settings tried on a record, and which of them to choose."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ...clock import MONOTONIC
from ...exceptions import ConfigurationError
from ...records import (
    ReplayCourse,
    ReplayOutage,
    ReplayRecord,
    ReplayResult,
    current_environment,
)
from ...telemetry import Registry
from ..circuit_breaker import CircuitBreaker
from ..outcome import FAILURE, IGNORED, SUCCESS
from .breaker_settings import breaker_grid, make_breaker
from .choice import best_of, choose
from .outages import find_outages
from .outcome_file import REJECTED
from .trial import try_setting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt

    from ...records import SettingValue
    from .outages import Outage
    from .outcomes import Outcomes
    from .trial import Trial

__all__ = ["replay"]

_STEPS = 240
_KEEPS = (
    "Every call keeps the outcome it had. A call that is rejected changes what comes after it: its caller tries again "
    "or gives up, and the service has less to do and may recover sooner. A replay cannot know."
)


def replay(
    outcomes: Outcomes,
    settings: Mapping[str, Sequence[SettingValue]],
    *,
    outages: Sequence[Outage] | None = None,
    slow_seconds: float | None = None,
    shared: bool = False,
    progress: Callable[[int, int], object] = lambda done, of: None,
) -> ReplayRecord:
    """Try a circuit breaker with every combination of settings on the recorded calls.

    Args:
        outcomes: the calls.
        settings: names of `BREAKER_SETTINGS`, each with the values to try; what is not named has its default.
        outages: when calls failed, where somebody knows; None: what `find_outages` finds.
        slow_seconds: a success that took longer is a failure of an outage, and no call rejected in vain.
        shared: one breaker for all processes, as with shared state; else each process has its own.
        progress: told after each setting how many are done, and of how many.

    Raises:
        ConfigurationError: no calls; settings as in `breaker_grid`.
        InvalidValue: likewise.
    """
    if not len(outcomes) or not outcomes.judged.any():
        raise ConfigurationError("Expected recorded calls that succeeded or failed, got none", where=outcomes.name)
    grid = breaker_grid(settings)
    makers = [partial(make_breaker, each) for each in grid]
    for maker in makers:
        maker(MONOTONIC, Registry())  # refuses what is wrong before anything is tried
    found = outages is None
    chosen_outages = find_outages(outcomes, slow_seconds=slow_seconds) if outages is None else sorted(outages)
    trials: list[Trial] = []
    for maker in makers:
        trials.append(try_setting(outcomes, chosen_outages, maker, slow_seconds=slow_seconds, shared=shared))
        progress(len(trials), len(makers))
    first, last = float(outcomes.started[0]), float(outcomes.ended.max())
    step = max((last - first) / _STEPS, 1e-3)
    processes = 1 if shared else len(outcomes.processes)
    best = best_of(trials)
    results = [
        _result(each, trial, at in best, _open_share(trial, first, step, processes))
        for at, (each, trial) in enumerate(zip(grid, trials, strict=True))
    ]
    chosen, verdict, reason = choose(results)
    return ReplayRecord(
        environment=current_environment(),
        name=outcomes.name,
        part=CircuitBreaker.kind,
        started=first,
        seconds=last - first,
        calls=len(outcomes),
        successes=outcomes.count(SUCCESS),
        failures=outcomes.count(FAILURE),
        ignored=outcomes.count(IGNORED),
        unknown=outcomes.count(REJECTED),
        lost=outcomes.lost,
        processes=len(outcomes.processes),
        slow_seconds=slow_seconds,
        outages=[_outage(each, first) for each in chosen_outages],
        course=_course(outcomes, first, step, slow_seconds),
        results=results,
        chosen=chosen,
        verdict=verdict,
        reason=reason,
        caveats=_caveats(outcomes, found=found, shared=shared),
    )


def _result(settings: dict[str, SettingValue], trial: Trial, best: bool, open_share: list[float]) -> ReplayResult:
    return ReplayResult(
        settings=settings,
        rejected=trial.rejected,
        false_rejected=trial.false_rejected,
        let_through=trial.let_through,
        opens=len(trial.opens),
        false_opens=trial.false_opens,
        outages=trial.outages,
        outages_missed=trial.outages_missed,
        outages_unseen=trial.outages_unseen,
        time_to_open_s=trial.median_to_open(),
        time_to_open_max_s=max(trial.to_open, default=None),
        time_to_close_s=trial.median_to_close(),
        never_closed=trial.never_closed,
        open_seconds=trial.open_seconds,
        best=best,
        open_share=open_share,
    )


def _outage(outage: Outage, first: float) -> ReplayOutage:
    return ReplayOutage(
        start_seconds=outage.started - first,
        end_seconds=outage.ended - first,
        calls=outage.calls,
        failures=outage.failures,
        given=outage.given,
    )


def _course(outcomes: Outcomes, first: float, step: float, slow_seconds: float | None) -> ReplayCourse:
    judged = outcomes.judged
    at = _steps(outcomes.ended[judged] - first, step)
    failed = outcomes.failed(slow_seconds)[judged]
    return ReplayCourse(
        step_seconds=step,
        calls=np.bincount(at, minlength=_STEPS).tolist(),
        failures=np.bincount(at[failed], minlength=_STEPS).tolist(),
    )


def _steps(seconds: npt.NDArray[np.float64], step: float) -> npt.NDArray[np.int64]:
    return np.clip((seconds / step).astype(np.int64), 0, _STEPS - 1)


def _open_share(trial: Trial, first: float, step: float, processes: int) -> list[float]:
    edges = first + step * np.arange(_STEPS + 1)
    covered = np.zeros(_STEPS)
    for start, end in trial.open_times:
        covered += np.clip(np.minimum(edges[1:], end) - np.maximum(edges[:-1], start), 0, None)
    shares: list[float] = np.round(covered / step / processes, 4).clip(0, 1).tolist()
    return shares


def _caveats(outcomes: Outcomes, *, found: bool, shared: bool) -> list[str]:
    said = [_KEEPS]
    unknown = outcomes.count(REJECTED)
    if unknown:
        said.append(
            f"{unknown:,} calls were rejected while they were recorded. Nobody knows how they would have ended: they "
            "are left out, and the outages look smaller than they were."
        )
    if outcomes.lost:
        said.append(f"{outcomes.lost:,} calls were lost by the recorder: they happened, and are not here.")
    if found:
        said.append(
            "Outages are what the record shows: stretches in which at least half of the calls failed, from whichever "
            "end one counts. Who knows when the service was down should say so."
        )
    if len(outcomes.processes) > 1 and not shared:
        said.append(
            f"Each of the {len(outcomes.processes)} processes has a breaker of its own, as without shared state."
        )
    return [*said, *(f"Damaged: {each}" for each in outcomes.damage)]
