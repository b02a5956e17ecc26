from __future__ import annotations

import asyncio
import os
import sys

import psutil
import pytest

from perfloop.diagnosis import ComparisonOptions, compare_commands
from perfloop.exceptions import ConfigurationError, NoServer, ServiceLost
from perfloop.records import ComparisonRecord

TEXT = """
import asyncio, os

async def app(scope, receive, send):
    if scope["type"] == "http":
        await asyncio.sleep(float(os.environ["PAUSE"]))
        status = int(os.environ.get("STATUS", "200"))
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
"""
COMMAND = (sys.executable, "-m", "uvicorn", "service:app", "--port", "0", "--no-access-log")


def options(tmp_path, **changes) -> ComparisonOptions:
    (tmp_path / "service.py").write_text(TEXT)
    values = {
        "a": COMMAND,
        "b": COMMAND,
        "env_a": {"PAUSE": "0.1"},
        "env_b": {"PAUSE": "0.01"},
        "cwd": tmp_path,
        "runs": 5,
        "duration": 0.5,
        "step_duration": 0.2,
        **changes,
    }
    return ComparisonOptions(**values)


def children() -> set[int]:
    return {child.pid for child in psutil.Process(os.getpid()).children(recursive=True)}


async def test_ten_times_faster_is_faster(tmp_path) -> None:
    before = children()
    told: list[str] = []
    record = await compare_commands(options(tmp_path), on_progress=told.append)
    assert record.verdict == "faster"
    assert record.runs == 5
    assert [metric.metric for metric in record.metrics] == ["latency p50", "latency p99", "capacity", "errors"]
    assert record.metrics[0].a == pytest.approx(100, rel=0.5)
    assert record.b.startswith("PAUSE=0.01 ")
    order = [text.split(",")[1][1] for text in told if text.startswith("run ")]
    assert order == ["A", "B", "B", "A", "A", "B", "B", "A", "A", "B"]
    assert children() == before


async def test_stopped_after_the_first_pair_is_partial(tmp_path) -> None:
    before = children()
    stop = asyncio.Event()

    def tell(text: str) -> None:
        if text.startswith("run 2"):
            stop.set()

    record = await compare_commands(options(tmp_path), on_progress=tell, stop=stop)
    assert record.partial
    assert record.runs == 1
    assert record.verdict == "not enough data"
    assert children() == before


async def test_stopped_before_it_leaves_nothing(tmp_path) -> None:
    before = children()
    stop = asyncio.Event()
    with pytest.raises(asyncio.CancelledError):
        await compare_commands(options(tmp_path), on_progress=lambda _: stop.set(), stop=stop)
    assert children() == before


async def test_a_command_that_is_no_server(tmp_path) -> None:
    with pytest.raises(NoServer):
        await compare_commands(options(tmp_path, b=(sys.executable, "-c", "pass")))


async def test_a_service_that_dies_keeps_the_pairs_before(tmp_path) -> None:
    changed = options(tmp_path)
    # Each start counts itself; the fifth, B's second run, dies.
    text = """
import pathlib, threading
count = pathlib.Path(__file__).with_name(os.environ["PAUSE"])
count.write_text((count.read_text() if count.exists() else "") + "x")
if os.environ["PAUSE"] == "0.01" and len(count.read_text()) == 3:
    threading.Timer(0.6, os._exit, (7,)).start()
"""
    (tmp_path / "service.py").write_text(TEXT + text)
    with pytest.raises(ServiceLost, match="exit status 7") as caught:
        await compare_commands(changed)
    record = caught.value.record
    assert isinstance(record, ComparisonRecord)
    assert record.partial
    assert record.runs == 1
    assert record.reasons[0].startswith("run 2: ")


async def test_no_command(tmp_path) -> None:
    with pytest.raises(ConfigurationError):
        await compare_commands(options(tmp_path, b=()))
