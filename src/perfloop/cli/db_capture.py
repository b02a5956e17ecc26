"""`perfloop db capture`: what a workload asks of a database, as a record."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from ..exceptions import ConfigurationError, InvalidValue
from .command import where
from .help import Example
from .options import (  # noqa: TC001  # typer reads them
    HeaderOption,
    HtmlOption,
    JsonOption,
    OutputOption,
    ReadyOption,
    ReportOption,
    RequestOption,
    StartupTimeoutOption,
)
from .output import Outputs, deliver
from .streams import note

if TYPE_CHECKING:
    from ..records import WorkloadRecord

__all__ = ["EXAMPLES", "SETTINGS", "db_capture"]

# Everything after the first word that is no option of ours belongs to the service's command.
SETTINGS = {"allow_interspersed_args": False}

EXAMPLES = (
    Example(
        "of a service, while perfloop asks for these pages",
        'perfloop db capture --request "GET /orders?page=1" --duration 5s -- uvicorn shop:app',
    ),
    Example(
        "out of a log of PostgreSQL, with the values, kept for later",
        "perfloop db capture --log postgresql.log --parameters --output workload.json",
    ),
    Example("out of a file, each statement with its weight", "perfloop db capture --sql queries.sql --dialect sqlite"),
)
_DIALECTS = ("postgresql", "sqlite")
_LARGEST = 64_000_000


def db_capture(
    context: typer.Context,
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[-- COMMAND...]",
            help="A service's command, unchanged: its statements are seen by the agent inside, each with its line.",
            show_default=False,
        ),
    ] = None,
    dsn: Annotated[
        str | None,
        typer.Option(
            "--dsn",
            metavar="DSN",
            help="A PostgreSQL database with the extension pg_stat_statements: postgresql://user@host/database.",
            rich_help_panel="Source",
        ),
    ] = None,
    log: Annotated[
        str | None,
        typer.Option(
            "--log",
            metavar="FILE",
            help="A log of PostgreSQL, plain, CSV or JSON: log_min_duration_statement, log_statement, auto_explain.",
            rich_help_panel="Source",
        ),
    ] = None,
    sql: Annotated[
        str | None,
        typer.Option(
            "--sql",
            metavar="FILE",
            help="Statements separated by semicolons; a comment before one is its weight: -- calls: 100.",
            rich_help_panel="Source",
        ),
    ] = None,
    dialect: Annotated[
        str,
        typer.Option(
            "--dialect",
            metavar="NAME",
            help=f"What the file of --sql is written in: {', '.join(_DIALECTS)}.",
            rich_help_panel="Source",
        ),
    ] = "postgresql",
    request: RequestOption = None,
    header: HeaderOption = None,
    ready: ReadyOption = None,
    startup_timeout: StartupTimeoutOption = "30s",
    duration: Annotated[
        str,
        typer.Option(
            "--duration",
            metavar="TIME",
            help="How long the service is watched. Without --request it is what others send that is watched, until "
            "Ctrl-C or this has passed.",
            rich_help_panel="Load",
        ),
    ] = "30s",
    parameters: Annotated[
        bool,
        typer.Option(
            "--parameters",
            help="Keep literals and the values of parameters, which may be anybody's data: of a service, a log or a "
            "file. Otherwise a service's parameters have their type and size alone.",
            rich_help_panel="Result",
        ),
    ] = False,
    json: JsonOption = False,
    output: OutputOption = None,
    html: HtmlOption = None,
    reports: ReportOption = None,
) -> int:
    """Record what a workload asks of a database: which statements, how often, how long, from which line and route.

    Of a service also N+1: statements that a request repeats for each of many rows, with the loop, the right loader,
    and what it saves for a round trip of 0.1, 0.5 and 2 ms. The record is what `perfloop db` commands read; values are
    left out of it unless asked for.
    """
    given = {"--dsn": dsn, "--log": log, "--sql": sql, "-- COMMAND": command or None}
    named = [name for name, value in given.items() if value]
    if len(named) != 1:
        raise ConfigurationError(
            "Expected one source: -- COMMAND, --dsn, --log or --sql",
            got=", ".join(named) or None,
            hint="perfloop db capture --help shows an example of each",
        )
    outputs = Outputs.of(json, output, html, reports)
    outputs.check("workload")
    if parameters and dsn:
        raise ConfigurationError("Expected no --parameters with --dsn: it has no values", where="--parameters")
    from ..database import capture_log

    interrupted = False
    if dsn:
        record = _from_server(dsn)
    elif log:
        record = capture_log(log, values=parameters)
    elif sql:
        record = _from_file(sql, dialect, where(context, "dialect"), values=parameters)
    else:
        record, interrupted = _from_service(
            context, command or [], request, header, ready, startup_timeout, duration, values=parameters
        )
    deliver(_described(record, partial=interrupted), outputs)
    if interrupted and request:
        note("interrupted: the workload is what was seen until then")
        return 130
    return 0


def _from_file(path: str, dialect: str, place: str, *, values: bool) -> WorkloadRecord:
    from ..database import capture_sql
    from ..database.capture import redacted
    from ..files import read_within

    if dialect not in _DIALECTS:
        raise InvalidValue(f"Expected one of {', '.join(_DIALECTS)}", got=dialect, where=place)
    try:
        text = read_within(path, _LARGEST).decode()
    except OSError as error:
        raise ConfigurationError(
            f"Expected a file of SQL, but it cannot be read: {error.strerror}", where=path
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"Expected SQL in UTF-8: {error}", where=path) from error
    record = capture_sql(text, cast('Literal["postgresql", "sqlite"]', dialect))
    return record if values else redacted(record)


def _from_server(dsn: str) -> WorkloadRecord:
    from ..database import capture_pg_stat_statements, open_database

    with open_database(dsn) as database:
        return capture_pg_stat_statements(database)


def _from_service(
    context: typer.Context,
    command: list[str],
    request: list[str] | None,
    header: list[str] | None,
    ready: str | None,
    startup_timeout: str,
    duration: str,
    *,
    values: bool,
) -> tuple[WorkloadRecord, bool]:
    from ..diagnosis import capture_service
    from .requests import requests_of
    from .running import run_until_stopped
    from .values import parse_positive_duration

    requests = requests_of(
        request or (), header or (), where_request=where(context, "request"), where_header=where(context, "header")
    )
    seconds = parse_positive_duration(duration, where=where(context, "duration"))
    startup = parse_positive_duration(startup_timeout, where=where(context, "startup_timeout"))
    return run_until_stopped(
        lambda stop: capture_service(
            command,
            stop=stop,
            requests=requests,
            seconds=seconds,
            ready_url=ready,
            startup_timeout=startup,
            values=values,
        )
    )


def _described(record: WorkloadRecord, *, partial: bool) -> WorkloadRecord:
    """The record with the command that made it, secrets removed."""
    import msgspec

    from .redaction import redact_command

    return msgspec.structs.replace(record, command=redact_command(["perfloop", *sys.argv[1:]]), partial=partial)
