"""Options from a file: `[tool.perfloop]` in pyproject.toml, or perfloop.toml, in the working directory.

Keys are the long options without their dashes. A key outside a command's table applies to every command that has
such an option; one in `[tool.perfloop.load]` (`[load]` in perfloop.toml; `[db.explain]` for a command of two words) to
that command, and wins. The command line wins over both. perfloop.toml wins over pyproject.toml as a whole. The table
`targets` holds performance targets.
"""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..exceptions import ConfigurationError
from ..files import read_within
from .registry import COMMANDS, GROUPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ..targets import Targets

__all__ = ["Configuration", "Setting", "configured_targets", "find_configuration"]

_TARGETS = "targets"
_LARGEST = 10_000_000

# Options that make no sense in a file: they end the program.
_NOT_CONFIGURABLE = {"help"}
# Their values may hold a secret anywhere, and are never shown.
_MAY_BE_SECRET = {"header", "data", "request", "cmd", "url", "ready", "alert_webhook", "dsn", "clone_dsn"}


class Setting(NamedTuple):
    """One value for one parameter of a command, and the key it came from."""

    parameter: str
    value: Any
    where: str


def find_configuration(directory: Path | None = None) -> Configuration | None:
    """The configuration of a directory (default: the working directory), or None.

    Raises:
        ConfigurationError: the file cannot be read or is not TOML.
    """
    directory = directory or Path()
    own = directory / "perfloop.toml"
    if own.is_file():
        return Configuration(own, _read(own), "")
    project = directory / "pyproject.toml"
    if project.is_file():
        tool = _table(_read(project).get("tool", {}), f"{project}: tool")
        if "perfloop" in tool:
            return Configuration(project, _table(tool["perfloop"], f"{project}: tool.perfloop"), "tool.perfloop.")
    return None


def configured_targets() -> Targets | None:
    """The performance targets of the working directory's configuration; None when it has no table of them.

    Raises:
        ConfigurationError: the file cannot be read or names an unknown target.
        InvalidValue: a target's value cannot be used.
    """
    configuration = find_configuration()
    return None if configuration is None else configuration.targets()


class Configuration:
    """The tables of one configuration file.

    Args:
        path: the file, for messages.
        table: its perfloop table.
        prefix: what stands before a key of that table in the file, for messages.
    """

    def __init__(self, path: Path, table: Mapping[str, Any], prefix: str) -> None:
        self._path = path
        self._table = table
        self._prefix = prefix

    def settings(self, command: str, parameters: Iterable[Any]) -> list[Setting]:
        """The values this file gives for one command, those of its own table last (the last one counts).

        Args:
            command: its name.
            parameters: its click parameters.

        Raises:
            ConfigurationError: an unknown key (suggests the nearest), or a value of the wrong type.
        """
        names = [*dict.fromkeys(entry.name.split()[0] for entry in COMMANDS), _TARGETS]
        options = _options(parameters)
        settings = []
        for key, value in self._table.items():
            if key in names:
                _table(value, self._where(key))
                continue
            if key in options:
                settings.append(self._setting(options[key], key, value))
            elif key not in (everywhere := _options_of_all()):
                raise self._unknown(key, [*everywhere, *names])
        table, path = self._table, ""
        for word in command.split():
            path = f"{path}.{word}" if path else word
            table = _table(table.get(word, {}), self._where(path))
            if path in GROUPS:
                commands = [entry.name.split()[1] for entry in COMMANDS if entry.name.startswith(f"{path} ")]
                for unknown in sorted(table.keys() - set(commands)):
                    raise self._unknown(f"{path}.{unknown}", commands)
        for key, value in table.items():
            if key not in options:
                raise self._unknown(f"{path}.{key}", options)
            settings.append(self._setting(options[key], f"{path}.{key}", value))
        return settings

    def targets(self) -> Targets | None:
        """The performance targets; None when there is no table of them.

        Raises:
            ConfigurationError: no table, or an unknown target in it.
            InvalidValue: a value that cannot be used.
        """
        if _TARGETS not in self._table:
            return None
        from ..targets import Targets

        where = self._where(_TARGETS)
        return Targets.from_mapping(_table(self._table[_TARGETS], where), where=where)

    def _setting(self, option: Any, key: str, value: Any) -> Setting:
        where = self._where(key)
        shown = _type_of(value) if option.name in _MAY_BE_SECRET else value
        if getattr(option, "is_flag", False):
            if not isinstance(value, bool):
                raise ConfigurationError("Expected true or false", got=shown, where=where)
            return Setting(option.name, value, where)
        if option.multiple:
            values = value if isinstance(value, list) else [value]
            if not all(_is_scalar(item) for item in values):
                raise ConfigurationError("Expected a string or an array of strings", got=shown, where=where)
            return Setting(option.name, [str(item) for item in values], where)
        if not _is_scalar(value):
            raise ConfigurationError("Expected a string or a number", got=shown, where=where)
        return Setting(option.name, str(value), where)

    def _unknown(self, key: str, known: Iterable[str]) -> ConfigurationError:
        table, _, name = key.rpartition(".")
        known = sorted(known)
        near = difflib.get_close_matches(name.replace("_", "-"), known, 1, cutoff=0.5)
        prefix = f"{table}." if table else ""
        hint = f"did you mean `{prefix}{near[0]}`?" if near else f"known keys are {', '.join(known)}"
        return ConfigurationError("Unknown configuration key", got=name, where=self._where(key), hint=hint)

    def _where(self, key: str) -> str:
        return f"{self._path}: {self._prefix}{key}"


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_within(path, _LARGEST).decode())
    except OSError as error:
        raise ConfigurationError(f"Expected a readable file: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"Expected UTF-8 text: {error}", where=str(path)) from error
    except ValueError as error:  # also of an integer of thousands of digits
        raise ConfigurationError(f"Expected TOML: {error}", where=str(path)) from error
    except RecursionError as error:
        raise ConfigurationError("Expected TOML, but it is nested too deeply", where=str(path)) from error


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigurationError("Expected a table", got=value if _is_scalar(value) else _type_of(value), where=where)
    return value


def _type_of(value: object) -> str:
    """What a value is called in TOML."""
    names = {"bool": "a boolean", "int": "an integer", "float": "a float", "str": "a string"}
    names |= {"dict": "a table", "list": "an array"}
    return names.get(type(value).__name__, "a date or a time")


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _options(parameters: Iterable[Any]) -> dict[str, Any]:
    return {name: option for name, option in _long_names(parameters) if name not in _NOT_CONFIGURABLE}


def _long_names(parameters: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    for parameter in parameters:
        if parameter.param_type_name == "option":
            for name in parameter.opts:
                if name.startswith("--"):
                    yield name[2:], parameter


def _options_of_all() -> dict[str, Any]:
    from .app import build_command

    return {name: option for entry in COMMANDS for name, option in _options(build_command(entry).params).items()}
