"""`perfloop db advise`: what to change in a database for its workload, each advice with its proof."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ..exceptions import ConfigurationError
from .command import where
from .help import Example
from .migration import MigrationOption, check_migration, write_migration
from .options import HtmlOption, JsonOption, NoLiveOption, OutputOption, ReportOption  # noqa: TC001
from .output import Outputs, deliver, note

if TYPE_CHECKING:
    from ..database import Database
    from ..records import AdviceRecord, WorkloadRecord

__all__ = ["EXAMPLES", "db_advise"]

EXAMPLES = (
    Example("for the statements of a file", "perfloop db advise shop.sqlite3 --sql queries.sql"),
    Example("a page to show, and the record", "perfloop db advise shop.sqlite3 --sql queries.sql --html advice.html"),
    Example("as Markdown, for a pull request", "perfloop db advise shop.sqlite3 --sql queries.sql --report advice.md"),
)
_LARGEST = 50_000_000


def db_advise(
    context: typer.Context,
    dsn: Annotated[
        str,
        typer.Argument(
            metavar="DSN", help="The database: postgresql://user@host/database, or the path of an SQLite file."
        ),
    ],
    sql: Annotated[
        str | None,
        typer.Option(
            "--sql",
            metavar="FILE",
            help="What it is asked: a file of statements, - for stdin. Each counts as often as it stands in it; "
            "a comment `-- calls: 500` before one says that it is executed so often. "
            "[default: what pg_stat_statements has counted]",
            rich_help_panel="Workload",
        ),
    ] = None,
    workload: Annotated[
        str | None,
        typer.Option(
            "--workload",
            metavar="FILE",
            help="What it is asked: the record of `perfloop db capture`, in place of --sql.",
            rich_help_panel="Workload",
        ),
    ] = None,
    clone_dsn: Annotated[
        str | None,
        typer.Option(
            "--clone-dsn",
            metavar="DSN",
            help="Try things on this PostgreSQL server, in a database made for it and dropped afterwards. Not the "
            "database's own server. [default: a private one, started on this machine]",
            rich_help_panel="Clone",
        ),
    ] = None,
    clone_rows: Annotated[
        str,
        typer.Option(
            "--clone-rows",
            metavar="N",
            help="A table with more rows is cloned as a sample of about so many, with all that they refer to.",
            rich_help_panel="Clone",
        ),
    ] = "1000000",
    migration: MigrationOption = None,
    json: JsonOption = False,
    output: OutputOption = None,
    html: HtmlOption = None,
    reports: ReportOption = None,
    no_live: NoLiveOption = False,
) -> int:
    """Say what to change for a workload: indexes to build and to drop, and statements to write otherwise. Each
    with what it gains, the proof, and what it costs; and what is not worth doing.

    The database is only read. Everything is tried on a clone: indexes are built there, statements executed and
    measured, rewrites compared on its rows and on generated ones.
    """
    outputs = Outputs.of(json, output, html, reports)
    outputs.check("advice")
    target = check_migration(migration)
    from . import values

    rows = values.parse_count(clone_rows, where=where(context, "clone_rows"), least=100)
    if sql is not None and workload is not None:
        raise ConfigurationError("Expected --sql or --workload, not both", where=where(context, "workload"))
    captured = None if workload is None else _captured(workload)
    record = _advise(dsn, sql, captured, clone_dsn, rows, live=not no_live)
    deliver(record, outputs)
    if target is not None:
        write_migration(record, target)
    if record.partial:
        note("interrupted: the advice is what was found until then")
        return 130
    return 0


def _advise(
    dsn: str, sql: str | None, captured: WorkloadRecord | None, clone_dsn: str | None, rows: int, *, live: bool
) -> AdviceRecord:
    import msgspec

    from ..database import CloneOptions, open_database
    from ..database.advise import AdviseOptions, advise
    from .redaction import redact_command
    from .steps import Steps

    with open_database(dsn) as database, Steps(enabled=live) as steps:
        asked = _workload(database, sql) if captured is None else captured
        record = advise(
            database,
            asked,
            options=AdviseOptions(clone_dsn=clone_dsn, clone=CloneOptions(rows=rows)),
            progress=steps.done,
        )
    return msgspec.structs.replace(record, command=redact_command(["perfloop", *sys.argv[1:]]))


def _workload(database: Database, sql: str | None) -> WorkloadRecord:
    from ..database.capture.pg_stat_statements import capture_pg_stat_statements
    from ..database.capture.sql_file import capture_sql

    if sql is not None:
        return capture_sql(_text(sql), database.dialect, database=database.name)
    return capture_pg_stat_statements(database)


def _captured(path: str) -> WorkloadRecord:
    from ..records import WorkloadRecord, load_record

    record = load_record(path)
    if not isinstance(record, WorkloadRecord):
        raise ConfigurationError(
            "Expected the record of a workload",
            got=f"a record of kind {record.__struct_config__.tag}",
            where=path,
            hint="perfloop db capture --output FILE writes one",
        )
    return record


def _text(path: str) -> str:
    from ..files import read_within

    try:
        return read_within(sys.stdin.buffer if path == "-" else path, _LARGEST).decode()
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"Expected SQL in UTF-8: {error}", where=f"--sql {path}") from error
