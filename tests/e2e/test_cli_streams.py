"""Standard streams that are closed, full or left, full disks and signals: results are kept, no traceback is shown."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .conftest import PERFLOOP

if TYPE_CHECKING:
    from .conftest import Perfloop


def shell(workplace: Path, line: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `perfloop` as a shell does: `line` holds `"$@"` and its redirections."""
    return subprocess.run(
        ["/bin/sh", "-c", line, "sh", str(PERFLOOP), *words],
        cwd=workplace,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&- >&- 2>&-"])
def test_a_closed_stream_loses_no_record(workplace: Path, service: str, closed: str) -> None:
    run = shell(workplace, f'"$@" {closed}', "load", f"{service}/products", "-n", "20", "-o", "a.json")
    assert run.returncode in (0, 3), run.stderr
    assert json.loads((workplace / "a.json").read_text())["summary"]["requests"] == 20
    assert "Traceback" not in run.stderr
    if closed == "2>&-":
        assert run.stdout.lstrip().startswith("perfloop load"), "what belongs on stderr must not be on stdout"


def test_help_with_nowhere_to_go(workplace: Path) -> None:
    assert (closed := shell(workplace, '"$@" >&-', "--help")).returncode == 0, closed.stderr
    full = shell(workplace, '"$@" >/dev/full', "--help")
    assert full.returncode == 2
    assert full.stderr.startswith("error: Nothing more can be written: No space left on device\n"), full.stderr
    assert "Traceback" not in full.stderr


def test_a_full_disk_is_named_and_the_report_is_shown(perfloop: Perfloop, service: str) -> None:
    run = perfloop("load", f"{service}/products", "-n", "5", "--no-live", "--output", "/dev/full", "--html", "a.html")
    assert run.returncode == 2
    assert "No space left on device" in run.stderr
    assert "where  /dev/full" in run.stderr
    assert "hint: make room there" in run.stderr
    assert "perfloop load" in run.stdout


def test_a_full_stdout(workplace: Path, service: str) -> None:
    run = shell(workplace, '"$@" >/dev/full', "load", f"{service}/products", "-n", "5", "-o", "a.json", "--no-live")
    assert run.returncode == 2
    assert "where  stdout" in run.stderr
    assert (workplace / "a.json").exists()


def test_words_that_are_no_utf8(perfloop: Perfloop, workplace: Path, service: str) -> None:
    name = os.fsdecode(b"h\xff.json")
    run = perfloop(
        "load", f"{service}/cart", "-n", "3", "-d", "\udcff", "-o", name, "--no-live", "--fail-if", "errors>9"
    )
    assert run.returncode in (0, 3), run.stderr
    assert json.loads((workplace / name).read_text())["command"][-4] == "h\ufffd.json"


def test_no_secret_of_a_failing_run_is_shown(perfloop: Perfloop, workplace: Path, service: str) -> None:
    words = ["--output", "s.json", "--html", "s.html", "--report", "s.md", "--report", "s.xml", "--report", "s.csv"]
    run = perfloop("load", f"{service}/broken?token=s3cret&code=s3cret", "-n", "5", "--trace", *words)
    assert run.returncode in (1, 3), run.stderr
    shown = {path.name: path.read_text() for path in workplace.iterdir()}
    assert "token=***" in shown["s.json"]
    for name, text in {**shown, "stdout": run.stdout, "stderr": run.stderr}.items():
        assert "s3cret" not in text, name


def test_a_run_in_which_nothing_succeeded_has_failed(perfloop: Perfloop, service: str) -> None:
    run = perfloop("load", f"{service}/missing", "-n", "5", "--no-live", "--fail-if", "p99>1h")
    assert run.returncode in (1, 3), run.stderr
    assert run.stderr == "failed: not one of 5 requests succeeded\n"


def started(workplace: Path, words: list[str], **streams: int) -> subprocess.Popen[str]:
    """`perfloop` once its run has begun: the first line of progress is out."""
    return subprocess.Popen(
        # `env` lets hang-ups be heard, whoever runs the tests may have them ignored.
        ["env", "--default-signal=HUP", PERFLOOP, *words],
        cwd=workplace,
        text=True,
        start_new_session=True,
        **streams,  # type: ignore[call-overload]
    )


def test_two_signals_at_once_are_one(workplace: Path, service: str) -> None:
    words = ["load", f"{service}/products", "--duration", "30s", "-c", "1", "-o", "a.json"]
    with started(workplace, words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stderr is not None
        run.stderr.readline()
        run.send_signal(signal.SIGINT)
        run.send_signal(signal.SIGINT)
        _, errors = run.communicate(timeout=30)
    assert run.returncode == 130
    assert "interrupted" in errors
    assert json.loads((workplace / "a.json").read_text())["partial"] is True


def test_many_signals_during_the_start_end_it_with_a_message(workplace: Path) -> None:
    with started(workplace, ["compare", "missing.json", "x"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        while not _caught(run.pid):
            time.sleep(0.001)
        for _ in range(5):
            run.send_signal(signal.SIGINT)
        _, errors = run.communicate(timeout=30)
    assert (run.returncode, errors) == (130, "interrupted\n")


def _caught(pid: int) -> bool:
    """Whether the process handles SIGTERM, which Python does not before our main."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    caught = next(line for line in lines if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def test_a_closed_terminal_interrupts(workplace: Path, service: str) -> None:
    terminal, side = pty.openpty()
    words = ["load", f"{service}/products", "--duration", "30s", "-c", "1", "-o", "a.json"]
    with started(workplace, words, stdin=side, stdout=side, stderr=side) as run:
        os.close(side)
        os.read(terminal, 1)
        run.send_signal(signal.SIGHUP)  # as the kernel sends to the foreground of the terminal that is closed
        os.close(terminal)
        with suppress(subprocess.TimeoutExpired):
            run.wait(timeout=30)
    assert run.returncode == 130
    assert json.loads((workplace / "a.json").read_text())["partial"] is True
