"""Whole processes that leak, or do not, watched by the detector in them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.servers.uvicorn import REPOSITORY

LEAKING = Path(__file__).with_name("leaking.py")


def said(kind: str, seconds: float = 30.0, **environment: str) -> str:
    command = [sys.executable, "-m", "tests.integration.monitoring.memory.leaking", kind, str(seconds)]
    process = subprocess.run(
        command, capture_output=True, text=True, timeout=100, cwd=REPOSITORY, env={**os.environ, **environment}
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_a_python_leak_is_reported_with_line_and_holder() -> None:
    report = said("python")
    line = next(at for at, text in enumerate(LEAKING.read_text().splitlines(), 1) if text.endswith("# leaks"))
    assert report.startswith("python leak: Python objects are allocated and kept")
    assert f"{LEAKING}:{line}, " in report
    assert "held by       __main__.KEPT, " in report
    assert "× the CPU time a request" in report


def test_a_native_leak_is_told_from_pythons() -> None:
    report = said("native")
    assert report.startswith("native leak: memory from the C library is allocated and not freed")
    assert re.search(r"(2\.9\d|3|3\.[01]\d?) kB a request", report)
    assert "allocated at" not in report


def test_a_healthy_process_is_not_reported() -> None:
    answer = said("none", seconds=4.0)
    assert not answer.startswith(("python leak", "native leak"))
    assert "samples" in answer


def test_a_forked_child_is_watched_anew() -> None:
    assert said("python", FORKED="1").startswith("python leak")
