from __future__ import annotations

from typing import Literal

import pytest
import typer

from perfloop.cli.app import build_command
from perfloop.cli.compare import _options, _status
from perfloop.cli.registry import COMMANDS
from perfloop.records import ComparisonRecord, current_environment


@pytest.mark.parametrize(
    ("verdict", "gate", "status"),
    [
        ("faster", True, 0),
        ("no difference", True, 0),
        ("slower", True, 1),
        ("not enough data", True, 3),
        ("slower", False, 0),
        ("not enough data", False, 0),
    ],
)
def test_the_verdict_decides_the_exit_status_when_asked_to(
    verdict: Literal["faster", "slower", "no difference", "not enough data"], gate: bool, status: int
) -> None:
    record = ComparisonRecord(
        environment=current_environment(), a="a", b="b", runs=5, confidence=0.95, metrics=[], verdict=verdict
    )
    assert _status(record, interrupted=False, fail_if_slower=gate) == status
    assert _status(record, interrupted=True, fail_if_slower=gate) == 130


def test_each_command_has_its_own_environment() -> None:
    command = next(build_command(entry) for entry in COMMANDS if entry.name == "compare")
    options = _options(
        typer.Context(command, info_name="compare"),
        ["uvicorn shop:app", "SHOP_FIX=n_plus_one uvicorn 'shop:app'"],
        ["2x GET /orders"],
        ["Accept: text/html"],
        "7",
        "2s",
        "400ms",
        "http://127.0.0.1:8000/ready",
        "5s",
    )
    assert (options.a, options.env_a) == (("uvicorn", "shop:app"), {})
    assert (options.b, options.env_b) == (("uvicorn", "shop:app"), {"SHOP_FIX": "n_plus_one"})
    assert (options.runs, options.duration, options.step_duration, options.startup_timeout) == (7, 2.0, 0.4, 5.0)
    assert options.ready_url == "http://127.0.0.1:8000/ready"
    (request,) = options.requests
    assert (request.weight, request.target, request.headers) == (2.0, "/orders", (("Accept", "text/html"),))
