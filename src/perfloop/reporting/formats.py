"""Every form of a record that is written to a file: one line here, one file beside this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from perfloop.exceptions import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from perfloop.records import AnyRecord

__all__ = ["FORMATS", "ReportFormat", "format_of", "render"]

_RUN = ("load", "diagnosis")


class ReportFormat(NamedTuple):
    """One form: how a file's name ends that asks for it, what it is, and which function of this package makes it."""

    suffix: str
    title: str
    renderer: str
    kinds: tuple[str, ...] | None = None
    """The kinds of records that have it; None: all."""


# The first whose suffix fits is taken.
FORMATS: tuple[ReportFormat, ...] = (
    ReportFormat(".html", "one page that works offline", "render_html"),
    ReportFormat(".json", "the record itself", "render_json"),
    ReportFormat(".md", "Markdown for a pull request", "render_markdown"),
    ReportFormat(".summary.csv", "one row a run, for a spreadsheet", "render_summary_csv", _RUN),
    ReportFormat(".parts.csv", "one row an endpoint, group or phase, for a spreadsheet", "render_parts_csv", _RUN),
    ReportFormat(".csv", "one row a second, for a spreadsheet", "render_series_csv", _RUN),
    ReportFormat(".xml", "JUnit, for CI", "render_junit"),
    ReportFormat(".hlog", "HdrHistogram log", "render_hlog", _RUN),
)


def format_of(path: Path, *, kind: str | None = None, where: str | None = None) -> ReportFormat:
    """The format that the file's name asks for.

    Args:
        path: the file; upper and lower case are alike.
        kind: of the record that will be written there, where it is known: `load`, `diagnosis`, …
        where: the option, for messages.

    Raises:
        ConfigurationError: no format ends so, or records of that kind do not have it.
    """
    chosen = next((form for form in FORMATS if path.name.lower().endswith(form.suffix)), None)
    if chosen is None:
        raise ConfigurationError(
            f"Expected a file name that ends in one of {', '.join(form.suffix for form in FORMATS)}",
            got=str(path),
            where=where,
            hint="; ".join(f"{form.suffix} is {form.title}" for form in FORMATS),
        )
    if kind is not None:
        _check_kind(chosen, kind, where)
    return chosen


def render(record: AnyRecord, form: ReportFormat, *, where: str | None = None) -> bytes:
    """The record in that form, as the bytes of its file.

    Raises:
        ConfigurationError: records of this kind do not have the form.
    """
    from perfloop import reporting

    _check_kind(form, str(record.__struct_config__.tag), where)
    rendered: str | bytes = getattr(reporting, form.renderer)(record)
    return rendered.encode() if isinstance(rendered, str) else rendered


def _check_kind(form: ReportFormat, kind: str, where: str | None) -> None:
    if form.kinds is not None and kind not in form.kinds:
        others = [other.suffix for other in FORMATS if other.kinds is None or kind in other.kinds]
        raise ConfigurationError(
            f"Expected a form that a record of kind {kind} has: {', '.join(others)}",
            got=f"{form.suffix}, {form.title}",
            where=where,
        )
