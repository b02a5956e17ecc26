"""What runs inside a Dask worker, with other programs in the place of ours."""

from __future__ import annotations

import sys
import threading

import pytest

from perfloop.loadtest.distributed import host
from perfloop.loadtest.distributed.messages import frame


@pytest.fixture(autouse=True)
def hosted(monkeypatch) -> dict[str, object]:
    kept: dict[str, object] = {}
    monkeypatch.setattr(host, "_hosted", kept)
    return kept


def program(monkeypatch, code: str) -> None:
    monkeypatch.setattr(host, "COMMAND", (sys.executable, "-c", code))


def until_over(token: str) -> host.Exchange:
    """What it said, once it has ended."""
    for thread in threading.enumerate():
        if thread.name.startswith("perfloop-worker"):
            thread.join(20)
            assert not thread.is_alive()
    return host.exchange(token, [], 0)


def test_dask_can_show_no_plan() -> None:
    assert repr(host.Plan(b"Authorization: secret")) == "<a plan of 21 bytes>"


def test_what_it_says_is_kept_until_it_is_acknowledged(monkeypatch) -> None:
    said = frame(b"one") + frame(b"two")
    program(monkeypatch, f"import sys\nsys.stdout.buffer.write({said!r})\nsys.exit(3)")
    host.start("token", host.Plan(b"plan"))
    assert until_over("token") == (0, [b"one", b"two"], 3)
    assert host.exchange("token", [], 1) == (1, [b"two"], 3)


def test_it_may_end_by_itself_once_it_is_closed(monkeypatch, hosted) -> None:
    program(monkeypatch, "import sys\nsys.stdin.buffer.read()\nsys.exit(5)")
    host.start("token", host.Plan(b"plan"))
    worker = hosted["token"]
    host.close("token")
    assert not hosted
    assert worker._process.wait(20) == 5


def test_one_whose_coordinator_never_closed_it_is_forgotten(monkeypatch, hosted) -> None:
    program(monkeypatch, "")
    host.start("orphan", host.Plan(b"plan"))
    until_over("orphan")
    monkeypatch.setattr(host, "_KEPT", -1.0)
    host.start("another", host.Plan(b"plan"))
    assert list(hosted) == ["another"]
    until_over("another")


def test_its_end_is_told_though_a_process_it_forked_goes_on(monkeypatch, hosted) -> None:
    forked = "if not os.fork():\n    sys.stdin.buffer.read()\n    os._exit(0)\n"
    program(monkeypatch, f"import os, sys\n{forked}sys.exit(4)")
    monkeypatch.setattr(host, "LAST_WORDS", 0.0)
    host.start("token", host.Plan(b"plan"))
    for waiting in [thread for thread in threading.enumerate() if thread.name == "perfloop-worker-end"]:
        waiting.join(20)
    assert host.exchange("token", [], 0).status == 4
    host.close("token")
