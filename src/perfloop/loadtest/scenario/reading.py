"""A scenario file read: TOML into frozen objects, errors with file, line and key."""

from __future__ import annotations

import difflib
import tomllib
import types
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ...exceptions import ConfigurationError, InvalidValue
from .document import Scenario
from .positions import key_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from .positions import Path as KeyPath

__all__ = ["Places", "nearest", "read_toml"]

_WORDS = {str: "text", float: "a number", int: "a whole number", bool: "true or false", type(None): "nothing"}


class Places:
    """Where the keys of a scenario stand, for messages: `shop.toml:12: journey[0].step[1].path`."""

    def __init__(self, file: str | None = None, lines: Mapping[KeyPath, int] | None = None) -> None:
        self.file = file
        self._lines = lines or {}

    def where(self, *path: str | int) -> str:
        """File, line and key of a path; the line is that of the nearest key that stands in the file."""
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
        if self.file is None:
            return f"scenario.{key}" if key else "scenario"
        known = next((path[:end] for end in range(len(path), 0, -1) if path[:end] in self._lines), None)
        place = self.file if known is None else f"{self.file}:{self._lines[known]}"
        return f"{place}: {key}" if key else place


def read_toml(path: Path) -> tuple[Scenario, Places]:
    """The scenario of a TOML file, files it names relative to it, and where its keys stand.

    Raises:
        ConfigurationError: unreadable, not TOML, an unknown key, or a value of the wrong type.
    """
    try:
        text = path.read_text(encoding="utf-8").replace("\r\n", "\n")
        data = tomllib.loads(text)
    except OSError as error:
        raise ConfigurationError(f"Expected a readable scenario: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"Expected UTF-8 text: {error}", where=str(path)) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"Expected TOML: {error}", where=str(path)) from error
    places = Places(str(path), key_lines(text))
    scenario: Scenario = _value(data, Scenario, (), places)
    if "name" not in data:
        scenario = replace(scenario, name=path.stem)
    return _files_beside(scenario, path.parent), places


def nearest(name: str, known: Iterable[str]) -> str:
    """The hint for an unknown name: the nearest that is known, or all of them."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, 1, cutoff=0.5)
    if near:
        return f"did you mean `{near[0]}`?"
    return f"known are {', '.join(known)}" if known else "there is none"


def _value(value: Any, kind: Any, path: KeyPath, places: Places) -> Any:
    """The value as that type."""
    options = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    for option in options:
        if isinstance(option, type) and issubclass(option, Struct):
            return _struct(value, option, path, places)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        if not isinstance(value, list):
            raise _wrong(value, "an array", path, places)
        return tuple(_value(item, arguments[0], (*path, index), places) for index, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise _wrong(value, "a table", path, places)
        return {key: _value(item, arguments[1], (*path, key), places) for key, item in value.items()}
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _wrong(value, " or ".join(_words(option) for option in options), path, places) from error


def _struct(value: Any, kind: type[Struct], path: KeyPath, places: Places) -> Any:
    if not isinstance(value, dict):
        raise _wrong(value, "a table", path, places)
    hints = get_type_hints(kind)
    for key in value:
        if key not in hints:
            raise ConfigurationError("Unknown key", got=key, where=places.where(*path, key), hint=nearest(key, hints))
    for field in msgspec.structs.fields(kind):
        if field.required and field.name not in value:
            raise ConfigurationError(f"Expected the key `{field.name}`", where=places.where(*path))
    return kind(**{key: _value(item, hints[key], (*path, key), places) for key, item in value.items()})


def _words(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(get_args(kind))
    return _WORDS.get(kind, "an array" if get_origin(kind) is tuple else str(kind))


def _wrong(value: Any, expected: str, path: KeyPath, places: Places) -> InvalidValue:
    # The value of a header may be a secret: of those only the type is told.
    got = f"a value of type {type(value).__name__}" if "headers" in path else value
    return InvalidValue(f"Expected {expected.replace(' or nothing', '')}", got=got, where=places.where(*path))


def _files_beside(scenario: Scenario, directory: Path) -> Scenario:
    """The scenario with its files' paths relative to the working directory instead of its own."""

    def step(one: Any) -> Any:
        return one if one.body_file is None else replace(one, body_file=str(directory / one.body_file))

    return replace(
        scenario,
        feeders={
            name: feeder if feeder.file is None else replace(feeder, file=str(directory / feeder.file))
            for name, feeder in scenario.feeders.items()
        },
        request=tuple(step(one) for one in scenario.request),
        journey=tuple(replace(one, step=tuple(step(each) for each in one.step)) for one in scenario.journey),
    )
