"""The pages of the command line out of the commands' own help, so that the two cannot differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from .app import application, build_command
from .help import folded, option_rows, usage
from .registry import COMMANDS, GROUPS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .registry import CommandEntry

__all__ = ["pages"]

_GROUP_HEAD = """\
# The command line: perfloop {group}

{text}

This page is written by `python -m docs.build` from the commands' own help; [the others](cli.md) have theirs.
"""

_HEAD = """\
# The command line

This page is written by `python -m docs.build` from the commands' own help. `perfloop COMMAND --help` prints the same.
Options can also be given in a [configuration file](configuration.md).

| command | does |
|---|---|
{commands}

Data goes to stdout; progress, notes and errors to stderr. Colour and redrawing are for terminals only, and `NO_COLOR`
is honoured. Requests' header values, bodies, passwords in URLs and the like are neither printed nor recorded.

| exit status | means |
|---|---|
| 0 | fine; findings of a diagnosis are no failure |
| 1 | a limit (`--fail-if`), a finding (`--fail-on`), a comparison (`--fail-if-slower`) or every request failed |
| 2 | wrong use or configuration: bad options, an unreachable target, a service that does not start, no such record |
| 3 | the measurement is not trustworthy; outranks 1, since a limit judged by wrong figures says nothing |
| 4 | an internal error of perfloop; says where the traceback was written |
| 130 | interrupted; what was measured until then was written, marked `partial` |

An error says what was expected, what was got and where, and the next step:

```text
error: Expected a rate above zero, such as 500 (a second) or 3000/min
  got    fast
  where  --rate
```

Shell completion: `perfloop --install-completion` for the shell in use, `perfloop --show-completion` to see it first.
"""


def pages() -> dict[str, str]:
    """The pages by their file's name: `cli.md`, and one for each group of commands."""
    found = {"cli.md": _page(_HEAD.format(commands=_table()), [entry for entry in COMMANDS if " " not in entry.name])}
    for group, text in GROUPS.items():
        entries = [entry for entry in COMMANDS if entry.name.startswith(f"{group} ")]
        found[f"cli-{group}.md"] = _page(_GROUP_HEAD.format(group=group, text=text), entries)
    return found


def _table() -> str:
    def target(entry: CommandEntry) -> str:
        group, space, _ = entry.name.partition(" ")
        return f"{f'cli-{group}.md' if space else ''}#perfloop-{entry.name.replace(' ', '-')}"

    return "\n".join(f"| [`perfloop {entry.name}`]({target(entry)}) | {entry.summary} |" for entry in COMMANDS)


def _page(head: str, entries: Sequence[CommandEntry]) -> str:
    root = typer.Context(application(), info_name="perfloop")
    parts = [head]
    for entry in entries:
        command = build_command(entry)
        parts.append(_section(command, typer.Context(command, info_name=entry.name, parent=root)))
    return "\n".join(parts)


def _section(command: Any, context: Any) -> str:
    lines = [f"## perfloop {command.name}", "", "```text", usage(command, context), "```", ""]
    for paragraph in (command.help or "").strip().split("\n\n"):
        lines += [" ".join(paragraph.split()), ""]
    section = None
    for row in option_rows(command, context):
        if row.section != section:
            section = row.section
            lines += ([""] if lines[-1].startswith("|") else []) + [f"| {section} | |", "|---|---|"]
        lines.append(f"| `{_cell(row.names)}` | {_cell(row.text)} |")
    lines += ["", "```text"]
    for number, example in enumerate(command.examples):
        lines += [""] if number else []
        lines += [f"# {example.purpose}", *folded(example.line, 100)]
    return "\n".join([*lines, "```", ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
