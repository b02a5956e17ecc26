"""Every example that a help text prints runs as printed, but for the port."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest

from perfloop.cli import main
from perfloop.cli.registry import COMMANDS

from ..servers.processes import free_port
from .conftest import PERFLOOP, SHOP

if TYPE_CHECKING:
    from pathlib import Path

SHORT = """\
[load]
duration = "500ms"
[diagnose]
duration = "500ms"
[compare]
duration = "300ms"
runs = 1
"""
PLACES = ("127.0.0.1:8000", "localhost:8000")


def examples(text: str) -> list[str]:
    """The command lines below `Examples:`, each in one line."""
    lines = text.partition("Examples:\n")[2].replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


@pytest.mark.parametrize("command", [entry.name for entry in COMMANDS])
def test_the_examples_run(
    command: str,
    service: str,
    workplace: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert main([command, "--help"]) == 0
    lines = examples(capsys.readouterr().out)
    assert len(lines) >= 2
    (workplace / "perfloop.toml").write_text(SHORT)
    (workplace / "shop.py").write_text(SHOP)
    monkeypatch.setenv("PATH", f"{PERFLOOP.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("UVICORN_PORT", str(free_port()))
    if command in ("compare", "report"):
        for name in ("before.json", "after.json"):
            assert run(f"perfloop load {service}/ --requests 50 --output {name}").returncode in (0, 3)
    for line in lines:
        for place in PLACES:
            line = line.replace(place, service.removeprefix("http://"))
        ended = run(line)
        # A machine too busy to measure on (3) is not the example's fault; everything else is.
        assert ended.returncode in (0, 3) or (ended.returncode == 1 and "--fail-if" in line), f"{line}\n{ended.stderr}"
        assert ended.stdout or "--html" in line, line
        assert "error: " not in ended.stderr, f"{line}\n{ended.stderr}"


def run(line: str) -> subprocess.CompletedProcess[str]:
    assert re.match(r"perfloop \w+ ", line), line
    return subprocess.run(shlex.split(line), capture_output=True, text=True, timeout=60)
