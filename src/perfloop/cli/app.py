"""The typer application: a group that knows its commands by name and imports one only when it is used."""

from __future__ import annotations

import difflib
import importlib
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core
import typer.main

from ..exceptions import ConfigurationError
from .command import PerfloopCommand, take_as_given
from .help import overview
from .registry import COMMANDS, GROUPS, CommandEntry

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["application", "build_command"]

_SUMMARY = "Make a Python backend fast, and prove it: measure, find the bottleneck, fix, prove, keep watching."
_STATUSES = (
    "Exit status: 0 fine, 1 a threshold or comparison failed, 2 wrong use or configuration, 3 the measurement is "
    "not trustworthy, 4 an internal error, 130 interrupted with partial results written."
)


@cache
def build_command(entry: CommandEntry) -> PerfloopCommand:
    """The command of one registry line; imports its module.

    The module holds the function of the command's name, its EXAMPLES, and, where arguments are parsed in another way
    than usual, its SETTINGS for typer.
    """
    module = importlib.import_module(entry.module)
    settings: dict[str, Any] = getattr(module, "SETTINGS", {})
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(entry.name, cls=PerfloopCommand, short_help=entry.summary, context_settings=settings)(
        getattr(module, entry.function)
    )
    command = typer.main.get_command(app)
    assert isinstance(command, PerfloopCommand)
    command.examples = module.EXAMPLES
    return command


class LazyGroup(typer.core.TyperGroup):
    """The commands of the registry, none imported before it is asked for."""

    group: str | None = None
    """The first word of this group's commands; None for perfloop itself."""

    @property
    def entries(self) -> Sequence[CommandEntry]:
        """The registry's lines that are in this group, those of groups in it too."""
        return [entry for entry in COMMANDS if self.group is None or entry.name.startswith(f"{self.group} ")]

    def get_params(self, ctx: Any) -> list[Any]:
        """Every option, that of --help too."""
        return take_as_given(super().get_params(ctx))

    def list_commands(self, ctx: Any) -> list[str]:
        """Every command's name, in the registry's order."""
        position = 0 if self.group is None else 1
        return list(dict.fromkeys(entry.name.split()[position] for entry in self.entries))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, imported now, or the group; None when there is none."""
        full = cmd_name if self.group is None else f"{self.group} {cmd_name}"
        if any(entry.name.startswith(f"{full} ") for entry in COMMANDS):
            return _build_group(full)
        return next((build_command(entry) for entry in COMMANDS if entry.name == full), None)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the first word names.

        Raises:
            ConfigurationError: there is none; suggests the nearest.
        """
        name, names = args[0], self.list_commands(ctx)
        if name not in names and not ctx.resilient_parsing:
            near = difflib.get_close_matches(name, names, 1)
            raise ConfigurationError(
                "Expected a command",
                got=name,
                hint=f"did you mean `{ctx.command_path} {near[0]}`?"
                if near
                else f"the commands are {', '.join(names)}",
            )
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write `perfloop --help` from the registry alone: no command is imported for it."""
        formatter.write(overview(self, ctx, self.help or _SUMMARY, self.entries, _STATUSES))


@cache
def _build_group(name: str) -> LazyGroup:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.callback(cls=LazyGroup, invoke_without_command=True, help=GROUPS[name])(_group)
    group = typer.main.get_group(app)
    assert isinstance(group, LazyGroup)
    group.group = name
    return group


def _group(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _print_version(value: bool) -> None:
    if value:
        from .._version import __version__

        typer.echo(f"perfloop {__version__}")
        raise typer.Exit


def _root(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@cache
def application() -> Any:
    """The command line as typer's runnable object."""
    app = typer.Typer(rich_markup_mode=None)
    app.callback(cls=LazyGroup, invoke_without_command=True)(_root)
    return typer.main.get_command(app)
