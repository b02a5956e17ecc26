"""What every command shares: its help, and values from the configuration file where the command line gives none."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import typer.core

from ..exceptions import ConfigurationError
from .help import command_help

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .help import Example

__all__ = ["PerfloopCommand", "in_file", "naming_options", "take_as_given", "where"]

_PLACES = "perfloop.places"


class _AsGiven:
    """Gives typer the words of a parameter as they are."""

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value itself; what a repeatable parameter was not given is empty."""
        return () if value is None and (param.multiple or param.nargs == -1) else value


def take_as_given(parameters: list[Any]) -> list[Any]:
    """Have typer give the parameters' words as they are: ours are text, which the commands parse themselves.

    Newer typers would pass them through pydantic, whose import takes longer than all the rest of a short command;
    older ones have no such attribute.
    """
    for parameter in parameters:
        if hasattr(parameter, "_runtime_param"):
            parameter._runtime_param = _AsGiven()
    return parameters


class PerfloopCommand(typer.core.TyperCommand):
    """A typer command that prints perfloop's help and reads perfloop's configuration."""

    examples: tuple[Example, ...] = ()

    def get_params(self, ctx: Any) -> list[Any]:
        """Every parameter, that of --help too."""
        return take_as_given(super().get_params(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help text of this command."""
        formatter.write(command_help(self, ctx, self.examples))

    def invoke(self, ctx: Any) -> Any:
        """Fill in what the configuration file gives and the command line does not, then run.

        Raises:
            ConfigurationError: the file is unreadable, or a key or value in it is wrong.
        """
        from .configuration import find_configuration

        configuration = find_configuration()
        places: dict[str, str] = {}
        if configuration is not None:
            for setting in configuration.settings(self.name or "", self.params):
                source = ctx.get_parameter_source(setting.parameter)
                if source is None or source.name == "DEFAULT":
                    ctx.params[setting.parameter] = setting.value
                    places[setting.parameter] = setting.where
        ctx.meta[_PLACES] = places
        return super().invoke(ctx)


def where(ctx: Any, parameter: str) -> str:
    """Where the value of a parameter came from, for error messages: `--rate`, or the key in the configuration file."""
    places: dict[str, str] = ctx.meta.get(_PLACES, {})
    if parameter in places:
        return places[parameter]
    for candidate in ctx.command.params:
        if candidate.name == parameter:
            if candidate.param_type_name != "option":
                return parameter.upper()
            off = ctx.params.get(parameter) is False
            names: list[str] = (off and candidate.secondary_opts) or candidate.opts
            return max(names, key=len)
    raise KeyError(parameter)


@contextlib.contextmanager
def naming_options(ctx: Any) -> Iterator[None]:
    """Have errors of options objects name the option, or the key in the configuration file, in place of the field."""
    try:
        yield
    except ConfigurationError as error:
        with contextlib.suppress(KeyError):
            error.where = where(ctx, error.where or "")
        raise


def in_file(ctx: Any, parameter: str) -> bool:
    """The value of a parameter came from the configuration file."""
    places: dict[str, str] = ctx.meta.get(_PLACES, {})
    return parameter in places
