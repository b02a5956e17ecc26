"""What a test calls: load, judge, and fail on a breach that can be believed."""

from __future__ import annotations

import shutil
import warnings
from contextlib import nullcontext
from types import EllipsisType
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from msgspec import Struct

from ..diagnosis.record_comparison import compare_records
from ..exceptions import ConfigurationError
from ..records import load_record
from ..reporting import figures
from ..reporting.verdict import gain_in_words
from .generator import GeneratorFailed, generate
from .goals import GoalOutcome, check_enough, outcomes, parse_goals
from .serving import Interface, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ..records import ComparisonRecord, LoadRecord, LoadSummary

__all__ = ["Slo", "SloResult", "SloWarning", "breach", "until_trustworthy"]

_DURATION_SECONDS = 5.0
# A comparison of records needs five whole seconds of each and more, without the first and the last.
_DURATION_WITH_BASELINE_SECONDS = 10.0


class SloWarning(UserWarning):
    """Something a test could not judge."""


class Measured(NamedTuple):
    """One run."""

    record: LoadRecord
    record_path: Path
    report_path: Path


class SloResult(Struct, frozen=True, kw_only=True):
    """What was measured, of a test that has met its goals."""

    record: LoadRecord
    goals: list[GoalOutcome]
    attempts: int
    """Runs it took until one could be trusted."""
    record_path: Path
    report_path: Path
    """The HTML report."""
    comparison: ComparisonRecord | None = None
    """With the baseline."""

    @property
    def summary(self) -> LoadSummary:
        """The figures of the run."""
        return self.record.summary


class Slo:
    """The fixture's value.

    Args:
        directory: where records and reports go.
        root: what a relative path of a baseline is relative to.
        update_baseline: write baselines instead of comparing with them.
    """

    def __init__(self, directory: Path, *, root: Path, update_baseline: bool = False) -> None:
        self._directory = directory
        self._root = root
        self._update_baseline = update_baseline
        self._calls = 0

    def __call__(
        self,
        app_or_url: Any,
        *goals: str,
        rate: float | EllipsisType | None = ...,
        path: str = "/",
        method: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        connections: int = 10,
        duration: float | None = None,
        retries: int = 2,
        baseline: str | Path | None = None,
        interface: Interface | None = None,
        options: Sequence[str] = (),
    ) -> SloResult:
        """Load an application and see that it meets its goals.

        Args:
            app_or_url: an ASGI or WSGI application, served on a unix socket meanwhile; or the URL of a running service.
            goals: what must hold: `p99<50ms`, `errors<0.1%`; metrics as of `--fail-if`. Without one about errors there
                must be none.
            rate: requests a second, whatever the application does; None: each connection sends its next request when
                the last is answered. Has to be said: it decides what a latency means.
            path: what to request of an application; a URL has its own.
            method: GET unless given, POST with a body.
            headers: of every request.
            body: of every request.
            connections: the most requests in flight.
            duration: seconds; 5, or 10 with a baseline.
            retries: how often an untrustworthy run is repeated.
            baseline: a record to compare with, relative to pytest's root directory. `--perfloop-update-baseline` writes
                it.
            interface: `asgi` or `wsgi`, where the application does not show it.
            options: further words of `perfloop load`.

        Raises:
            Failed: a goal was missed, or the application is slower than the baseline beyond noise; or nothing was
                measured.
            XFailed: no run could be trusted, so nothing is known.
            ConfigurationError: a goal, an application or the baseline cannot be used, or the run would be too short for
                a goal.
        """
        __tracebackhide__ = True
        is_url = isinstance(app_or_url, str)
        parsed = parse_goals(goals)
        if not goals and baseline is None:
            raise ConfigurationError(
                "Expected a goal or a baseline",
                where="perfloop_slo",
                hint='perfloop_slo(app, "p99<50ms", rate=100)',
            )
        if isinstance(rate, EllipsisType):
            raise ConfigurationError(
                "Expected a rate",
                where="perfloop_slo",
                hint="rate=100 sends 100 requests a second, rate=None one after the other on each connection",
            )
        if path != "/" and (is_url or not path.startswith("/")):
            raise ConfigurationError(
                "Expected no path beside a URL" if is_url else "Expected a path that starts with /",
                got=path,
                where="path of perfloop_slo",
            )
        baseline_path = None if baseline is None else self._baseline(baseline)
        if duration is None:
            duration = _DURATION_SECONDS if baseline is None else _DURATION_WITH_BASELINE_SECONDS
        if rate is not None:
            check_enough(parsed, rate, duration)
        words = [
            f"--connections={connections}",
            f"--duration={duration:.6f}s",
            *([] if rate is None else [f"--rate={rate:.6f}"]),
            *([] if method is None else [f"--method={method}"]),
            *(f"--header={name}: {value}" for name, value in (headers or {}).items()),
            *(f"--fail-if={goal.fail_if}" for goal in parsed),
            *options,
        ]
        self._calls += 1
        if body is not None:
            file = self._directory / f"slo-{self._calls}-body"
            file.write_bytes(body)
            words.append(f"--data=@{file}")
        serving = nullcontext(app_or_url) if is_url else serve(app_or_url, interface=interface, threads=connections)
        with serving as url:
            target = url if is_url else url + path
            measured, attempts = until_trustworthy(lambda: self._measure([target, *words]), retries)
        if not measured.record.summary.trustworthy:
            _give_up(measured.record.summary, attempts)
        comparison = None if baseline_path is None else self._compare(baseline_path, measured)
        found = outcomes(parsed, measured.record.thresholds)
        broken = breach(app_or_url if is_url else _name(app_or_url), measured, found, comparison)
        if broken is not None:
            pytest.fail(broken, pytrace=False)
        return SloResult(
            record=measured.record,
            goals=found,
            attempts=attempts,
            record_path=measured.record_path,
            report_path=measured.report_path,
            comparison=comparison,
        )

    def _baseline(self, baseline: str | Path) -> Path:
        path = self._root / baseline
        if not self._update_baseline and not path.exists():
            raise ConfigurationError(
                "Expected a baseline to compare with",
                got=str(path),
                where="perfloop_slo",
                hint="pytest --perfloop-update-baseline writes it",
            )
        return path

    def _measure(self, words: Sequence[str]) -> Measured:
        try:
            return Measured(*generate(words, self._directory, f"slo-{self._calls}"))
        except GeneratorFailed as error:
            pytest.fail(f"{error}\n{error.output}", pytrace=False)

    def _compare(self, path: Path, measured: Measured) -> ComparisonRecord | None:
        if self._update_baseline:
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(measured.record_path, path)
            return None
        comparison = compare_records(load_record(path), measured.record, name_a=path.name, name_b="this run")
        if comparison.verdict == "not enough data":
            warnings.warn(SloWarning(f"not compared with {path.name}: {comparison.reasons[0]}"), stacklevel=4)
        return comparison


def until_trustworthy(measure: Callable[[], Measured], retries: int) -> tuple[Measured, int]:
    """The first run that can be trusted, or the last of `retries` more; and how many there were."""
    measured, attempts = measure(), 1
    while not measured.record.summary.trustworthy and attempts <= retries:
        measured, attempts = measure(), attempts + 1
    return measured, attempts


def _give_up(summary: LoadSummary, attempts: int) -> None:
    runs = figures.plural(attempts, "run")
    reason = f"perfloop_slo: not judged, {runs} could not be trusted: {'; '.join(summary.reasons)}"
    warnings.warn(SloWarning(reason), stacklevel=3)
    pytest.xfail(reason)
    pytest.skip(reason)  # under --runxfail the line before does nothing


def breach(
    what: str, measured: Measured, goals: Sequence[GoalOutcome], comparison: ComparisonRecord | None
) -> str | None:
    """What a test says that fails: each goal with what was measured, and where to read more. None when all is well."""
    slower = comparison is not None and comparison.verdict == "slower"
    if all(goal.met for goal in goals) and not slower:
        return None
    record = measured.record
    requests = ", ".join(record.plan.requests[:3])
    load = f"{record.summary.rate:.4g} requests/s for {record.summary.elapsed_seconds:.3g} s"
    lines = [f"SLO not met: {what}, {requests}, at {load}"]
    width = max(len(goal.goal) for goal in goals)
    lines += [
        f"  {'✓' if goal.met else '✗'} {goal.goal:{width}}  measured {figures.with_unit(goal.measured, goal.unit)}"
        for goal in goals
    ]
    if comparison is not None and slower:
        first = comparison.metrics[0]
        values = f"{figures.with_unit(first.a, first.unit)} → {figures.with_unit(first.b, first.unit)}"
        lines.append(f"  ✗ slower than {comparison.a}: {first.metric} {values}, {gain_in_words(first)}")
    lines += [
        f"    {figures.count(kind.count)} × {figures.clean(kind.kind)}: {figures.clean(kind.example)}"
        for kind in record.results.error_kinds[:3]
    ]
    return "\n".join([*lines, f"  record  {measured.record_path}", f"  report  {measured.report_path}"])


def _name(app: Any) -> str:
    kind = type(app)
    return getattr(app, "__qualname__", None) or f"{kind.__module__}.{kind.__qualname__}"
