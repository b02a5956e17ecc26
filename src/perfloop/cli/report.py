"""`perfloop report`: show a record again, in any form."""

from __future__ import annotations

from typing import Annotated

import typer

from ..exceptions import ConfigurationError
from .help import Example
from .options import HtmlOption, JsonOption, ReportOption  # noqa: TC001  # typer reads them
from .output import Outputs, raise_first, write_files, write_terminal
from .streams import note, write_stdout

__all__ = ["EXAMPLES", "report"]

EXAMPLES = (
    Example("on the terminal", "perfloop report before.json"),
    Example("one page to show, works offline", "perfloop report before.json --html before.html"),
    Example("for a pull request", "perfloop report before.json --markdown"),
    Example("for a spreadsheet, and for CI", "perfloop report before.json --report before.csv --report junit.xml"),
)


def report(
    record: Annotated[str, typer.Argument(metavar="RECORD", help="A record: the file --output wrote.")],
    html: HtmlOption = None,
    reports: ReportOption = None,
    json: JsonOption = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the report as Markdown on stdout.", rich_help_panel="Result")
    ] = False,
) -> int:
    """Show a record again: on the terminal, as one HTML page, as JSON, Markdown, CSV, JUnit or HdrHistogram log.

    Nothing is measured. A record of an older perfloop is read; one of a newer is refused, with the version it needs.
    """
    from .. import reporting
    from ..records import load_record

    if json and markdown:
        raise ConfigurationError("Expected --json or --markdown, got both: stdout takes one form")
    outputs = Outputs.of(False, None, html, reports)
    outputs.check()
    loaded = load_record(record)
    written, failed = write_files(loaded, outputs)
    for name, path in written:
        note(f"{name}  {path}")
    if json:
        write_stdout(reporting.render_json(loaded).rstrip(b"\n") + b"\n")
    elif markdown:
        write_stdout(reporting.render_markdown(loaded).rstrip("\n").encode() + b"\n")
    elif not (written or failed):
        write_terminal(loaded)
    raise_first(failed)
    return 0
