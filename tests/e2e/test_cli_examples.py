"""Every example that a help text prints runs as printed, but for the port."""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import jsonschema
import pytest

from perfloop.cli import main
from perfloop.cli.registry import COMMANDS
from perfloop.records import json_schema
from perfloop.resilience import FAILURE, SUCCESS
from perfloop.resilience.replay import OutcomeRecorder
from perfloop.telemetry import Registry

from ..servers.uvicorn import REPOSITORY
from .conftest import PERFLOOP, SHOP
from .test_cli_importing import HAR, LOG, OPENAPI

if TYPE_CHECKING:
    from pathlib import Path

SHORT = """\
[load]
duration = "500ms"
[diagnose]
duration = "500ms"
step-duration = "200ms"
[compare]
duration = "300ms"
step-duration = "200ms"
runs = 1
[capacity]
probe = "100ms"
budget = "1s"
"""
SCENARIOS = REPOSITORY / "examples" / "scenarios"
POLICIES = """\
from perfloop import CircuitBreaker, Deadline, Policy, Retry, Timeout

payments = Policy(Deadline(5), Retry(3, idempotent=True), CircuitBreaker(10), Timeout(1), name="payments")
"""
PLACES = ("127.0.0.1:8000", "localhost:8000")


def examples(command: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The command lines below `Examples:` in a command's help, each in one line."""
    assert main([*command.split(), "--help"]) == 0
    text = capsys.readouterr().out.partition("Examples:\n")[2]
    lines = [line.strip() for line in text.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


@pytest.mark.timeout(300)
def test_the_examples_of_every_command_run(
    service: str, workplace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [line for entry in COMMANDS for line in examples(entry.name, capsys)]
    assert len(lines) >= 3 * len(COMMANDS)
    monkeypatch.setenv("PATH", f"{PERFLOOP.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("UVICORN_PORT", "0")
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--bind 127.0.0.1:0")

    template = workplace / "template"
    template.mkdir()
    (template / "perfloop.toml").write_text(SHORT)
    (template / "shop.py").write_text(SHOP)
    (template / "access.log").write_text(LOG)
    (template / "shop.har").write_text(json.dumps(HAR).replace("/protected", "/products"))
    (template / "openapi.json").write_text(json.dumps(OPENAPI))
    for file in ("shop.toml", "customers.csv"):
        shutil.copy(SCENARIOS / file, template)
    make_database(template / "shop.sqlite3")
    (template / "policies.py").write_text(POLICIES)
    record_outage(template / "outcomes")
    (template / "slow.sql").write_text("SELECT * FROM orders WHERE customer_id = 7 ORDER BY total;\n")
    (template / "queries.sql").write_text("-- calls: 5\nSELECT * FROM orders WHERE customer_id = ?;\n")
    (template / "postgresql.log").write_text("LOG:  duration: 2.5 ms  statement: SELECT * FROM orders WHERE id = 7\n")
    for name in ("before-plan.json", "after-plan.json"):
        explained = run(f"perfloop db explain shop.sqlite3 slow.sql --output {name}", template)
        assert explained.returncode == 0, explained.stderr
    for name in ("before.json", "after.json"):
        measured = run(f"perfloop load {service}/ --requests 50 --output {name}", template)
        assert measured.returncode in (0, 3), measured.stderr

    def check(number: int, line: str) -> None:
        directory = workplace / str(number)
        shutil.copytree(template, directory)
        before = {path.name for path in directory.iterdir()}
        for place in PLACES:
            line = line.replace(place, service.removeprefix("http://"))
        if line.startswith("perfloop monitor "):
            watch(line.replace(":8790", ":0"), directory)
            return
        ended = run(line, directory)
        # A machine too busy to measure on (3) is not the example's fault; everything else is.
        assert ended.returncode in (0, 3) or (ended.returncode == 1 and "--fail-" in line), f"{line}\n{ended.stderr}"
        assert "error: " not in ended.stderr, f"{line}\n{ended.stderr}"
        assert ended.stdout or "--html" in line or "--report" in line, line
        written = {path.name for path in directory.iterdir()} - before - {"__pycache__"}
        words = shlex.split(line)
        assert all(word in written for option, word in itertools.pairwise(words) if option == "--html"), line
        if "resilience" in words and "--json" in words:
            assert json.loads(ended.stdout)["findings"] == []  # no record: nothing was measured
        elif "--json" in words:
            jsonschema.Draft202012Validator(json_schema()).validate(json.loads(ended.stdout))
            assert written == set(), line

    # Side by side: nothing here depends on the figures.
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(check, range(len(lines)), lines))


def record_outage(directory: Path) -> None:
    """Two minutes of calls, of which 20 seconds fail."""
    recorder = OutcomeRecorder(directory, "payments", every=3600, registry=Registry())
    for number in range(1200):
        recorder.record(1000 + number / 10, 0.05, FAILURE if 500 <= number < 700 else SUCCESS)
    recorder.close()


def make_database(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "CREATE TABLE customer(id INTEGER PRIMARY KEY, name TEXT); "
            "CREATE TABLE orders(id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customer, total REAL); "
            "INSERT INTO customer VALUES (7, 'Ann'); INSERT INTO orders VALUES (1, 7, 9.5), (2, 7, 3.0)"
        )
    connection.close()


def watch(line: str, directory: Path) -> None:
    """Run a monitor until its service is up, and interrupt it."""
    words = shlex.split(line)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=directory) as monitor:
        assert monitor.stderr is not None
        assert monitor.stdout is not None
        try:
            said = []
            for text in monitor.stderr:
                said.append(text)
                if text.startswith("service  http"):
                    break
            else:
                raise AssertionError(f"{line}\n{''.join(said)}")
            if "--json" in words:
                assert json.loads(monitor.stdout.readline())["title"] == "uvicorn shop:app"
            monitor.send_signal(signal.SIGINT)
            _, errors = monitor.communicate(timeout=60)
        finally:
            monitor.kill()
    assert monitor.returncode == 0, f"{line}\n{errors}"
    assert "error: " not in errors, f"{line}\n{errors}"


def run(line: str, directory: Path) -> subprocess.CompletedProcess[str]:
    assert re.match(r"perfloop \w+ ", line), line
    return subprocess.run(shlex.split(line), capture_output=True, text=True, timeout=90, cwd=directory)
