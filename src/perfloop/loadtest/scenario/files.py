"""`FILE[:NAME]` of `--scenario`: TOML or Python by the file's ending, checked as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...exceptions import ConfigurationError
from .compiling import compile_scenario
from .programming import read_python
from .reading import read_toml

if TYPE_CHECKING:
    from .document import PythonScenario, Scenario

__all__ = ["read_scenario"]


def read_scenario(text: str) -> Scenario | PythonScenario:
    """The scenario of a TOML file, or of a Python file: `shop.toml`, `shop.py`, `shop.py:browse`, `shop.py:browse,buy`.

    Raises:
        ConfigurationError: unreadable, or something in it cannot be used; says where.
    """
    file, colon, names = text.rpartition(":")
    if not colon or not file.endswith(".py"):
        file, names = text, ""
    if file.endswith(".py"):
        return read_python(file, tuple(name.strip() for name in names.split(",") if name.strip()))
    if file.endswith(".toml"):
        scenario, places = read_toml(Path(file))
        compile_scenario(scenario, places=places)
        return scenario
    raise ConfigurationError(
        "Expected a scenario: a .toml or .py file", got=text, hint="for example shop.toml, shop.py or shop.py:browse"
    )
