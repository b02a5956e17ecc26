"""`perfloop load --import` as people run it."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from perfloop.cli import main
from perfloop.records import json_schema

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Perfloop

LINE = '10.0.0.{} - - [25/Nov/2026:10:00:0{} +0000] "{} HTTP/1.1" 200 5 "-" "curl/8.5"\n'
LOG = "".join(LINE.format(n % 3, n // 5, f"GET /products?n={n}&token=s3cret") for n in range(10)) + "garbage\n"
HAR = {
    "log": {
        "entries": [
            {
                "startedDateTime": "2026-11-25T10:00:00Z",
                "request": {
                    "method": "GET",
                    "url": "https://shop.example.com/protected",
                    "headers": [{"name": "authorization", "value": "Bearer expired"}],
                },
            }
        ]
    }
}
CART = {"post": {"requestBody": {"content": {"text/plain": {"example": '{"item": 3}'}}}}}
OPENAPI = {"openapi": "3.1.0", "paths": {"/products": {"get": {}}, "/cart": CART}}


@pytest.fixture
def files(workplace: Path) -> Path:
    (workplace / "access.log").write_text(LOG)
    (workplace / "shop.har").write_text(json.dumps(HAR))
    (workplace / "openapi.json").write_text(json.dumps(OPENAPI))
    return workplace


def record_of(text: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(text)
    jsonschema.Draft202012Validator(json_schema()).validate(record)
    return record


@pytest.mark.usefixtures("files")
def test_a_log_is_replayed_and_its_fidelity_reported(perfloop: Perfloop, service: str) -> None:
    run = perfloop("load", service, "--import", "access.log", "--speed", "4", "--json", "--no-live")
    assert run.returncode in (0, 3), run.stderr
    record = record_of(run.stdout)
    assert record["summary"]["requests"] == 10
    assert record["summary"]["errors"] == 0
    assert record["plan"]["requests"] == ["10x GET /products"]
    assert record["plan"]["profile"] == "replay access.log x4"
    fidelity = record["fidelity"]
    assert (fidelity["recorded"], fidelity["sent"], fidelity["speed"]) == (11, 10, 4)
    assert fidelity["mix_distance"] == 0
    assert fidelity["arrival_error_p99_ms"] < 10_000
    assert fidelity["skipped"] == {"no line of an access log": 1}
    assert "line 11: garbage" in run.stderr
    assert "s3cret" not in run.stdout + run.stderr


def test_the_mix_comes_from_a_packed_log_on_stdin(perfloop: Perfloop, service: str) -> None:
    words = ("load", service, "--import", "-", "--requests", "20", "--no-live")
    run = perfloop(*words, stdin=gzip.compress(LOG.encode()))
    assert run.returncode in (0, 3), run.stderr
    assert "11 requests in the access log, 20 sent" in run.stdout
    assert "mix of endpoints off by 0 %" in run.stdout


@pytest.mark.usefixtures("files")
def test_a_header_of_the_user_replaces_the_recorded_one(perfloop: Perfloop, service: str) -> None:
    words = ("load", service, "--import", "shop.har", "--import-host", "shop.example.com", "--requests", "5", "--json")
    expired, fresh = perfloop(*words), perfloop(*words, "-H", "Authorization: Bearer s3cret")
    assert record_of(expired.stdout)["results"]["statuses"] == {"401": 5}
    assert record_of(fresh.stdout)["results"]["statuses"] == {"200": 5}
    assert "s3cret" not in fresh.stdout + fresh.stderr
    assert "expired" not in expired.stdout + expired.stderr


@pytest.mark.usefixtures("files")
def test_methods_that_may_change_data_need_leave(perfloop: Perfloop, service: str) -> None:
    words = ("load", service, "--import", "openapi.json", "--requests", "10")
    refused = perfloop(*words)
    assert refused.returncode == 2
    assert "error: Expected only GET and HEAD" in refused.stderr
    assert "got    1 × POST" in refused.stderr
    assert "hint: --unsafe-methods" in refused.stderr
    sent = perfloop(*words, "--unsafe-methods", "--json")
    assert record_of(sent.stdout)["results"]["statuses"] == {"200": 10}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--speed", "2"], "Expected --import FILE beside this option"),
        (["--unsafe-methods"], "Expected --import FILE beside this option"),
        (["--import", "access.log", "--method", "POST"], "Expected no request beside --import"),
        (["--import", "access.log", "-d", "x"], "Expected no request beside --import"),
        (["--import", "access.log", "--speed", "2", "--rate", "5"], "the recorded times or a rate, not both"),
        (["--import", "access.log", "--speed", "fast"], "a speed above zero"),
        (["--import", "access.log", "--speed", "0"], "a speed above zero"),
        (["--import", "openapi.json", "--unsafe-methods", "--speed", "1"], "says when its requests came"),
        (["--import", "access.log", "--log-field", "when=ts"], "FIELD=KEY"),
        (["--import", "access.log", "--import-format", "postman"], "Expected a format"),
        (["--import", "missing.log"], "Expected a readable file"),
        (["--import", "shop.har"], "of another host"),
        (["--import", "access.log", "--import-format", "har"], "Expected a HAR"),
    ],
)
@pytest.mark.usefixtures("files")
def test_what_cannot_be_is_said_in_one_message(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["load", "http://127.0.0.1:9", *words]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert says in shown.err
    assert "Traceback" not in shown.err


def test_the_command_line_wins_over_the_file(files: Path, service: str, perfloop: Perfloop) -> None:
    (files / "perfloop.toml").write_text('[load]\nrate = 1\nduration = "1ms"\nunsafe-methods = true\n')
    run = perfloop("load", service, "--import", "access.log", "--speed", "10", "--json")
    assert record_of(run.stdout)["summary"]["requests"] == 10
    assert perfloop("load", f"{service}/products", "--requests", "1").returncode in (0, 3)
