"""What perfloop resilience replay makes of files of real recorders."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import jsonschema
import pytest

from perfloop.records import ReplayRecord, json_schema, load_record
from perfloop.resilience.replay import OutcomeRecorder
from perfloop.telemetry import Registry

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Perfloop

SET = ("--set", "max_failures=3,50", "--set", "reset_timeout=2s")


@pytest.fixture
def outcomes(workplace: Path) -> Path:
    """A directory with the calls of a recorder: two minutes, of which 20 seconds are an outage."""
    recorder = OutcomeRecorder(workplace / "outcomes", "payments", every=3600, registry=Registry())
    for number in range(1200):
        recorder.record(1000 + number / 10, 0.05, int(500 <= number < 700))
    recorder.close()
    return workplace / "outcomes"


def test_settings_are_tried_on_a_record(perfloop: Perfloop, outcomes: Path, workplace: Path) -> None:
    run = perfloop(
        "resilience", "replay", "outcomes", *SET, "--output", "r.json", "--html", "r.html", "--report", "r.md"
    )
    assert run.returncode == 0, run.stderr
    assert "Of 2 settings, max_failures=3 reset_timeout=2s, with the fewest calls on the wrong side" in " ".join(
        run.stdout.split()
    )
    assert max(map(len, run.stdout.splitlines())) <= 80
    record = load_record(workplace / "r.json")
    assert isinstance(record, ReplayRecord)
    assert [each.failures for each in record.outages] == [200]
    assert "max_failures=3" in (workplace / "r.html").read_text()
    assert "in vain" in (workplace / "r.md").read_text().lower()
    shown = perfloop("report", "r.json")
    assert shown.returncode == 0
    assert "the fewest calls" in shown.stdout.lower()


def test_the_record_goes_to_stdout(perfloop: Perfloop, outcomes: Path) -> None:
    run = perfloop("resilience", "replay", "outcomes", *SET, "--outage", "45s..75s", "--slow", "1s", "--json")
    assert run.returncode == 0, run.stderr
    record = json.loads(run.stdout)
    jsonschema.validate(record, json_schema())
    assert [(each["given"], each["start_seconds"]) for each in record["outages"]] == [(True, 45.0)]


def test_damage_is_said(perfloop: Perfloop, outcomes: Path) -> None:
    [path] = outcomes.iterdir()
    path.write_bytes(path.read_bytes() + b"PLOB then the machine went down")
    run = perfloop("resilience", "replay", "outcomes", *SET)
    assert run.returncode == 0
    assert "cut off at byte" in " ".join(run.stdout.split()) + run.stderr or "no block" in run.stdout + run.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere",), "No such file"),
        (("outcomes", "--name", "mail"), "Expected one of the names recorded: payments"),
        (("outcomes", "--set", "max_failures"), "Expected NAME=VALUE,VALUE"),
        (("outcomes", "--set", "max_failures=0"), "max_failures"),
        (("outcomes", "--set", "max_failures=3", "--set", "max_failures=4"), "Expected each setting once"),
        (("outcomes", "--set", "failures=3"), "Expected a setting of a circuit breaker"),
        (("outcomes", "--set", "reset_timeout=soon"), "Expected a duration"),
        (("outcomes", "--set", "reset_backoff=more"), "Expected a number"),
        (("outcomes", "--set", "window=leaky"), "Expected one of consecutive, count, time"),
        (("outcomes", "--outage", "10s"), "Expected FROM..UNTIL"),
        (("outcomes", "--outage", "20s..10s"), "Expected an outage that ends after it began"),
        (("outcomes", "--outage", "then..now"), "Expected a time such as"),
    ],
)
def test_wrong_use_is_explained(perfloop: Perfloop, outcomes: Path, words: tuple[str, ...], said: str) -> None:
    run = perfloop("resilience", "replay", *words)
    assert run.returncode == 2, run.stdout
    assert said in " ".join(run.stderr.split())
