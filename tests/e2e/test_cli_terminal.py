"""On a terminal: the live view, colour, width; and the shell's completion."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from typing import TYPE_CHECKING

import pytest

from perfloop.cli.registry import COMMANDS

from .conftest import PERFLOOP

if TYPE_CHECKING:
    from pathlib import Path

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
COLUMNS = 80


def on_terminal(*words: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Run perfloop with stdout and stderr on a terminal of 80 columns; gives the status and all it wrote."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", **(env or {})}
    process = subprocess.Popen([PERFLOOP, *words], stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    written = b""
    try:
        while chunk := os.read(ours, 65536):
            written += chunk
    except OSError:  # the other side is closed: it has ended
        pass
    finally:
        os.close(ours)
    return process.wait(30), written.decode()


def visible(text: str) -> list[str]:
    """The lines without control sequences."""
    return [CONTROL.sub("", line).rstrip() for line in re.split(r"[\r\n]+", text)]


def test_the_live_view_redraws_in_place_and_leaves_the_result(service: str, workplace: Path) -> None:
    status, text = on_terminal("load", f"{service}/", "--rate", "50", "--duration", "1s")
    assert status in (0, 3), text
    assert "\x1b[5A\r\x1b[J" in text
    assert COLOUR.search(text)
    lines = visible(text)
    assert any("s left" in line for line in lines)
    assert any(line.startswith("  p99     ") for line in lines)
    assert max(map(len, lines)) <= COLUMNS
    result = text.rpartition("\x1b[J")[2]
    assert "s left" not in result
    assert "perfloop load" in CONTROL.sub("", result)


def test_no_color_is_honoured(service: str, workplace: Path) -> None:
    status, text = on_terminal("load", f"{service}/broken", "--rate", "50", "--duration", "1s", env={"NO_COLOR": "1"})
    assert status in (1, 3), text  # not one request succeeded
    assert "\x1b[5A\r\x1b[J" in text
    assert not COLOUR.search(text)


@pytest.mark.parametrize("words", [["--help"], ["load", "--help"], ["diagnose", "--help"]])
def test_help_fits_the_terminal_and_is_plain_without_colour(words: list[str], workplace: Path) -> None:
    status, text = on_terminal(*words)
    assert status == 0
    assert COLOUR.search(text)
    assert max(map(len, visible(text))) <= COLUMNS
    status, plain = on_terminal(*words, env={"NO_COLOR": "1"})
    assert status == 0
    assert "\x1b" not in plain
    assert visible(plain) == visible(text)


def test_errors_are_coloured_on_a_terminal_alone(workplace: Path) -> None:
    status, text = on_terminal("load", "http://h/", "--rate", "fast")
    assert status == 2
    assert "\x1b[1;31merror:\x1b[0m Expected a rate" in text
    status, text = on_terminal("load", "http://h/", "--rate", "fast", env={"NO_COLOR": "1"})
    assert status == 2
    assert "\x1b" not in text


def bash(script: str, home: Path) -> str:
    environment = {**os.environ, "HOME": str(home), "PATH": f"{PERFLOOP.parent}{os.pathsep}{os.environ['PATH']}"}
    run = subprocess.run(["bash", "--norc", "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("perfloop lo", {"load"}),
        ("perfloop ''", {entry.name.split()[0] for entry in COMMANDS}),
        ("perfloop load --ra", {"--rate"}),
        ("perfloop diagnose --fail", {"--fail-on"}),
    ],
)
def test_bash_completes(words: str, expected: set[str], workplace: Path) -> None:
    # `; true` keeps bash in between: completion asks which shell it is called from.
    script = (
        'eval "$(perfloop --show-completion; true)"; '
        f"COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}}-1)); "
        "_perfloop_completion perfloop; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    assert set(bash(script, workplace).split()) == expected


def test_completion_installs_itself(workplace: Path) -> None:
    bash("perfloop --install-completion; true", workplace)
    installed = workplace / ".bash_completions" / "perfloop.sh"
    assert "_PERFLOOP_COMPLETE" in installed.read_text()
    assert str(installed) in (workplace / ".bashrc").read_text()
