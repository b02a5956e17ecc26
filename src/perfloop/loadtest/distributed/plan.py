"""The plan as it goes to a worker: the options of the run, and the files that a scenario needs where it has none."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from ...exceptions import ConfigurationError, InvalidValue
from ...files import read_within
from ...units import format_bytes
from ..arrivals import PROFILES, Profile, Replay
from ..options import LoadOptions
from ..scenario.document import PythonScenario, Scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["MOST_BYTES", "decode_plan", "encode_plan", "scenario_files"]

MOST_BYTES = 64 * 1024 * 1024
"""Of all files that are sent to a worker."""

# What msgspec cannot tell apart by its type.
_OWN_WAYS = ("order", "profile", "scenario")


def encode_plan(options: LoadOptions, files: Mapping[str, bytes]) -> bytes:
    """The options, and the contents of files by their paths, as one message."""
    plain = {name: getattr(options, name) for name in LoadOptions.__struct_fields__ if name not in _OWN_WAYS}
    return msgspec.msgpack.encode(
        {
            "options": plain,
            "order": None if options.order is None else np.asarray(options.order, dtype="<i4").tobytes(),
            "profile": None
            if options.profile is None
            else msgspec.to_builtins(options.profile, enc_hook=_array, builtin_types=(bytes,)),
            "python": isinstance(options.scenario, PythonScenario),
            "scenario": options.scenario,
            "files": files,
        },
        enc_hook=_plain,
    )


def decode_plan(message: bytes, directory: Callable[[], Path]) -> LoadOptions:
    """The options of a message. Its files, if there are any, are written below a directory that is made for them.

    Raises:
        msgspec.MsgspecError: it is no plan.
        ConfigurationError: the files cannot be written.
    """
    raw = msgspec.msgpack.decode(message)
    hints = get_type_hints(LoadOptions, localns={"NDArray": NDArray})
    fields: dict[str, Any] = {
        name: msgspec.convert(value, hints[name]) for name, value in raw["options"].items() if name not in _OWN_WAYS
    }
    if raw["order"] is not None:
        fields["order"] = np.frombuffer(raw["order"], dtype="<i4")
    if raw["profile"] is not None:
        fields["profile"] = _profile(raw["profile"])
    if raw["scenario"] is not None:
        kind: type[Scenario | PythonScenario] = PythonScenario if raw["python"] else Scenario
        scenario = msgspec.convert(raw["scenario"], kind)
        fields["scenario"] = _unpacked(scenario, raw["files"], directory) if raw["files"] else scenario
    return LoadOptions(**fields)


def scenario_files(scenario: Scenario | PythonScenario | None) -> dict[str, bytes]:
    """The files that a scenario needs, by their paths as it names them.

    Of a Python scenario: the file, and what it has imported from beside it.

    Raises:
        InvalidValue: a file that cannot be read, or more of them than MOST_BYTES.
    """
    files: dict[str, bytes] = {}
    for path in _paths(scenario):
        room = MOST_BYTES - sum(map(len, files.values()))
        try:
            files[path] = read_within(Path(path), room)
        except OSError as error:
            raise InvalidValue(
                f"Expected files that can be read, of no more than {format_bytes(MOST_BYTES)} in all, to send to the "
                f"workers: {error.strerror}",
                got=path,
                where="scenario",
            ) from error
    return files


def _paths(scenario: Scenario | PythonScenario | None) -> list[str]:
    if scenario is None:
        return []
    if isinstance(scenario, PythonScenario):
        directory = Path(scenario.file).resolve().parent
        beside = []
        for module in list(sys.modules.values()):
            path = Path(getattr(module, "__file__", None) or "/")
            if path.suffix == ".py" and path.is_relative_to(directory) and "site-packages" not in path.parts:
                beside.append(str(path))
        return list(dict.fromkeys([str(Path(scenario.file).resolve()), *sorted(beside)]))
    feeders = [feeder.file for feeder in scenario.feeders.values() if feeder.file is not None]
    bodies = [step.body_file for journey in scenario.journeys() for step in journey.step if step.body_file is not None]
    return list(dict.fromkeys([*feeders, *bodies]))


def _unpacked(
    scenario: Scenario | PythonScenario, files: Mapping[str, bytes], make_directory: Callable[[], Path]
) -> Scenario | PythonScenario:
    own = next(iter(files))
    try:
        directory = make_directory()
        if isinstance(scenario, PythonScenario):
            places = {path: directory / Path(path).relative_to(Path(own).parent) for path in files}
        else:
            places = {path: directory / f"{number}-{Path(path).name}" for number, path in enumerate(files)}
        for path, place in places.items():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(files[path])
    except OSError as error:
        raise ConfigurationError(
            f"Expected room for the files of the scenario: {error.strerror or error}",
            got=format_bytes(sum(map(len, files.values()))),
            where=error.filename,
            hint="the environment variable TMPDIR of the worker names another directory for them",
        ) from error
    if isinstance(scenario, PythonScenario):
        return replace(scenario, file=str(places[own]))

    def moved(part: Any, field: str) -> Any:
        path = getattr(part, field)
        return part if path is None else replace(part, **{field: str(places[path])})

    return replace(
        scenario,
        feeders={name: moved(feeder, "file") for name, feeder in scenario.feeders.items()},
        request=tuple(moved(request, "body_file") for request in scenario.request),
        journey=tuple(
            replace(journey, step=tuple(moved(step, "body_file") for step in journey.step))
            for journey in scenario.journey
        ),
    )


def _plain(value: Any) -> Any:
    """What options may be given as, beside their own types."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, range):
        return list(value)
    raise NotImplementedError(type(value))


def _array(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return np.asarray(value, dtype="<f8").tobytes()
    raise NotImplementedError(type(value))


def _profile(raw: dict[str, Any]) -> Profile:
    kind = PROFILES[raw.pop("kind")]
    return kind(**{name: _profile_field(kind, name, value) for name, value in raw.items()})


def _profile_field(kind: type[Profile], name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return _profile(value)
    if isinstance(value, list):
        return tuple(_profile(each) if isinstance(each, dict) else _tuple(each) for each in value)
    return np.frombuffer(value, dtype="<f8") if kind is Replay and name == "times" else value


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
