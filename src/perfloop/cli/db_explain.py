"""`perfloop db explain`: a statement's plan as a tree, and what is dear in it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..exceptions import ConfigurationError
from .command import where
from .help import Example
from .options import HtmlOption, JsonOption, OutputOption, ReportOption  # noqa: TC001  # typer reads them
from .output import Outputs, deliver, write_terminal

if TYPE_CHECKING:
    from ..records import PlanRecord

__all__ = ["EXAMPLES", "db_explain", "read_statement"]

EXAMPLES = (
    Example("the plan, with estimated figures", 'perfloop db explain shop.sqlite3 "SELECT * FROM orders WHERE id = ?"'),
    Example(
        "with actual ones: it is executed, and rolled back",
        'perfloop db explain shop.sqlite3 "SELECT * FROM orders WHERE id = ?" --parameter 7 --analyze',
    ),
    Example("of a statement in a file, as a page", "perfloop db explain shop.sqlite3 slow.sql --html plan.html"),
    Example("did the new index help?", "perfloop db explain shop.sqlite3 slow.sql --against before-plan.json"),
)
_LARGEST = 10_000_000

ParameterOption = Annotated[
    list[str] | None,
    typer.Option(
        "--parameter",
        metavar="VALUE",
        help="The value of a placeholder ($1, ?, %s, in their order), or name=value for one with a name; NULL is no "
        "value. Repeatable. Without any, the plan is one for unknown values. Never recorded.",
        rich_help_panel="Statement",
    ),
]


def db_explain(
    context: typer.Context,
    dsn: Annotated[
        str,
        typer.Argument(
            metavar="DSN", help="The database: postgresql://user@host/database, or the path of an SQLite file."
        ),
    ],
    sql: Annotated[
        str, typer.Argument(metavar="SQL", help="The statement, the file it is in, or - for standard input.")
    ],
    parameter: ParameterOption = None,
    analyze: Annotated[
        bool,
        typer.Option(
            "--analyze",
            help="Execute it for actual times, rows and pages: in a transaction that may not write and is rolled back.",
            rich_help_panel="Statement",
        ),
    ] = False,
    timeout: Annotated[
        str,
        typer.Option(
            "--statement-timeout",
            metavar="TIME",
            help="How long it may be planned and executed.",
            rich_help_panel="Statement",
        ),
    ] = "30s",
    values: Annotated[
        bool,
        typer.Option(
            "--values",
            help="Show and record the values in the statement and its conditions, which may be anybody's data.",
            rich_help_panel="Result",
        ),
    ] = False,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="FILE",
            help="An earlier plan, written by --output: say what changed since.",
            rich_help_panel="Result",
        ),
    ] = None,
    json: JsonOption = False,
    output: OutputOption = None,
    html: HtmlOption = None,
    reports: ReportOption = None,
) -> int:
    """Show the plan of a statement as a tree: what each step takes by itself, rows estimated and actual, pages read,
    what went through temporary files; and name the step that takes most, with the reason and what helps.

    The database is only read, within a time limit. SQLite's plans have no costs and no numbers of rows.
    """
    outputs = Outputs.of(json, output, html, reports)
    outputs.check("plan")
    from ..database.plans import ExplainOptions
    from . import values as parsing

    seconds = parsing.parse_positive_duration(timeout, where=where(context, "timeout"))
    earlier = None if against is None else _earlier(against, where(context, "against"))
    options = ExplainOptions(analyze=analyze, parameters=tuple(parameter or ()), values=values)
    record = _explain(dsn, read_statement(sql, "SQL"), sql, options, seconds)
    deliver(record, outputs)
    if earlier is not None and not json:
        from ..database.plans import compare_plans

        write_terminal(compare_plans(earlier, record, name_a=str(against), name_b="now"))
    return 0


def _explain(dsn: str, statement: str, word: str, options: object, seconds: float) -> PlanRecord:
    import msgspec

    from ..database import Limits, open_database
    from ..database.plans import ExplainOptions, explain, without_values
    from .redaction import redact_command

    assert isinstance(options, ExplainOptions)
    with open_database(dsn, limits=Limits(statement=seconds)) as database:
        record = explain(database, statement, options)
    words = [without_values(each) if each == word and not options.values else each for each in sys.argv[1:]]
    return msgspec.structs.replace(record, command=redact_command(["perfloop", *words]))


def read_statement(word: str, name: str) -> str:
    """The text of a statement: the word itself, a file's where there is one of that name, or stdin's for `-`.

    Raises:
        ConfigurationError: no text, or what is read is no UTF-8.
    """
    from ..files import read_within

    try:
        if word == "-":
            return read_within(sys.stdin.buffer, _LARGEST).decode()
        if _is_file(word):
            return read_within(word, _LARGEST).decode()
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"Expected a statement in UTF-8: {error}", where=name) from error
    if word.endswith(".sql"):
        raise ConfigurationError("Expected a statement or a file, but there is no such file", got=word, where=name)
    return word


def _is_file(word: str) -> bool:
    try:
        return "\0" not in word and Path(word).is_file()
    except OSError:  # too long for a name
        return False


def _earlier(path: str, place: str) -> PlanRecord:
    from ..records import PlanRecord, load_record

    record = load_record(path)
    if not isinstance(record, PlanRecord):
        kind = str(type(record).__struct_config__.tag)
        raise ConfigurationError("Expected the record of a plan", got=f"one of kind {kind}", where=f"{place} {path}")
    return record
