"""`perfloop capacity` as people run it. How right its answer is shows `python -m benchmarks capacity`."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import TYPE_CHECKING

import jsonschema

from perfloop.records import CapacityRecord, json_schema, load_record

from .conftest import PERFLOOP

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Perfloop

SHORT = ("--target", "p90<2s", "--probe", "200ms", "--budget", "1s")


def test_a_search_prints_curve_and_answer_at_80_columns(perfloop: Perfloop, service: str, workplace: Path) -> None:
    run = perfloop("capacity", f"{service}/products", *SHORT, "--output", "c.json", "--html", "c.html")
    assert run.returncode in (0, 3), run.stderr
    assert "1 in flight: " in run.stderr
    for words in ("perfloop capacity", "constant arrivals", "p90<2s", "scalability", "c.html"):
        assert words in run.stdout
    assert max(len(line) for line in run.stdout.splitlines()) <= 80
    record = load_record(workplace / "c.json")
    assert isinstance(record, CapacityRecord)
    assert record.goals == ["p90<2s", "errors<=0.1%"]
    assert "Latency by rate" in (workplace / "c.html").read_text() or len(record.curve) < 2
    again = perfloop("report", "c.json")
    assert again.stdout.strip() in run.stdout


def test_json_prints_the_record_and_its_secrets_are_gone(perfloop: Perfloop, service: str) -> None:
    url = f"{service}/protected?token=s3cret"
    words = ["-H", "Authorization: Bearer s3cret", "--budget", "300ms", "--probe", "100ms", "--json", "--no-live"]
    run = perfloop("capacity", url, *words)
    assert run.returncode in (0, 3), run.stderr
    record = json.loads(run.stdout)
    jsonschema.Draft202012Validator(json_schema()).validate(record)
    assert record["kind"] == "capacity"
    assert sum(probe["errors"] for probe in record["probes"]) == 0
    assert "s3cret" not in run.stdout + run.stderr


def test_connections_are_used_as_asked(perfloop: Perfloop, service: str) -> None:
    short = ("--budget", "300ms", "--probe", "100ms", "--json", "--no-live")
    run = perfloop("capacity", f"{service}/products", "--no-keep-alive", *short)
    assert json.loads(run.stdout)["plan"]["keep_alive"] is False
    refused = perfloop("capacity", f"{service}/products", "--http2", *short)
    assert refused.returncode == 2
    assert "leave out --http2" in refused.stderr


def test_a_service_that_only_fails_has_no_capacity(perfloop: Perfloop, service: str) -> None:
    run = perfloop("capacity", f"{service}/broken", "--budget", "1s", "--probe", "100ms")
    assert run.returncode == 3, run.stderr
    assert "no request was answered without error" in run.stdout


def test_the_targets_of_the_configuration_are_the_default(perfloop: Perfloop, service: str, workplace: Path) -> None:
    (workplace / "perfloop.toml").write_text(
        "[targets]\nlatency_p50 = false\nlatency_p95 = '3s'\nlatency_p99 = false\n"
        "[capacity]\nprobe = '100ms'\nbudget = '200ms'\n"
    )
    run = perfloop("capacity", f"{service}/products", "--json")
    assert json.loads(run.stdout)["goals"] == ["p95<=3000ms", "errors<=0.1%"]


def test_an_interrupted_search_is_resumed(perfloop: Perfloop, service: str, workplace: Path) -> None:
    words = ["capacity", f"{service}/products", "--target", "p90<2s", "--probe", "400ms", "-o", "c.json"]
    with subprocess.Popen([PERFLOOP, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "1 in flight" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "continue with --resume" in errors
    assert "INTERRUPTED" in out
    first = load_record(workplace / "c.json")
    assert isinstance(first, CapacityRecord)
    assert first.partial
    refused = perfloop(*words[:2], "--target", "p90<1s", "--resume", "c.json")
    assert refused.returncode == 2
    assert "p90<2s" in refused.stderr
    resumed = perfloop(*words, "--budget", "300ms", "--resume", "c.json")
    assert resumed.returncode in (0, 3), resumed.stderr
    second = load_record(workplace / "c.json")
    assert isinstance(second, CapacityRecord)
    assert not second.partial
    assert second.probes[: len(first.probes)] == first.probes
    assert len(second.probes) > len(first.probes)
