"""`perfloop compare`: is B faster than A?"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..exceptions import ConfigurationError
from .command import where
from .help import Example
from .options import (  # noqa: TC001  # typer reads them
    HeaderOption,
    HtmlOption,
    JsonOption,
    NoLiveOption,
    OutputOption,
    ReadyOption,
    ReportOption,
    RequestOption,
    StartupTimeoutOption,
)
from .output import Outputs, deliver
from .streams import note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..diagnosis import ComparisonOptions
    from ..exceptions import ServiceLost
    from ..records import ComparisonRecord

__all__ = ["EXAMPLES", "compare"]

EXAMPLES = (
    Example("two records of perfloop load or diagnose", "perfloop compare before.json after.json"),
    Example(
        "two commands, started in turn, several times each",
        'perfloop compare --cmd "uvicorn shop:app" --cmd "SHOP_FIX=n_plus_one uvicorn shop:app" '
        '--request "GET /orders?page=1"',
    ),
    Example("two plans of perfloop db explain", "perfloop compare before-plan.json after-plan.json"),
    Example(
        "in CI: exit status 1 when B is slower",
        "perfloop compare before.json after.json --fail-if-slower",
    ),
)


def compare(
    context: typer.Context,
    records: Annotated[
        list[str] | None,
        typer.Argument(metavar="[A B]", help="Two records: the files --output wrote. B is judged against A."),
    ] = None,
    cmd: Annotated[
        list[str] | None,
        typer.Option(
            "--cmd",
            metavar="COMMAND",
            help="A service's command, given twice: A, then B. Split as a shell would and started without one; leading "
            "NAME=value words set its environment.",
            rich_help_panel="Commands",
        ),
    ] = None,
    request: RequestOption = None,
    header: HeaderOption = None,
    runs: Annotated[
        str | None,
        typer.Option(
            "--runs",
            metavar="N",
            help="How often each command is started and measured. Fewer than 5 decide nothing. [default: 5]",
            rich_help_panel="Load",
        ),
    ] = None,
    duration: Annotated[
        str | None,
        typer.Option(
            "--duration",
            metavar="TIME",
            help="How long each run is measured, after its warm-up. [default: 3s]",
            rich_help_panel="Load",
        ),
    ] = None,
    step_duration: Annotated[
        str,
        typer.Option(
            "--step-duration",
            metavar="TIME",
            help="How long the capacity of each run is measured, after half as long for warming up.",
            rich_help_panel="Load",
        ),
    ] = "1s",
    ready: ReadyOption = None,
    startup_timeout: StartupTimeoutOption = "30s",
    fail_if_slower: Annotated[
        bool,
        typer.Option(
            "--fail-if-slower",
            help="Exit with status 1 when B is slower than A, and 3 when there is not enough data to say.",
            rich_help_panel="Judgement",
        ),
    ] = False,
    json: JsonOption = False,
    output: OutputOption = None,
    html: HtmlOption = None,
    reports: ReportOption = None,
    no_live: NoLiveOption = False,
) -> int:
    """Say whether B is faster than A, slower, no different, or whether there is not enough data to say.

    Two records are compared as they are; two plans of a statement by what changed. Two commands are each started
    several times in turn, so that a machine that slows down meanwhile slows both, and loaded with the same requests;
    the differences between runs give the interval.
    """
    import msgspec

    from .redaction import redact_command

    outputs = Outputs.of(json, output, html, reports)
    outputs.check("comparison")
    if cmd and records:
        raise ConfigurationError("Expected two records or two --cmd, got both")
    if cmd:
        options = _options(
            context, cmd, request or (), header or (), runs, duration, step_duration, ready, startup_timeout
        )
        record, interrupted, lost = _compare_commands(options, live=not no_live)
    else:
        record, interrupted, lost = _compare_records(records or ()), False, None
    record = msgspec.structs.replace(record, command=redact_command(["perfloop", *sys.argv[1:]]))
    deliver(record, outputs)
    if lost is not None:
        raise lost
    return _status(record, interrupted=interrupted, fail_if_slower=fail_if_slower)


def _compare_records(paths: Sequence[str]) -> ComparisonRecord:
    from .. import diagnosis
    from ..records import PlanRecord, load_record
    from .redaction import readable

    if len(paths) != 2:
        raise ConfigurationError(
            "Expected two records, or --cmd twice",
            got=" ".join(paths) or "nothing to compare",
            hint="perfloop compare before.json after.json",
        )
    first, second = paths
    a, b = load_record(first), load_record(second)
    names = {"name_a": readable(first), "name_b": readable(second)}
    if isinstance(a, PlanRecord) and isinstance(b, PlanRecord):
        from ..database.plans import compare_plans

        return compare_plans(a, b, **names)
    return diagnosis.compare_records(a, b, **names)


def _compare_commands(options: ComparisonOptions, *, live: bool) -> tuple[ComparisonRecord, bool, ServiceLost | None]:
    """The comparison, whether it was interrupted, and the error that ended it early."""
    import msgspec

    from .. import diagnosis
    from ..exceptions import ServiceLost
    from .redaction import redact_line
    from .running import run_until_stopped
    from .steps import Steps

    lost: ServiceLost | None = None
    with Steps(enabled=live) as steps:
        try:
            record, interrupted = run_until_stopped(
                lambda stop: diagnosis.compare_commands(options, on_progress=steps.done, stop=stop)
            )
        except KeyboardInterrupt:
            why = "interrupted before both commands had one whole run"
            record, interrupted = diagnosis.nothing_compared(options, why), True
        except ServiceLost as error:
            kept: Any = error.record
            record, interrupted, lost = kept, False, error
    return msgspec.structs.replace(record, a=redact_line(record.a), b=redact_line(record.b)), interrupted, lost


def _options(
    context: typer.Context,
    cmd: Sequence[str],
    request: Sequence[str],
    header: Sequence[str],
    runs: str | None,
    duration: str | None,
    step_duration: str,
    ready: str | None,
    startup_timeout: str,
) -> ComparisonOptions:
    from ..diagnosis import ComparisonOptions
    from . import values
    from .requests import requests_of

    if len(cmd) != 2:
        raise ConfigurationError(
            "Expected --cmd twice: A, then B", got="it once" if len(cmd) == 1 else f"it {len(cmd)} times"
        )
    place = where(context, "cmd")
    first, second = (values.parse_command(text, where=place) for text in cmd)
    return ComparisonOptions(
        a=first.words,
        b=second.words,
        env_a=first.environment,
        env_b=second.environment,
        requests=requests_of(
            request, header, where_request=where(context, "request"), where_header=where(context, "header")
        ),
        runs=values.parse_count("5" if runs is None else runs, where=where(context, "runs")),
        duration=values.parse_positive_duration(
            "3s" if duration is None else duration, where=where(context, "duration")
        ),
        step_duration=values.parse_positive_duration(step_duration, where=where(context, "step_duration")),
        ready_url=ready,
        startup_timeout=values.parse_positive_duration(startup_timeout, where=where(context, "startup_timeout")),
    )


def _status(record: ComparisonRecord, *, interrupted: bool, fail_if_slower: bool) -> int:
    """The exit status a comparison deserves."""
    if interrupted:
        note("interrupted: the comparison covers the runs that were complete until then")
        return 130
    if fail_if_slower and record.verdict == "slower":
        note("failed: --fail-if-slower, B is slower than A")
        return 1
    if fail_if_slower and record.verdict == "not enough data":
        note("undecided: --fail-if-slower, there is not enough data to say whether B is slower")
        return 3
    return 0
