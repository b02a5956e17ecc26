"""Every command of perfloop: one line here, one file beside this one. A command is imported only when it is used."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["COMMANDS", "CommandEntry"]


class CommandEntry(NamedTuple):
    """One command: its name, the module that holds a function of that name, and its line in `perfloop --help`."""

    name: str
    module: str
    summary: str


COMMANDS: tuple[CommandEntry, ...] = (
    CommandEntry("load", "perfloop.cli.load", "Load test a URL, at a given rate or as fast as it answers"),
    CommandEntry("capacity", "perfloop.cli.capacity", "Find the highest rate at which a service meets its targets"),
    CommandEntry("diagnose", "perfloop.cli.diagnose", "Run a service, load it, name its bottleneck and the fix"),
    CommandEntry("monitor", "perfloop.cli.monitor", "Run a service and watch it on a live page and in the terminal"),
    CommandEntry("compare", "perfloop.cli.compare", "Say whether B is faster than A: two records, or two commands"),
    CommandEntry("report", "perfloop.cli.report", "Show a record again: terminal, HTML, JSON, Markdown, CSV, JUnit …"),
)
