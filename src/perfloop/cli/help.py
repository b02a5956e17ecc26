"""Help texts: one layout for the overview and every command, 80 columns or the terminal's width, colour optional.

typer's own rich help would cost more to import than perfloop itself; this is plain text from the same parameters.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .registry import CommandEntry

__all__ = ["Example", "OptionRow", "command_help", "folded", "option_rows", "overview", "usage"]

_INDENT = "  "
_NAMES_WIDTH = 26


class Example(NamedTuple):
    """A line of help that runs as printed, and what it does."""

    purpose: str
    line: str


class OptionRow(NamedTuple):
    """One option or argument as help and docs/cli.md show it."""

    section: str
    names: str
    text: str


def option_rows(command: Any, ctx: Any) -> list[OptionRow]:
    """Every visible parameter of a command, arguments first, grouped by section in order of first use."""
    rows = []
    for parameter in command.get_params(ctx):
        if getattr(parameter, "hidden", False):
            continue
        if parameter.param_type_name == "argument":
            rows.append(OptionRow("Arguments", parameter.metavar or parameter.name.upper(), parameter.help or ""))
            continue
        names = ", ".join(sorted([*parameter.opts, *parameter.secondary_opts], key=len))
        metavar = parameter.metavar or ""
        text = " ".join((parameter.help or "").split())
        default = parameter.default
        if isinstance(default, str | int | float) and not isinstance(default, bool) and default != "":
            text += f" [default: {default}]"
        rows.append(
            OptionRow(getattr(parameter, "rich_help_panel", None) or "Options", f"{names} {metavar}".rstrip(), text)
        )
    order = list(dict.fromkeys(row.section for row in rows))
    order.sort(key=lambda section: (section == "Options", section != "Arguments"))
    return [row for section in order for row in rows if row.section == section]


def command_help(command: Any, ctx: Any, examples: Sequence[Example]) -> str:
    """The help text of one command: usage, what it does, parameters by section, examples."""
    width = _width()
    blocks = [f"{_bold('Usage:')} {usage(command, ctx)}"]
    paragraphs = (command.help or "").strip().split("\n\n")
    blocks += [textwrap.fill(" ".join(paragraph.split()), width) for paragraph in paragraphs]
    blocks += _sections(option_rows(command, ctx), width)
    if examples:
        lines = []
        for example in examples:
            lines += [_INDENT + _dim(f"# {line}") for line in textwrap.wrap(example.purpose, width - 4)]
            lines += [_INDENT + line for line in folded(example.line, width - 4)]
        blocks.append(_bold("Examples:") + "\n" + "\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def usage(command: Any, ctx: Any) -> str:
    """The first line of a command's help: its path and what follows it."""
    arguments = [p.metavar or p.name.upper() for p in command.get_params(ctx) if p.param_type_name == "argument"]
    return " ".join([ctx.command_path, "[OPTIONS]", *arguments])


def folded(line: str, width: int) -> list[str]:
    """A shell line broken before its options where it is too wide, with the backslashes that make it run as printed."""
    lines = [""]
    for piece in re.split(r" (?=-)", line):
        if lines[-1] and len(lines[-1]) + 1 + len(piece) > width - 2:
            lines.append("    " + piece)
        else:
            lines[-1] += f" {piece}" if lines[-1] else piece
    return [part + " \\" for part in lines[:-1]] + lines[-1:]


def overview(group: Any, ctx: Any, summary: str, commands: Iterable[CommandEntry], footer: str) -> str:
    """The text of `perfloop --help`, from the registry's lines."""
    width = _width()
    rows = [OptionRow("Commands", entry.name, entry.summary) for entry in commands]
    blocks = [
        f"{_bold('Usage:')} {ctx.command_path} [OPTIONS] COMMAND [ARGS]...",
        textwrap.fill(summary, width),
        *_sections([*rows, *option_rows(group, ctx)], width),
        textwrap.fill(footer, width),
        f"`{ctx.command_path} COMMAND --help` explains a command, with examples.",
    ]
    return "\n\n".join(blocks) + "\n"


def _sections(rows: Sequence[OptionRow], width: int) -> list[str]:
    widest = max((len(row.names) for row in rows), default=0)
    column = min(widest, _NAMES_WIDTH) + 2 * len(_INDENT)
    blocks: dict[str, list[str]] = {}
    for row in rows:
        text = textwrap.wrap(row.text, width - column) or [""]
        start = f"{_INDENT}{_bold(row.names)}" + " " * (column - len(_INDENT) - len(row.names))
        lines = [start + text.pop(0)] if len(row.names) <= _NAMES_WIDTH else [start]
        lines += [" " * column + line for line in text]
        blocks.setdefault(row.section, []).append("\n".join(line.rstrip() for line in lines))
    return [_bold(f"{section}:") + "\n" + "\n".join(lines) for section, lines in blocks.items()]


def _width() -> int:
    return max(60, min(shutil.get_terminal_size((80, 24)).columns, 100))


def _coloured() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _bold(text: str) -> str:
    return f"\x1b[1m{text}\x1b[0m" if _coloured() else text


def _dim(text: str) -> str:
    return f"\x1b[2m{text}\x1b[0m" if _coloured() else text
