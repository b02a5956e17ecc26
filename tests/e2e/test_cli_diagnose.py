"""`perfloop diagnose` as people run it: a service of one file, found, loaded, judged and always stopped."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from perfloop.records import DiagnosisRecord, load_record

from .conftest import PERFLOOP, SHOP

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .conftest import Perfloop

SERVE = [sys.executable, "-m", "uvicorn", "shop:app", "--port", "0", "--no-access-log"]
SHORT_STEPS = ["--step-duration", "200ms"]
MARK = "PERFLOOP_TEST_MARK"


@pytest.fixture(autouse=True)
def no_child_left(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every process of this test carries its mark; afterwards none may be left."""
    monkeypatch.setenv(MARK, str(workplace))
    (workplace / "shop.py").write_text(SHOP)
    yield
    monkeypatch.undo()
    left = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(workplace):
                left.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    _, alive = psutil.wait_procs(left, timeout=15)
    for process in alive:
        process.kill()
    assert [process.cmdline() for process in alive] == []


def test_a_healthy_service_with_secrets(perfloop: Perfloop, workplace: Path) -> None:
    words = ["--request", "GET /protected?token=s3cret", "-H", "Authorization: Bearer s3cret"]
    run = perfloop("diagnose", *words, "--duration", "1s", *SHORT_STEPS, "--", "env", "API_KEY=s3cret", *SERVE)
    assert run.returncode in (0, 3), run.stderr
    assert "✓ service up on 127.0.0.1:" in run.stderr
    assert "✓ load curve" in run.stderr
    assert "perfloop-report.html" in run.stdout
    assert "\x1b" not in run.stdout + run.stderr
    record = load_record(workplace / "perfloop-record.json")
    assert isinstance(record, DiagnosisRecord)
    assert record.findings == []
    assert record.summary.requests > 0
    assert record.summary.errors == 0
    assert record.command[:2] == ["perfloop", "diagnose"]
    assert not record.partial
    written = [workplace / name for name in ("perfloop-record.json", "perfloop-report.html")]
    assert "s3cret" not in run.stdout + run.stderr + "".join(path.read_text() for path in written)


def check(run: subprocess.CompletedProcess[str], status: int, *says: str) -> None:
    assert run.returncode == status, run.stderr
    assert run.stdout == ""
    assert run.stderr.count("error: ") >= 1, run.stderr
    assert "Traceback (most recent call last)" not in run.stderr.partition("last output:")[0]
    for text in says:
        assert text in run.stderr, run.stderr


def test_a_command_that_is_no_server(perfloop: Perfloop) -> None:
    run = perfloop("diagnose", "--", sys.executable, "-c", "print('computed')")
    check(run, 2, "perfloop profile", "computed")


def test_a_command_that_exits_at_once_shows_its_last_output(perfloop: Perfloop) -> None:
    run = perfloop("diagnose", "--", sys.executable, "-c", "raise SystemExit('no database here')")
    check(run, 2, "no database here")


def test_a_port_already_in_use(perfloop: Perfloop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        run = perfloop("diagnose", "--", sys.executable, "-m", "uvicorn", "shop:app", "--port", port)
    check(run, 2, "port", port, "hint: ")


def test_a_command_that_is_not_there(perfloop: Perfloop) -> None:
    check(perfloop("diagnose", "--", "no-such-program"), 2, "no-such-program")


def test_a_command_that_never_listens(perfloop: Perfloop) -> None:
    words = ["--startup-timeout", "1s", "--", sys.executable, "-c", "import time; time.sleep(60)"]
    check(perfloop("diagnose", *words), 2, "--startup-timeout")


@pytest.mark.parametrize(("after", "number"), [("service up", signal.SIGTERM), ("load curve", signal.SIGINT)])
def test_an_interruption_writes_a_partial_record(workplace: Path, after: str, number: signal.Signals) -> None:
    # A request that fails is named in the record, and its secrets are not.
    asked = ["--request", "GET /products", "--request", "GET /broken?token=s3cret&sig=s3cret"]
    words = ["diagnose", *asked, "--duration", "60s", *SHORT_STEPS, "-o", "a.json", "--no-files", "--", *SERVE]
    with subprocess.Popen([PERFLOOP, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        seen = ""
        while after not in seen:
            seen = process.stderr.readline()
            assert seen, "it ended before the step"
        if after == "load curve":
            time.sleep(0.5)  # into the judged run
        process.send_signal(number)
        shown, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "interrupted" in errors
    assert "Traceback" not in errors
    assert "s3cret" not in shown + errors + (workplace / "a.json").read_text()
    record = load_record(workplace / "a.json")
    assert isinstance(record, DiagnosisRecord)
    assert record.partial
    assert record.command[:2] == ["perfloop", "diagnose"]
    if after == "load curve":
        assert record.summary.requests > 0
        assert "GET /broken?token=***&sig=*** was answered with 500" in [e.example for e in record.results.error_kinds]


def test_a_diagnosis_that_is_killed_takes_its_service_along(workplace: Path) -> None:
    words = ["diagnose", "--request", "GET /", "-o", "a.json", "--no-files", "--", *SERVE]
    with subprocess.Popen([PERFLOOP, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "service up" in process.stderr.readline()
        process.kill()
        assert process.wait(30) == -signal.SIGKILL
    assert not (workplace / "a.json").exists()


def test_a_service_that_dies_meanwhile(perfloop: Perfloop, workplace: Path) -> None:
    (workplace / "dies.py").write_text(
        re.sub(r"^async def app", "import os, sys\nasync def app", SHOP, flags=re.MULTILINE)
        + "\nserve = app\ncount = 0\n"
        "async def app(scope, receive, send):\n"
        "    global count\n"
        "    count += 1\n"
        "    if count > 300:\n"
        "        print('out of luck', file=sys.stderr, flush=True)\n"
        "        os._exit(7)\n"
        "    await serve(scope, receive, send)\n"
    )
    command = [word.replace("shop:app", "dies:app") for word in SERVE]
    run = perfloop("diagnose", "--request", "GET /", "--", *command)
    assert run.returncode == 3, run.stderr
    assert "exit status 7" in run.stderr
    assert "out of luck" in run.stderr
    assert "UNTRUSTWORTHY" in run.stdout
    record = load_record(workplace / "perfloop-record.json")
    assert isinstance(record, DiagnosisRecord)
    assert record.partial
