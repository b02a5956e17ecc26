from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from perfloop.cli.app import build_command
from perfloop.cli.configuration import find_configuration
from perfloop.cli.registry import COMMANDS
from perfloop.exceptions import ConfigurationError

ROOT = Path(__file__).parents[3]


def settings(directory: Path, command: str = "load") -> dict[str, Any]:
    configuration = find_configuration(directory)
    assert configuration is not None
    entry = next(entry for entry in COMMANDS if entry.name == command)
    return {s.parameter: s.value for s in configuration.settings(command, build_command(entry).params)}


def write(directory: Path, text: str, name: str = "perfloop.toml") -> Path:
    (directory / name).write_text(text)
    return directory


def test_no_file_is_no_configuration(tmp_path: Path) -> None:
    assert find_configuration(tmp_path) is None
    assert find_configuration(write(tmp_path, "[project]\nname='x'\n", "pyproject.toml")) is None


def test_values_keep_the_options_own_spelling(tmp_path: Path) -> None:
    write(tmp_path, 'duration = "30s"\n[load]\nrate = 500\nfail-if = ["p99>1s"]\njson = true\nexpect-status = "2xx"\n')
    assert settings(tmp_path) == {
        "duration": "30s",
        "rate": "500",
        "fail_if": ["p99>1s"],
        "json": True,
        "expect_status": "2xx",
    }


def test_a_single_string_will_do_for_a_repeatable_option(tmp_path: Path) -> None:
    assert settings(write(tmp_path, '[load]\nheader = "A: b"\n')) == {"header": ["A: b"]}


def test_a_commands_own_table_wins(tmp_path: Path) -> None:
    assert settings(write(tmp_path, 'timeout = "1s"\n[load]\ntimeout = "2s"\n')) == {"timeout": "2s"}


def test_a_key_of_another_command_is_no_error_and_has_no_effect(tmp_path: Path) -> None:
    assert settings(write(tmp_path, "runs = 3\n[compare]\nruns = 5\n")) == {}


def test_pyproject_is_read_and_perfloop_toml_wins(tmp_path: Path) -> None:
    write(tmp_path, "[tool.perfloop.load]\nrate = 1\n", "pyproject.toml")
    assert settings(tmp_path) == {"rate": "1"}
    assert settings(write(tmp_path, "[load]\nrate = 2\n")) == {"rate": "2"}


@pytest.mark.parametrize(
    ("text", "message", "got", "key", "hint"),
    [
        ("[load]\nrat = 5\n", "Unknown", "rat", "load.rat", "did you mean `load.rate`?"),
        ("[load]\nfail_if = 'x'\n", "Unknown", "fail_if", "load.fail_if", "did you mean `load.fail-if`?"),
        ("[lod]\nrate = 5\n", "Unknown", "lod", "lod", "did you mean `load`?"),
        ("conections = 5\n", "Unknown", "conections", "conections", "did you mean `connections`?"),
        ("load = 5\n", "a table", 5, "load", None),
        ("[load]\nrate = [1]\n", "a string or a number", [1], "load.rate", None),
        ("[load]\nrate = true\n", "a string or a number", True, "load.rate", None),
        ("[load]\njson = 'yes'\n", "true or false", "yes", "load.json", None),
        ("[load]\nfail-if = [true]\n", "a string or an array of strings", [True], "load.fail-if", None),
    ],
)
def test_an_error_names_the_key_what_was_got_and_what_was_expected(
    tmp_path: Path, text: str, message: str, got: object, key: str, hint: str | None
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings(write(tmp_path, text))
    assert message in caught.value.message
    assert caught.value.got == got
    assert caught.value.where == f"{tmp_path / 'perfloop.toml'}: {key}"
    assert caught.value.hint == hint


def test_the_key_of_a_pyproject_is_named_in_full(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings(write(tmp_path, "[tool.perfloop.load]\nrate = [1]\n", "pyproject.toml"))
    assert caught.value.where == f"{tmp_path / 'pyproject.toml'}: tool.perfloop.load.rate"


@pytest.mark.parametrize("text", ["rate = ", "[load\n", "\x00"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match="Expected TOML") as caught:
        settings(write(tmp_path, text))
    assert caught.value.where == str(tmp_path / "perfloop.toml")


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "perfloop.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="Expected UTF-8"):
        settings(tmp_path)


def test_a_perfloop_table_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Expected a table"):
        find_configuration(write(tmp_path, "[tool]\nperfloop = 3\n", "pyproject.toml"))


def test_targets_have_a_table_of_their_own(tmp_path: Path) -> None:
    assert settings(write(tmp_path, '[targets]\nlatency_p99 = "200ms"\n')) == {}
    configuration = find_configuration(tmp_path)
    assert configuration is not None
    targets = configuration.targets()
    assert targets is not None
    assert (targets.latency_p99, targets.latency_p50) == (0.2, 0.1)


def test_without_a_table_there_are_no_targets(tmp_path: Path) -> None:
    configuration = find_configuration(write(tmp_path, "[load]\nrate = 5\n"))
    assert configuration is not None
    assert configuration.targets() is None


@pytest.mark.parametrize(("text", "where"), [("targets = 5\n", "targets"), ("[targets]\nlatency_p98 = 5\n", "targets")])
def test_wrong_targets_are_named(tmp_path: Path, text: str, where: str) -> None:
    configuration = find_configuration(write(tmp_path, text))
    assert configuration is not None
    with pytest.raises(ConfigurationError) as caught:
        configuration.targets()
    assert caught.value.where == f"{tmp_path / 'perfloop.toml'}: {where}"


@pytest.mark.parametrize("command", [entry.name for entry in COMMANDS])
def test_the_documented_example_is_valid(tmp_path: Path, command: str) -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    example = page.split("```toml\n", 1)[1].split("```", 1)[0]
    write(tmp_path, example, "pyproject.toml")
    settings(tmp_path, command)
    configuration = find_configuration(tmp_path)
    assert configuration is not None
    targets = configuration.targets()
    assert targets is not None
    assert (targets.latency_p99, targets.disk) == (0.3, None)


def test_a_command_of_a_group_has_a_table_in_the_groups(tmp_path: Path) -> None:
    write(tmp_path, '[db.explain]\nanalyze = true\nstatement-timeout = "5s"\n[db.advise]\nclone-rows = 1000\n')
    assert settings(tmp_path, "db explain") == {"analyze": True, "timeout": "5s"}
    assert settings(tmp_path, "db advise") == {"clone_rows": "1000"}
    assert settings(tmp_path, "load") == {}
    write(tmp_path, "[db.explode]\nanalyze = true\n")
    with pytest.raises(ConfigurationError, match="Unknown configuration key") as caught:
        settings(tmp_path, "db explain")
    assert caught.value.hint == "did you mean `db.explain`?"
