"""`perfloop diagnose`: run a service, load it, name its bottleneck."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

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

    from ..diagnosis import DiagnosisOptions
    from ..records import DiagnosisRecord

__all__ = ["EXAMPLES", "SETTINGS", "diagnose"]

# Everything after the first word that is no option of ours belongs to the service's command.
SETTINGS = {"allow_interspersed_args": False}

EXAMPLES = (
    Example(
        "what makes these pages slow? The first is asked for twice as often",
        'perfloop diagnose --request "2x GET /orders?page=1" --request "GET /products" -- uvicorn shop:app',
    ),
    Example(
        "every parameterless GET of the service's OpenAPI page, the record as JSON",
        "perfloop diagnose --json -- uvicorn shop:app",
    ),
    Example(
        "in CI: exit status 1 when there is an N+1",
        'perfloop diagnose --request "GET /products" --fail-on n-plus-one --no-files -- uvicorn shop:app',
    ),
)

_RECORD = Path("perfloop-record.json")
_REPORT = Path("perfloop-report.html")


def diagnose(
    context: typer.Context,
    command: Annotated[
        list[str],
        typer.Argument(
            metavar="-- COMMAND...", help="The service's command, unchanged; it is started without a shell."
        ),
    ],
    request: RequestOption = None,
    header: HeaderOption = None,
    ready: ReadyOption = None,
    startup_timeout: StartupTimeoutOption = "30s",
    duration: Annotated[
        str | None,
        typer.Option(
            "--duration",
            metavar="TIME",
            help="How long the judged run lasts, after warm-up and load curve, which take about 12 s themselves. With "
            "fewer than 500 requests it goes on for up to a quarter longer, and then waits for those in flight. "
            "[default: 8s]",
            rich_help_panel="Load",
        ),
    ] = None,
    step_duration: Annotated[
        str,
        typer.Option(
            "--step-duration",
            metavar="TIME",
            help="How long each step of the load curve lasts. Shorter steps give a rougher capacity.",
            rich_help_panel="Load",
        ),
    ] = "1s",
    dsn: Annotated[
        str | None,
        typer.Option(
            "--dsn",
            metavar="DSN",
            help="The database that the service asks, postgresql://user@host/database or the path of an SQLite file: "
            "after the run, indexes for all its statements are tried on a clone. It is only read. Without it an index "
            "is tried for single statements of SQLite alone.",
            rich_help_panel="Judgement",
        ),
    ] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-on",
            metavar="RULE",
            help="Exit with status 1 when there is a finding of this rule: n-plus-one, slow-query, …, or any. "
            "Repeatable. Without it findings are no failure.",
            rich_help_panel="Judgement",
        ),
    ] = None,
    json: JsonOption = False,
    output: OutputOption = None,
    html: HtmlOption = None,
    reports: ReportOption = None,
    no_files: Annotated[
        bool,
        typer.Option(
            "--no-files",
            help="Write no files but those named by --output and --html. Otherwise, and without --json, "
            f"{_RECORD} and {_REPORT} are written to the working directory.",
            rich_help_panel="Result",
        ),
    ] = False,
    no_live: NoLiveOption = False,
) -> int:
    """Run a service unmodified, load it, and name its bottleneck, the line of code, the fix and what the fix gains.

    The service runs with a small agent that sees where each request's time goes. perfloop finds the most it can do,
    then judges it under half of that: a healthy service at its limit is not called slow. Without --request the
    parameterless GETs of its OpenAPI page are sent, or else GET /; only GET and HEAD are ever sent unasked. The
    service is stopped at the end, and on Ctrl-C, which keeps what was measured (exit status 130); so does its death
    (exit status 3).
    """
    import msgspec

    from .. import diagnosis
    from ..exceptions import ServiceLost
    from .running import run_until_stopped
    from .steps import Steps

    rules = _rules(fail_on or (), where(context, "fail_on"))
    default_files = not (json or no_files)
    defaults = (_RECORD, _REPORT) if default_files else (None, None)
    outputs = Outputs.of(json, output, html, reports, defaults)
    outputs.check("diagnosis")
    options = _options(context, command, request or (), header or (), ready, startup_timeout, duration, step_duration)
    options = msgspec.structs.replace(options, dsn=dsn)
    ended: ServiceLost | None = None
    with Steps(enabled=not no_live) as steps:
        try:
            record, interrupted = run_until_stopped(
                lambda stop: diagnosis.diagnose(options, on_progress=steps.done, stop=stop)
            )
        except KeyboardInterrupt:
            record, interrupted = diagnosis.nothing_judged(options, "interrupted before the judged run"), True
        except ServiceLost as lost:
            kept: Any = lost.record
            record, interrupted, ended = kept, False, lost
    record = _described(record, interrupted=interrupted)
    deliver(record, outputs)
    if ended is not None:
        raise ended
    return _status(record, rules, explain=json)


def _options(
    context: typer.Context,
    command: Sequence[str],
    request: Sequence[str],
    header: Sequence[str],
    ready: str | None,
    startup_timeout: str,
    duration: str | None,
    step_duration: str,
) -> DiagnosisOptions:
    from ..diagnosis import DiagnosisOptions
    from . import values
    from .configuration import configured_targets
    from .requests import requests_of

    return DiagnosisOptions(
        command=tuple(command),
        targets=configured_targets(),
        requests=requests_of(
            request, header, where_request=where(context, "request"), where_header=where(context, "header")
        ),
        ready_url=ready,
        startup_timeout=values.parse_positive_duration(startup_timeout, where=where(context, "startup_timeout")),
        duration=values.parse_positive_duration(
            "8s" if duration is None else duration, where=where(context, "duration")
        ),
        step_duration=values.parse_positive_duration(step_duration, where=where(context, "step_duration")),
    )


def _rules(names: Sequence[str], place: str) -> frozenset[str]:
    """The rules of --fail-on, each known.

    Raises:
        InvalidValue: no such rule; suggests the nearest.
    """
    if not names:
        return frozenset()
    from ..diagnosis import RULES
    from ..exceptions import InvalidValue

    known = [*(rule.name for rule in RULES), "any"]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"the rules are {', '.join(known)}"
            raise InvalidValue("Expected a rule", got=name, where=place, hint=hint)
    return frozenset(names)


def _described(record: DiagnosisRecord, *, interrupted: bool) -> DiagnosisRecord:
    """The record with the command that made it, secrets removed."""
    import msgspec

    from .redaction import redact_command, redact_words

    return msgspec.structs.replace(
        record,
        command=redact_command(["perfloop", *sys.argv[1:]]),
        partial=record.partial or interrupted,
        service=msgspec.structs.replace(record.service, command=redact_words(record.service.command)),
    )


def _status(record: DiagnosisRecord, rules: frozenset[str], *, explain: bool) -> int:
    """The exit status a diagnosis deserves; what the terminal report does not show goes to stderr."""
    if record.partial:
        note("interrupted: the diagnosis covers what was measured until then")
        return 130
    if not record.summary.trustworthy:
        if explain:
            note(f"untrustworthy: {'; '.join(record.summary.reasons)}")
        return 3
    found = [finding.rule for finding in record.findings if finding.rule in rules or "any" in rules]
    if found:
        note(f"failed: --fail-on, found {', '.join(dict.fromkeys(found))}")
        return 1
    return 0
