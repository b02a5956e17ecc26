"""The repository keeps its own rules."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "perfloop"
TREES = ("src", "tests", "benchmarks", "examples", "docs", ".ci")
TEXT = {".py", ".md", ".toml", ".json", ".js", ".css", ".html", ".j2", ".svg", ".txt", ".ambr", ".sh", ""}
LONGEST = 500
# Longer, each for a reason: (none yet)
MAY_BE_LONGER: frozenset[str] = frozenset()


def files() -> list[Path]:
    found = [path for path in ROOT.iterdir() if path.is_file() and path.name != ".git"]
    for tree in TREES:
        found += [path for path in (ROOT / tree).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return sorted(path for path in found if path.suffix in TEXT)


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_package_has_tests_in_a_directory_of_its_name() -> None:
    packages = [path.parent for path in SOURCE.glob("*/__init__.py")]
    assert packages
    missing = [
        name(package)
        for package in packages
        if not any(list((ROOT / "tests" / kind / package.name).rglob("test_*.py")) for kind in ("unit", "integration"))
    ]
    assert missing == []


def test_no_file_is_too_long_to_read() -> None:
    too_long = [
        f"{name(path)}: {lines} lines"
        for path in files()
        if path.suffix in {".py", ".md"}
        and name(path) not in MAY_BE_LONGER
        and (lines := len(path.read_text().splitlines())) > LONGEST
    ]
    assert too_long == []


def test_no_file_names_a_machine() -> None:
    # A home or scratch directory of one machine, a sibling checkout, or a package index.
    machine = re.compile(
        r"(?<![\w.>}*])/(?:work|root|home/\w+|Users/\w+)/|\.\./share[d]/|https?://[\w.-]*pypi[\w.-]*/simpl[e]"
    )
    named = [
        f"{name(path)}:{number}: {match[0]}"
        for path in files()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1)
        if (match := machine.search(line))
    ]
    assert named == []


def test_source_has_no_leftovers() -> None:
    leftover = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b|breakpoint\(\)")
    left = [
        f"{name(path)}:{number}: {line.strip()}"
        for path in files()
        if path.suffix == ".py" and path != Path(__file__)
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if leftover.search(line)
    ]
    assert left == []


def test_only_a_missing_server_skips_a_test() -> None:
    skip = re.compile(r"pytest\.(?:skip|importorskip)\(|mark\.(?:skip|skipif|xfail)\b|unittest\.skip")
    skipping = [
        f"{name(path)}:{number}"
        for path in (ROOT / "tests").rglob("*.py")
        if "servers" not in path.parts and path != Path(__file__)
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if skip.search(line)
    ]
    assert skipping == []


def test_makefile_has_every_target_and_each_runs_what_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert targets >= {"setup", "demo", "test", "check", "bench", "docs", "zoo"}
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == targets
    modules = set(re.findall(r"-m ([a-z][\w.]*)", makefile)) - {"venv", "pip"}
    assert modules >= {"examples.demo", "pytest", "benchmarks"}
    for module in modules:
        spec = importlib.util.find_spec(module)
        assert spec is not None, module
        if spec.submodule_search_locations is not None:
            assert importlib.util.find_spec(f"{module}.__main__") is not None, module


def test_every_command_is_registered_and_has_its_file() -> None:
    from perfloop.cli.registry import COMMANDS

    assert {command.name for command in COMMANDS} >= {"load", "diagnose", "compare", "report"}
    for command in COMMANDS:
        assert (SOURCE / "cli" / f"{command.function}.py").exists(), command.name


def test_every_registered_command_has_a_test_and_is_documented() -> None:
    from perfloop.cli.registry import COMMANDS

    readme = (ROOT / "README.md").read_text()
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__))
    for command in COMMANDS:
        assert f"perfloop {command.name}" in readme, f"the README does not show perfloop {command.name}"
        assert re.search(rf"[\"' ]{command.name}[\"' ]", tests), f"no test runs perfloop {command.name}"


def test_every_rule_is_registered_and_has_its_test() -> None:
    from perfloop.diagnosis import RULES

    source, tests = SOURCE / "diagnosis" / "rules", ROOT / "tests" / "unit" / "diagnosis" / "rules"
    rules = {rule.name.replace("-", "_") for rule in RULES}
    assert rules <= {path.stem for path in source.glob("*.py")}
    assert rules <= {path.stem.removeprefix("test_") for path in tests.glob("test_*.py")}


def test_every_dependency_is_accounted_for() -> None:
    project = pyproject()["project"]
    page = (ROOT / "docs" / "dependencies.md").read_text()
    requirements = list(project["dependencies"])
    for wanted in project["optional-dependencies"].values():
        requirements += wanted
    names = {re.split(r"[\[<>=;! ]", requirement)[0] for requirement in requirements} - {"perfloop"}
    undocumented = sorted(each for each in names if not re.search(rf"^\| `{re.escape(each)}`", page, re.MULTILINE))
    assert undocumented == []
    unknown = sorted(
        set(re.findall(r"^\| `([\w-]+)`", page, re.MULTILINE)) - names - set(project["optional-dependencies"])
    )
    assert unknown == [], "documented, but no dependency any more"


def test_every_extra_is_explained() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text()
    extras = pyproject()["project"]["optional-dependencies"]
    assert [extra for extra in extras if f"`{extra}`" not in page] == []


def test_the_essentials_are_there() -> None:
    for essential in ("LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", ".ci/run", "src/perfloop/py.typed"):
        assert (ROOT / essential).is_file(), essential
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text()


def test_the_architecture_page_shows_every_package() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    packages = [path.parent.name for path in SOURCE.glob("*/__init__.py")]
    assert [package for package in packages if f"| `{package}` |" not in page] == []
    paths = re.findall(r"\| `([\w/]+/(?:\w+\.py)?|\w+\.py)`", page)
    assert [path for path in paths if not (SOURCE / path).exists()] == []


def test_the_index_lists_every_page() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert [page for page in sorted(pages) if f"]({page})" not in index] == []
