"""Area `leaks`: does the leak detector tell leaks from growth that ends? Ten services, real processes, real requests.

Four leak (Python objects in a list beside a busy cache, a library's objects in a dictionary, a few large buffers,
native memory), six do not (steady, warm-up, a cache filling to its bound, fragmentation, bursts, one large load). Each
gets some 6,500 requests in 26 s, with a sample every 0.2 s in place of 30 s; two run at a time.

- `correct`: services whose last verdict is true and which were never reported wrongly meanwhile, of 10;
- `lines_named`: Python leaks of which the first line named allocates what is kept, of `python_leaks`;
- `false_alarms`: healthy services that were ever reported as leaking;
- `window_cpu_ratio`: CPU time a request while allocations were traced ÷ before, the median of all windows.

The peer is the simple rule, memory grew by more than a bound since the baseline: `simple_rule_correct` at the bound
that serves it best on these ten, which nobody knows beforehand.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from perfloop import loadtest

from ..progress import say
from .services import SERVICES, planted_lines

__all__ = ["run"]

REPOSITORY = Path(__file__).parents[2]
AT_A_TIME = 2
_PATIENCE = 120


def run(full: bool) -> dict[str, Any]:
    """Run the ten services.

    Args:
        full: three times; the figures are then those of the worst round.
    """
    rounds = [asyncio.run(_round()) for _ in range(3 if full else 1)]
    return min(rounds, key=lambda each: (each["figures"]["correct"], each["figures"]["lines_named"]))


async def _round() -> dict[str, Any]:
    places = asyncio.Semaphore(AT_A_TIME)

    async def one(name: str) -> dict[str, Any]:
        async with places:
            return await _watched(name)

    answers = await asyncio.gather(*(one(name) for name in SERVICES))
    said = dict(zip(SERVICES, answers, strict=True))
    leaking = {name for name, planted in SERVICES.items() if planted.accepted & {"python leak", "native leak"}}
    python = {name: lines for name in SERVICES if (lines := planted_lines(name))}
    figures = {
        "correct": sum(_true(name, each) for name, each in said.items()),
        "services": len(said),
        "lines_named": sum(bool(lines.intersection(said[name]["lines"][:1])) for name, lines in python.items()),
        "python_leaks": len(python),
        "false_alarms": sum(bool(each["reported"]) for name, each in said.items() if name not in leaking),
        "window_cpu_ratio": statistics.median(
            [ratio for each in said.values() for _, ratio, _ in each["windows"] if ratio is not None] or [0.0]
        ),
    }
    bounds = [each["growth"] for each in said.values()]
    simple = max(sum((each["growth"] > bound) == (name in leaking) for name, each in said.items()) for bound in bounds)
    return {"figures": figures, "peers": {"simple_rule_correct": simple}}


def _true(name: str, said: dict[str, Any]) -> bool:
    accepted = SERVICES[name].accepted
    return said["kind"] in accepted and set(said["reported"]) <= accepted


async def _watched(name: str) -> dict[str, Any]:
    """What the detector in one service said at the end of its load."""
    command = [sys.executable, "-m", "benchmarks.leaks.server", name]
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=REPOSITORY
        ) as service,
    ):
        assert service.stdin is not None
        assert service.stdout is not None
        # Whatever happens, reading from it ends, and with it the thread that does.
        deadline = threading.Timer(_PATIENCE, service.kill)
        deadline.start()
        try:
            port = int(await asyncio.to_thread(service.stdout.readline))
            await loadtest.run(
                loadtest.LoadOptions(
                    url=f"http://127.0.0.1:{port}/",
                    profile=loadtest.parse_profile(SERVICES[name].profile),
                    connections=100,
                    duration=None,
                    warm_up="none",
                )
            )
            service.stdin.close()
            said: dict[str, Any] = json.loads(await asyncio.to_thread(service.stdout.readline))
        except ValueError as error:
            errors.seek(0)
            raise RuntimeError(f"{name} did not answer: {errors.read()[-2000:]}") from error
        finally:
            deadline.cancel()
            service.kill()
    true = "true" if _true(name, said) else "WRONG"
    say(f"{name}: {said['kind']}, {true} ({said['requests']:,} requests, {said['samples']} samples): {said['reason']}")
    if said["report"]:
        say(said["report"])
    return said
