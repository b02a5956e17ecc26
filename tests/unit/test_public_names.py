"""What perfloop offers is what it says it offers."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import perfloop

ROOT = Path(__file__).parents[2]
API_PAGE = ROOT / "docs" / "api.md"


def modules() -> list[str]:
    found = [module.name for module in pkgutil.walk_packages(perfloop.__path__, "perfloop.")]
    # The injected files run in a service's interpreter and are not importable as a part of perfloop.
    return ["perfloop", *(name for name in found if ".inject" not in name and not name.endswith("__main__"))]


def documented() -> dict[str, set[str]]:
    """The names in the first column of each table of docs/api.md, by the module in the heading above it."""
    names: dict[str, set[str]] = {}
    for section in re.split(r"^## ", API_PAGE.read_text(), flags=re.MULTILINE)[1:]:
        heading = re.match(r"`(perfloop[\w.]*)`", section)
        if heading is not None:
            names[heading[1]] = {
                name
                for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
                for name in re.findall(r"`(\w+)`", row)
            }
    return names


@pytest.mark.parametrize("name", modules())
def test_every_name_a_module_offers_exists(name: str) -> None:
    module = importlib.import_module(name)
    offered = getattr(module, "__all__", [])
    assert len(set(offered)) == len(offered)
    for each in offered:
        assert hasattr(module, each), f"{name}.{each}"


@pytest.mark.parametrize(
    "name", ["perfloop", "perfloop.exceptions", "perfloop.stats", "perfloop.targets", "perfloop.telemetry"]
)
def test_documented_names_and_all_agree(name: str) -> None:
    assert documented()[name] == set(importlib.import_module(name).__all__)


def test_every_documented_name_exists() -> None:
    for name, names in documented().items():
        assert names
        module = importlib.import_module(name)
        assert names <= set(module.__all__), name


def test_the_lazy_names_are_those_type_checkers_see() -> None:
    tree = ast.parse(Path(perfloop.__file__).read_text())
    seen = {
        (alias.name, node.module)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module != "_version"
        for alias in node.names
    }
    assert seen == set(perfloop._HOMES.items())
    assert {"__version__", *perfloop._HOMES} == set(perfloop.__all__)
    assert set(perfloop.__all__) <= set(dir(perfloop))


@pytest.mark.parametrize("name", sorted(perfloop._HOMES))
def test_a_lazy_name_is_the_one_at_its_home(name: str) -> None:
    assert getattr(perfloop, name) is getattr(importlib.import_module(f"perfloop.{perfloop._HOMES[name]}"), name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'perfloop' has no attribute 'Histogramm'"):
        perfloop.Histogramm  # noqa: B018


def loaded_by(program: str) -> set[str]:
    """The modules a fresh interpreter loads for a program, beyond those it starts with."""
    report = f"import sys; before = set(sys.modules); {program}; print(*set(sys.modules) - before)"
    return set(
        subprocess.run([sys.executable, "-c", report], check=True, capture_output=True, text=True).stdout.split()
    )


def test_importing_perfloop_loads_nothing_else() -> None:
    assert loaded_by("import perfloop") == {"perfloop", "perfloop._version"}


def test_using_a_name_loads_its_home_only() -> None:
    loaded = loaded_by("import perfloop; perfloop.Histogram")
    assert "perfloop.stats" in loaded
    assert not {name for name in loaded if name.startswith(("perfloop.loadtest", "perfloop.cli", "uvloop", "rich"))}


def test_telemetry_loads_no_numpy() -> None:
    """Services publish through it: they should not pay for the analysis."""
    assert "numpy" not in loaded_by("import perfloop.telemetry.exporters.prometheus")
