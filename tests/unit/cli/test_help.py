from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from perfloop.cli import main
from perfloop.cli.app import application, build_command
from perfloop.cli.help import Example, folded, option_rows
from perfloop.cli.reference import pages
from perfloop.cli.registry import COMMANDS, CommandEntry

ROOT = Path(__file__).parents[3]
NAMES = [entry.name for entry in COMMANDS]


def context(entry: CommandEntry) -> typer.Context:
    return typer.Context(build_command(entry), info_name=entry.name)


def test_the_overview_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for entry in COMMANDS:
        assert re.search(rf"^  {entry.name} +{re.escape(entry.summary.split()[0])}", text, re.MULTILINE)
    assert max(len(line) for line in text.splitlines()) <= 80


def test_without_a_command_the_overview_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "Commands:" in capsys.readouterr().out


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    from perfloop import __version__

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"perfloop {__version__}\n"


def test_the_overview_imports_no_command_and_nothing_heavy() -> None:
    script = (
        "import sys; from perfloop.cli import main; status = main(['--help']); "
        "print(status, *sorted(sys.modules), file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    status, *modules = run.stderr.split()
    assert status == "0"
    heavy = {"numpy", "msgspec", "rich.console", "jinja2", "uvloop", "psutil", "asyncio", "pydantic"}
    heavy |= {entry.module for entry in COMMANDS}
    assert heavy & set(modules) == set()


@pytest.mark.parametrize("entry", COMMANDS, ids=NAMES)
def test_help_of_a_command_imports_nothing_heavy(entry: CommandEntry) -> None:
    script = (
        f"import sys; from perfloop.cli import main; status = main([*{entry.name.split()}, '--help']); "
        "print(status, *sorted(sys.modules), file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    status, *modules = run.stderr.split()
    assert status == "0"
    assert {"numpy", "msgspec", "rich.console", "jinja2", "uvloop", "psutil", "pydantic"} & set(modules) == set()
    assert {other.module for other in COMMANDS} & set(modules) == {entry.module}


def test_importing_perfloop_imports_next_to_nothing() -> None:
    script = "import sys; before = set(sys.modules); import perfloop; print(*(set(sys.modules) - before))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert {"numpy", "msgspec", "typer", "asyncio", "re"} & set(run.stdout.split()) == set()


@pytest.mark.parametrize("entry", COMMANDS, ids=NAMES)
def test_every_command_explains_itself_in_80_columns(entry: CommandEntry, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*entry.name.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"Usage: perfloop {entry.name} [OPTIONS]")
    assert "Examples:" in text
    assert [line for line in text.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("entry", COMMANDS, ids=NAMES)
def test_every_option_has_a_text_and_a_long_name(entry: CommandEntry) -> None:
    rows = option_rows(build_command(entry), context(entry))
    assert [row.names for row in rows if len(row.text) < 10] == []
    options = [row.names for row in rows if row.section != "Arguments"]
    assert [names for names in options if "--" not in names] == []


@pytest.mark.parametrize("entry", COMMANDS, ids=NAMES)
def test_every_example_is_a_command_line_of_its_command(entry: CommandEntry) -> None:
    examples = build_command(entry).examples
    assert len(examples) >= 2
    for example in examples:
        assert isinstance(example, Example)
        assert shlex.split(example.line)[: 1 + len(entry.name.split())] == ["perfloop", *entry.name.split()]


@pytest.mark.parametrize("width", [30, 76, 200])
def test_a_folded_line_is_the_same_line_to_a_shell(width: int) -> None:
    line = "perfloop load http://127.0.0.1:8000/ --rate 200 -H 'Content-Type: a' --fail-if \"p99>500ms\" --json"
    lines = folded(line, width)
    assert shlex.split("\n".join(lines).replace("\\\n", " ")) == shlex.split(line)
    assert len(lines) == 1 or width < 200
    assert all(len(part) <= 76 for part in lines) or width != 76


def test_every_command_is_one_file_named_like_it() -> None:
    for entry in COMMANDS:
        assert entry.module == f"perfloop.cli.{entry.function}"
        assert (ROOT / "src" / "perfloop" / "cli" / f"{entry.function}.py").is_file()


def test_the_published_page_is_the_commands_own_help() -> None:
    for name, text in pages().items():
        assert (ROOT / "docs" / name).read_text() == text, f"docs/{name} is out of date: run `make docs`"


def test_the_applications_options_have_texts() -> None:
    root = application()
    assert [row.names for row in option_rows(root, typer.Context(root)) if not row.text] == []


@pytest.mark.parametrize("entry", COMMANDS, ids=NAMES)
def test_no_option_tells_its_default_twice_or_an_empty_one(entry: CommandEntry) -> None:
    for row in option_rows(build_command(entry), context(entry)):
        assert row.text.count("[default:") <= 1, row.names
        assert "[default: ]" not in row.text, row.names
