"""`perfloop load` as people run it."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from perfloop.records import LoadRecord, json_schema, load_record

from .conftest import PERFLOOP, trusted

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Perfloop

SECRET = "s3cret"


def record_of(text: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(text)
    jsonschema.Draft202012Validator(json_schema()).validate(record)
    return record


def test_a_run_prints_its_result(perfloop: Perfloop, service: str) -> None:
    run = perfloop("load", f"{service}/", "--rate", "100", "--duration", "1s", "--fail-if", "p99>10s")
    assert run.returncode in (0, 3), run.stderr
    assert "perfloop load" in run.stdout
    assert "p99" in run.stdout
    assert "pass" in run.stdout
    assert "\x1b" not in run.stdout + run.stderr
    assert run.stderr == ""


def test_too_few_requests_decide_nothing_about_a_percentile(perfloop: Perfloop, service: str) -> None:
    run = perfloop("load", f"{service}/", "--requests", "40", "--json", "--fail-if", "p99>10s")
    assert run.returncode == 3, run.stderr
    assert "too few requests for p99: 40 were timed, 299 are needed" in run.stderr
    record = record_of(run.stdout)
    assert not record["summary"]["trustworthy"]
    assert record["thresholds"][0]["failed"] is False


def test_json_prints_the_record_and_nothing_else(perfloop: Perfloop, service: str) -> None:
    words = ["--rate", "20", "--requests", "20", "--json", "--fail-if", "errors>0%"]
    run = trusted(perfloop, "load", f"{service}/slow", *words)
    assert run.returncode == 0, run.stderr
    record = record_of(run.stdout)
    assert record["kind"] == "load"
    assert record["summary"]["requests"] == 20
    assert record["summary"]["errors"] == 0
    assert record["plan"]["model"] == "open"
    assert record["plan"]["request_limit"] == 20
    assert record["thresholds"] == [{"expression": "errors>0%", "measured": 0.0, "unit": "%", "failed": False}]


def test_a_traced_run_names_its_slowest_requests(perfloop: Perfloop, service: str) -> None:
    run = perfloop("load", f"{service}/products?token={SECRET}", "--requests", "30", "--trace", "--json")
    slowest = record_of(run.stdout)["results"]["slowest"]
    assert len(slowest) == 20
    assert len({request["trace_id"] for request in slowest}) == 1
    assert {int(request["span_id"], 16) for request in slowest} <= set(range(1, 31))
    assert slowest[0]["request"] == "GET /products?token=***"
    assert slowest == sorted(slowest, key=lambda request: -request["latency_ms"])


def test_several_workers_make_one_load(perfloop: Perfloop, service: str) -> None:
    words = ["load", f"{service}/products", "--workers", "2", "--requests", "31", "--json"]
    record = record_of(perfloop(*words).stdout)
    assert record["summary"]["requests"] == 31
    assert record["results"]["statuses"] == {"200": 31}
    assert [worker["requests"] for worker in record["results"]["workers"]] == [16, 15]
    assert [worker["lost"] for worker in record["results"]["workers"]] == [None, None]


def test_what_workers_cannot_do_is_wrong_use(perfloop: Perfloop, service: str) -> None:
    for words, said in (
        (["--workers", "0"], "--workers"),
        (["--workers", "11"], "as many connections"),
        (["--workers", "two"], "--workers"),
        (["--dask", "nowhere"], "address of a Dask scheduler"),
    ):
        run = perfloop("load", f"{service}/", *words)
        assert run.returncode == 2
        assert said in run.stderr
        assert "Traceback" not in run.stderr


def test_the_closed_model_and_a_mere_host_and_port(perfloop: Perfloop, service: str) -> None:
    run = trusted(perfloop, "load", service.removeprefix("http://"), "--requests", "30", "-c", "3", "--json")
    assert run.returncode == 0, run.stderr
    record = record_of(run.stdout)
    assert record["summary"]["requests"] == 30
    assert (record["plan"]["model"], record["plan"]["connections"]) == ("closed", 3)
    assert record["target"].startswith("http://127.0.0.1:")


def test_files_are_written(perfloop: Perfloop, service: str, workplace: Path) -> None:
    words = ["load", f"{service}/", "--rate", "50", "--duration", "1s", "-o", "a.json", "--html", "a.html"]
    run = perfloop(*words)
    assert run.returncode in (0, 3), run.stderr
    assert "a.json" in run.stdout
    assert "a.html" in run.stdout
    record = load_record(workplace / "a.json")
    assert isinstance(record, LoadRecord)
    assert record.command[:2] == ["perfloop", "load"]
    assert not record.partial
    assert (workplace / "a.html").read_text().lstrip().lower().startswith("<!doctype html>")
    assert sorted(path.name for path in workplace.iterdir()) == ["a.html", "a.json"]


@pytest.mark.parametrize(
    ("path", "words", "status"),
    [
        ("/", ["--fail-if", "p99>1us"], 1),
        ("/", ["--fail-if", "rate<1"], 0),
        ("/broken", ["--fail-if", "errors>50%"], 1),
        ("/broken", [], 1),
        ("/broken", ["--fail-if", "errors>100%"], 0),
        ("/missing", ["--expect-status", "200,404", "--fail-if", "errors>0"], 0),
        ("/", ["--expect-status", "404", "--fail-if", "errors>0"], 1),
    ],
)
def test_conditions_decide_the_exit_status(
    perfloop: Perfloop, service: str, path: str, words: list[str], status: int
) -> None:
    run = trusted(perfloop, "load", service + path, "--requests", "40", "--json", *words)
    assert run.returncode == status, run.stderr
    assert ("failed: " in run.stderr) is (status == 1)


def test_body_headers_and_method_reach_the_service(perfloop: Perfloop, service: str, workplace: Path) -> None:
    (workplace / "cart.json").write_text('{"item": 3}')
    common = ["--requests", "20", "--fail-if", "errors>0", "--json"]
    for words in (["-d", '{"item": 3}'], ["-d", "@cart.json"], ["-X", "post", "--data", "@-"]):
        run = trusted(perfloop, "load", f"{service}/cart", *words, *common, stdin=b'{"item": 3}')
        assert run.returncode == 0, run.stderr


def test_secrets_work_and_are_neither_printed_nor_recorded(perfloop: Perfloop, service: str, workplace: Path) -> None:
    common = ["--requests", "20", "--fail-if", "errors>0", "--html", "a.html", "-o", "a.json"]
    user = service.replace("http://", f"http://user:{SECRET}@")
    for words in (
        [f"{service}/protected?token={SECRET}", "-H", f"Authorization: Bearer {SECRET}"],
        [f"{user}/basic"],
        [f"{service}/cart", "-d", '{"item": 3}', "-H", f"X-Key: {SECRET}"],
    ):
        run = trusted(perfloop, "load", *words, *common)
        assert run.returncode == 0, run.stderr
        written = (workplace / "a.html").read_text() + (workplace / "a.json").read_text()
        assert SECRET not in run.stdout + run.stderr + written


def test_targets_of_the_configuration_are_judged(perfloop: Perfloop, service: str, workplace: Path) -> None:
    (workplace / "perfloop.toml").write_text('[targets]\nlatency_p99 = "1us"\n')
    run = trusted(perfloop, "load", f"{service}/", "--requests", "20", "--json")
    assert run.returncode == 0, run.stderr
    outcomes = {target["name"]: target["outcome"] for target in record_of(run.stdout)["targets"]}
    assert outcomes["latency_p99"] == "missed"
    assert outcomes["latency_p50"] == "met"
    assert outcomes["disk"] == "not measured"


def test_the_configuration_file_gives_options_and_the_command_line_wins(
    perfloop: Perfloop, service: str, workplace: Path
) -> None:
    (workplace / "pyproject.toml").write_text(
        '[tool.perfloop]\ntimeout = "3s"\n[tool.perfloop.load]\nrate = 50\nrequests = 7\nfail-if = ["p99>1us"]\n'
    )
    run = trusted(perfloop, "load", f"{service}/slow", "--json", "--requests", "9")
    assert run.returncode == 1, run.stderr
    record = record_of(run.stdout)
    assert record["summary"]["requests"] == 9
    assert record["plan"]["rate"] == 50
    assert record["plan"]["timeout_seconds"] == 3


def test_a_profile_takes_the_place_of_the_rate_and_duration_of_the_file(
    perfloop: Perfloop, service: str, workplace: Path
) -> None:
    (workplace / "perfloop.toml").write_text('[load]\nrate = 50\nduration = "1m"\n')
    (workplace / "arrivals.txt").write_text("0\n0.1\n0.2\n")
    profile = ["--profile", "ramp 0..100 200ms, pause 100ms", "--profile", "replay arrivals.txt x2"]
    run = perfloop("load", f"{service}/", "--json", *profile)
    assert run.returncode in (0, 3), run.stderr
    record = record_of(run.stdout)
    assert record["summary"]["requests"] == 13
    assert record["plan"]["profile"] == "ramp 0..100 200ms, constant 0 100ms, replay arrivals.txt x2"
    assert (record["plan"]["rate"], record["plan"]["duration_seconds"]) == (None, pytest.approx(0.45))
    # And the other way round.
    (workplace / "perfloop.toml").write_text('[load]\nprofile = ["ramp 0..100 1m", "5 1m"]\n')
    run = perfloop("load", f"{service}/", "--json", "--rate", "100", "--duration", "100ms")
    assert record_of(run.stdout)["plan"]["rate"] == 100


def test_a_reader_that_leaves_early_is_no_error(service: str, workplace: Path) -> None:
    words = ["load", f"{service}/", "--requests", "5", "--json", "-o", "a.json"]
    with subprocess.Popen([PERFLOOP, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read()
        assert process.wait(30) in (0, 3)
    assert b"Traceback" not in errors
    assert b"BrokenPipe" not in errors
    assert (workplace / "a.json").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_keeps_what_was_measured(number: signal.Signals, service: str, workplace: Path) -> None:
    words = ["load", f"{service}/", "--rate", "100", "--duration", "60s", "-o", "a.json", "--json"]
    with subprocess.Popen([PERFLOOP, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        # Without a terminal progress is plain lines; the first one says that the run is under way.
        progress = process.stderr.readline()
        assert "requests/s" in progress
        assert "\x1b" not in progress
        process.send_signal(number)
        out, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "interrupted" in errors
    assert "Traceback" not in errors
    record = record_of(out)
    assert record["partial"] is True
    assert 0 < record["summary"]["requests"] < 5900
    written = load_record(workplace / "a.json")
    assert isinstance(written, LoadRecord)
    assert written.partial


def test_a_generator_that_is_killed_leaves_no_half_record(service: str, workplace: Path) -> None:
    (workplace / "a.json").write_text("older")
    words = ["load", f"{service}/", "--rate", "100", "--duration", "60s", "-o", "a.json"]
    with subprocess.Popen([PERFLOOP, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        process.stderr.readline()
        process.kill()
        assert process.wait(30) == -signal.SIGKILL
    assert (workplace / "a.json").read_text() == "older"
    assert os.listdir(workplace) == ["a.json"]  # noqa: PTH208


def test_a_cold_start_is_left_out_and_said(perfloop: Perfloop, service: str, tmp_path: Path) -> None:
    words = ("load", f"{service}/", "--rate", "50", "--duration", "2s", "--warm-up", "1s")
    run = perfloop(*words, "--output", str(tmp_path / "run.json"), "--report", str(tmp_path / "seconds.csv"))
    assert run.returncode in (0, 3), run.stderr
    assert "warm-up    first 1 s (" in run.stdout
    summary = record_of((tmp_path / "run.json").read_text())["summary"]
    assert summary["requests"] + summary["warm_up_requests"] == 100
    assert summary["warm_up_seconds"] == 1.0
    seconds = list(csv.DictReader((tmp_path / "seconds.csv").read_text().splitlines()))
    assert [second["warm_up"] for second in seconds[:2]] == ["true", "false"]


@pytest.mark.parametrize(("warm_up", "says"), [("sometimes", "Expected auto, none or a time"), ("9s", "shorter than")])
def test_a_warm_up_that_is_none_is_refused(perfloop: Perfloop, warm_up: str, says: str) -> None:
    run = perfloop("load", "localhost:9", "--duration", "2s", "--warm-up", warm_up)
    assert run.returncode == 2
    assert says in run.stderr
    assert "warm-up" in run.stderr.replace("warm_up", "warm-up")
