"""Every command of perfloop: one line here, one file beside this one. A command is imported only when it is used."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["COMMANDS", "GROUPS", "CommandEntry"]


class CommandEntry(NamedTuple):
    """One command: its name, the module that holds a function of that name, and its line in `perfloop --help`.

    A name of two words (`db explain`) is that of a command in a group; its file and function are `db_explain`.
    """

    name: str
    module: str
    summary: str

    @property
    def function(self) -> str:
        """The name of the command's function, and of its file."""
        return self.name.replace(" ", "_")


GROUPS = {
    "db": "Databases: what a workload asks of one, how it answers, and advice that carries its proof.",
    "resilience": "Breakers, bulkheads and limits: what is wrong with their settings, and which would do better.",
}
"""What `perfloop db --help` begins with, for the first word of each command of two."""

COMMANDS: tuple[CommandEntry, ...] = (
    CommandEntry("load", "perfloop.cli.load", "Load test a URL, at a given rate or as fast as it answers"),
    CommandEntry("capacity", "perfloop.cli.capacity", "Find the highest rate at which a service meets its targets"),
    CommandEntry("diagnose", "perfloop.cli.diagnose", "Run a service, load it, name its bottleneck and the fix"),
    CommandEntry("monitor", "perfloop.cli.monitor", "Run a service and watch it on a live page and in the terminal"),
    CommandEntry("db capture", "perfloop.cli.db_capture", "Record what a workload asks of a database, and its N+1"),
    CommandEntry("db explain", "perfloop.cli.db_explain", "Show a statement's plan as a tree, and what is dear in it"),
    CommandEntry("db advise", "perfloop.cli.db_advise", "Say which indexes and statements to change, with the proof"),
    CommandEntry(
        "resilience check", "perfloop.cli.resilience_check", "Say which settings of a service's policies do not fit"
    ),
    CommandEntry(
        "resilience replay", "perfloop.cli.resilience_replay", "Try other settings of a breaker on recorded calls"
    ),
    CommandEntry("compare", "perfloop.cli.compare", "Say whether B is faster than A: two records, or two commands"),
    CommandEntry("report", "perfloop.cli.report", "Show a record again: terminal, HTML, JSON, Markdown, CSV, JUnit …"),
)
