"""A generator that is stopped or starved says so; a service that is never makes it say so."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import psutil
import pytest

GENERATOR = """
    import json, sys
    import msgspec
    from perfloop.loadtest import LoadOptions, run_sync
    options = LoadOptions(url=sys.argv[1], **json.loads(sys.argv[2]))
    outcome = run_sync(options, on_progress=lambda progress: print("going", flush=True))
    print(json.dumps(msgspec.to_builtins(outcome.summary)))
"""


class Generator:
    """A load test in a process of its own, under way when the constructor returns."""

    def __init__(self, url: str, **options: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(GENERATOR), url, json.dumps(options)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout.readline() == "going\n"

    def result(self) -> dict:
        out, _ = self.process.communicate(timeout=60)
        return json.loads(out.splitlines()[-1])


@pytest.mark.parametrize(
    "options", [{"rate": 500, "connections": 8}, {"rate": 5000, "connections": 2}, {"connections": 2}],
    ids=["low rate", "high rate", "closed"],
)  # fmt: skip
def test_a_generator_that_was_stopped_says_so(service, options) -> None:
    target = service("constant" if "rate" not in options else "none")
    generator = Generator(target.url, duration=1.2, **options)
    os.kill(generator.process.pid, signal.SIGSTOP)
    time.sleep(0.4)
    os.kill(generator.process.pid, signal.SIGCONT)
    summary = generator.result()
    assert not summary["trustworthy"]
    assert any("stopped or starved for" in reason for reason in summary["reasons"])


def test_a_starved_generator_says_so(service) -> None:
    """Others share its processor, and it gets a small part of it."""
    target = service()
    cpu = {max(os.sched_getaffinity(0))}
    generator = Generator(target.url, rate=4000, connections=16, duration=2)
    spinners = [subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) for _ in range(6)]
    try:
        for spinner in spinners:
            os.sched_setaffinity(spinner.pid, cpu)
        for thread in psutil.Process(generator.process.pid).threads():
            os.sched_setaffinity(thread.id, cpu)
        time.sleep(2)
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()
    summary = generator.result()
    assert not summary["trustworthy"]
    assert summary["reasons"]


def test_a_paused_service_does_not_make_the_generator_untrustworthy(service) -> None:
    target = service()
    generator = Generator(target.url, rate=200, connections=4, duration=2)
    os.kill(target.pid, signal.SIGSTOP)
    time.sleep(1.0)
    os.kill(target.pid, signal.SIGCONT)
    summary = generator.result()
    assert summary["requests"] == 400
    assert summary["latency_ms"]["max"] > 800
    # The machine may be busy with other tests: then it may say it was held up, but never for as long as the pause.
    assert summary["send_lag_ms"]["max"] < 500
    assert not any("stopped or starved for 9" in reason or "for 1 s" in reason for reason in summary["reasons"])
