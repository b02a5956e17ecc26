"""Scenarios in Python: which functions of a file are taken how often, and how their errors are told."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import inspect
import os
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ...exceptions import ConfigurationError, InvalidValue
from .document import PythonScenario
from .reading import nearest
from .unawaited import unawaited

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from .user import User

__all__ = [
    "LoadedScenario",
    "described",
    "first_step",
    "forget_cancellation",
    "journey",
    "load_python",
    "read_python",
]

_PACKAGE = str(Path(__file__).parents[2]) + os.sep
_WEIGHT = "__perfloop_weight__"
_LIST = "SCENARIOS"
_AROUND = ("setup", "teardown")

Function = TypeVar("Function", bound="Callable[..., Any]")


def journey(weight: float = 1) -> Callable[[Function], Function]:
    """Mark a coroutine function as what users do: `@journey(weight=3)`.

    Args:
        weight: how often it is taken, relative to the others of its file.

    Raises:
        InvalidValue: no weight above 0.
    """
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < float("inf"):
        raise InvalidValue("Expected a weight above 0", got=weight, hint="write @journey() or @journey(weight=3)")

    def mark(function: Function) -> Function:
        setattr(function, _WEIGHT, float(weight))
        return function

    return mark


class LoadedScenario:
    """The functions of a Python scenario, with `setup` and `teardown` of its file where it has them."""

    def __init__(self, scenario: PythonScenario, module: types.ModuleType) -> None:
        self.functions: list[tuple[str, float, Callable[[User], Coroutine[Any, Any, object]]]] = [
            (name, weight, getattr(module, name)) for name, weight in scenario.functions
        ]
        self.setup, self.teardown = (getattr(module, name, None) for name in _AROUND)


def read_python(file: str, names: tuple[str, ...] = ()) -> PythonScenario:
    """The scenario of a Python file, which is imported.

    Args:
        names: of the functions to take; empty: those in its list SCENARIOS of functions or (function, weight) pairs,
            else those marked with `journey`, else its only coroutine function.

    Raises:
        ConfigurationError: it cannot be imported, has no such function or none, or never awaits a request it makes.
    """
    module = _imported(file)
    if forgotten := unawaited(Path(file).read_bytes()):
        raise ConfigurationError(
            f"Expected `{forgotten.keyword}` before a request: without it, it would never be sent",
            got=forgotten.text,
            where=f"{file}:{forgotten.line}",
            hint=f"write {forgotten.right}",
        )
    for name in _AROUND:
        function = getattr(module, name, None)
        if function is not None:
            _check(function, name, file)
    marked = {
        name: value
        for name, value in vars(module).items()
        if inspect.iscoroutinefunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
    }
    if names:
        found = []
        for name in names:
            if not hasattr(module, name):
                raise ConfigurationError("No such function", got=name, where=file, hint=nearest(name, marked))
            _check(getattr(module, name), name, file)
            found.append((name, getattr(getattr(module, name), _WEIGHT, 1.0)))
        return PythonScenario(file=file, functions=tuple(found))
    if hasattr(module, _LIST):
        return PythonScenario(file=file, functions=_listed(module, file))
    found = [(name, getattr(value, _WEIGHT)) for name, value in marked.items() if hasattr(value, _WEIGHT)]
    if not found:
        found = [(name, 1.0) for name in marked if name not in _AROUND]
        if len(found) != 1:
            raise ConfigurationError(
                "Expected a function marked with @journey, or a list SCENARIOS",
                got=", ".join(name for name, _ in found) or "no coroutine function",
                where=file,
                hint=f"name one: --scenario {file}:NAME",
            )
    for name, _ in found:
        _check(marked[name], name, file)
    return PythonScenario(file=file, functions=tuple(found))


def load_python(scenario: PythonScenario) -> LoadedScenario:
    """The functions of a scenario that was read, in this process or another.

    Raises:
        ConfigurationError: the file cannot be imported.
    """
    return LoadedScenario(scenario, _imported(scenario.file))


def _listed(module: types.ModuleType, file: str) -> tuple[tuple[str, float], ...]:
    found = []
    for number, entry in enumerate(getattr(module, _LIST)):
        function, weight = entry if isinstance(entry, tuple) and len(entry) == 2 else (entry, 1)
        name = getattr(function, "__name__", str(function))
        _check(function, f"{_LIST}[{number}]", file)
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < float("inf"):
            raise InvalidValue("Expected a weight above 0", got=weight, where=f"{file}: {_LIST}[{number}]")
        if getattr(module, name, None) is not function:
            raise ConfigurationError(
                "Expected functions of this file by name", got=name, where=f"{file}: {_LIST}[{number}]"
            )
        found.append((name, float(weight)))
    if not found:
        raise ConfigurationError("Expected at least one function", where=f"{file}: {_LIST}")
    return tuple(found)


def _check(function: object, name: str, file: str) -> None:
    """See that it can be called with a user and awaited."""
    if not inspect.iscoroutinefunction(function):
        raise ConfigurationError(f"Expected a coroutine function: async def {name}(user)", where=f"{file}: {name}")
    try:
        inspect.signature(function).bind(None)
    except TypeError as error:
        raise ConfigurationError(
            f"Expected a function of one argument, the user: {error}",
            where=f"{file}:{function.__code__.co_firstlineno}: {name}",
        ) from error


def _imported(file: str) -> types.ModuleType:
    path = Path(file)
    if not path.is_file():
        raise ConfigurationError("Expected a Python file", got=file, hint="for example --scenario shop.py:browse")
    resolved = path.resolve()
    name = f"perfloop_scenario_{hashlib.sha256(str(resolved).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, resolved)
    if spec is None or spec.loader is None:
        raise ConfigurationError("Expected a file that Python can import", got=file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if str(resolved.parent) not in sys.path:  # it may import what lies beside it, as a script may
        sys.path.insert(0, str(resolved.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if not isinstance(error, Exception | SystemExit):
            raise
        raise ConfigurationError(f"The scenario cannot be imported: {described(error)}", where=file) from error
    return module


def described(error: BaseException) -> str:
    """An exception in one line: type, message, and the line of the user's code it came from."""
    text = " ".join(str(error).split())[:200]
    words = f"{type(error).__name__}: {text}" if text else type(error).__name__
    if isinstance(error, SyntaxError) and error.filename:
        return f"{words}" if "line" in text else f"{words} ({_shown(error.filename)}:{error.lineno})"
    place = None
    traceback = error.__traceback__
    while traceback is not None:
        name = traceback.tb_frame.f_code.co_filename
        if not name.startswith((_PACKAGE, "<frozen")):
            place = f"{_shown(name)}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return words if place is None else f"{words} ({place})"


def _shown(file: str) -> str:
    """The path, relative to the working directory where it lies below it."""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except ValueError:
        return file


def forget_cancellation() -> None:
    """The running task goes on after it was cancelled."""
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()


@types.coroutine
def first_step(user: User, coroutine: Coroutine[Any, Any, object]) -> Generator[Any, None, None]:
    """Run a coroutine to its end; once it waits for the first time, what it sends later was not due at the start.

    But for what tasks send that it waits for, as by `asyncio.gather`: they begin in the loop's next round.
    """
    try:
        waited_for = coroutine.send(None)
    except StopIteration:
        return
    if due := user.due:
        asyncio.get_running_loop().call_soon(_no_longer_due, user, due)
    while True:
        try:
            yield waited_for
        except BaseException as error:
            try:
                waited_for = coroutine.throw(error)
            except StopIteration:
                return
        else:
            break
    yield from coroutine


def _no_longer_due(user: User, due: float) -> None:
    if user.due == due:  # else a request was sent, or another iteration has begun
        user.due = 0.0
