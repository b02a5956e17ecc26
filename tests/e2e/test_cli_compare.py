"""`perfloop compare` as people run it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import jsonschema
import pytest

from perfloop.records import ComparisonRecord, json_schema, load_record

from .conftest import PERFLOOP, SHOP

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Perfloop

SERVE = f"{sys.executable} -m uvicorn shop:app --port 0 --no-access-log"


@pytest.fixture(scope="session")
def measured(service: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with before.json, a record of `perfloop load`."""
    directory = tmp_path_factory.mktemp("records")
    words = ["load", f"{service}/", "--requests", "100", "--output", "before.json", "--no-live"]
    run = subprocess.run([PERFLOOP, *words], cwd=directory, capture_output=True, text=True)
    assert run.returncode in (0, 3), run.stderr
    return directory


def test_two_records(perfloop: Perfloop, measured: Path, workplace: Path) -> None:
    before = str(measured / "before.json")
    run = perfloop("compare", before, before, "--output", "c.json", "--html", "c.html", "--json")
    assert run.returncode == 0, run.stderr
    record = json.loads(run.stdout)
    jsonschema.Draft202012Validator(json_schema()).validate(record)
    assert record["kind"] == "comparison"
    assert record["verdict"] in ("no difference", "not enough data")
    assert isinstance(load_record(workplace / "c.json"), ComparisonRecord)
    assert (workplace / "c.html").stat().st_size > 1000


def test_an_interruption_keeps_what_there_is(workplace: Path) -> None:
    (workplace / "shop.py").write_text(SHOP)
    words = [
        "compare",
        "--cmd",
        f"DB_PASSWORD=s3cret {SERVE}",
        "--cmd",
        SERVE,
        "--request",
        "GET /products",
        "-o",
        "c.json",
    ]
    with subprocess.Popen([PERFLOOP, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "A first tried" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "interrupted" in errors
    record = load_record(workplace / "c.json")
    assert isinstance(record, ComparisonRecord)
    assert record.partial
    assert "s3cret" not in (workplace / "c.json").read_text()
    assert record.verdict == "not enough data"


def test_a_command_that_does_not_start(perfloop: Perfloop) -> None:
    run = perfloop("compare", "--cmd", f"{sys.executable} -c 1", "--cmd", SERVE, "--request", "GET /")
    assert run.returncode == 2
    assert run.stderr.startswith("error: ")
    assert os.listdir() == []  # noqa: PTH208
