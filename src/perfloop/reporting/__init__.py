"""Reports: pure functions of a record. Nothing is measured here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .csv import render_parts_csv, render_series_csv, render_summary_csv
    from .formats import FORMATS, format_of, render
    from .hlog import render_hlog
    from .html import render_html
    from .json import render_json
    from .junit import render_junit
    from .markdown import render_markdown
    from .terminal import render_terminal
    from .verdict import summary_line

__all__ = [
    "FORMATS",
    "format_of",
    "render",
    "render_hlog",
    "render_html",
    "render_json",
    "render_junit",
    "render_markdown",
    "render_parts_csv",
    "render_series_csv",
    "render_summary_csv",
    "render_terminal",
    "summary_line",
]

_HOMES = {
    "FORMATS": "formats",
    "format_of": "formats",
    "render": "formats",
    "render_hlog": "hlog",
    "render_html": "html",
    "render_json": "json",
    "render_junit": "junit",
    "render_markdown": "markdown",
    "render_parts_csv": "csv",
    "render_series_csv": "csv",
    "render_summary_csv": "csv",
    "render_terminal": "terminal",
    "summary_line": "verdict",
}


def __getattr__(name: str) -> Any:
    # Lazily, because a command that prints JSON must not pay for jinja2 and rich.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
