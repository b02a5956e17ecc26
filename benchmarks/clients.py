"""The load generators that are compared: how each is started, and where it says how many requests it made."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CLIENTS", "CONNECTIONS", "HTTP2_CONNECTIONS", "OPEN_RATE", "STREAMS", "Client", "all_requests"]

CONNECTIONS = 64
HTTP2_CONNECTIONS, STREAMS = 4, 10
OPEN_RATE = 20_000
"""Requests a second of the open model."""
_SECONDS = 7
_LOCUST_USER = Path(__file__).with_name("locust_user.py")
_SCENARIOS = Path(__file__).with_name("scenarios")


class Client(NamedTuple):
    """One load generator as its documentation says to run it with one thread; in its closed model, unless named so."""

    name: str
    command: Callable[[str, int], list[str]]
    """The command for a URL and whole seconds."""
    claimed: Callable[[str], int]
    """How many requests it says it completed, out of its stdout."""
    statuses: tuple[int, ...] = (0,)
    """Exit statuses of a run that went well."""
    seconds: int = 2
    """How long it runs. What a figure divides by one another runs equally long, or ours shorter: starting up counts."""

    http2: bool = False
    """It speaks HTTP/2, and the figures of HTTP/1.1 are not for it."""

    @property
    def missing(self) -> bool:
        """It is not installed."""
        program = self.command("", 1)[0]
        return shutil.which(program) is None


_H2LOAD_DONE = r"requests: \d+ total, \d+ started, (\d+) done"


def _find(pattern: str) -> Callable[[str], int]:
    def claimed(output: str) -> int:
        found = re.search(pattern, output)
        if found is None:
            raise RuntimeError(f"expected {pattern!r} in the output, got {output[-500:]!r}")
        return int(found[1])

    return claimed


def all_requests(summary: dict[str, Any]) -> int:
    """What a run of perfloop claims, its warm-up included."""
    return int(summary["requests"] + summary["warm_up_requests"])


def _perfloop(output: str) -> int:
    return all_requests(json.loads(output)["summary"])


def _locust(output: str) -> int:
    return sum(int(entry["num_requests"]) for entry in json.loads(output[output.index("[") :]))


def _load(url: str, seconds: int, *options: str) -> list[str]:
    return [
        *(sys.executable, "-m", "perfloop", "load", url, *options),
        *("--connections", str(CONNECTIONS), "--duration", f"{seconds}s", "--json"),
    ]


CLIENTS = (
    Client(
        "wrk",
        lambda url, seconds: ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", url],
        _find(r"(\d+) requests in"),
        seconds=_SECONDS,
    ),
    Client(
        "perfloop",
        lambda url, seconds: _load(url, seconds),
        _perfloop,
        # 3: a target as fast as this one saturates any generator on one core, and perfloop says so.
        (0, 3),
        seconds=_SECONDS,
    ),
    Client(
        "perfloop open",
        lambda url, seconds: _load(url, seconds, "--rate", str(OPEN_RATE)),
        _perfloop,
        (0, 3),
        seconds=_SECONDS,
    ),
    Client(
        "perfloop precise",
        lambda url, seconds: _load(url, seconds, "--rate", str(OPEN_RATE), "--precise"),
        _perfloop,
        (0, 3),
        seconds=2,
    ),
    Client(
        "perfloop scenario",
        lambda url, seconds: _load(url, seconds, "--scenario", str(_SCENARIOS / "templated.toml")),
        _perfloop,
        (0, 3),
        seconds=5,
    ),
    Client(
        "perfloop python",
        lambda url, seconds: _load(url, seconds, "--scenario", str(_SCENARIOS / "python.py")),
        _perfloop,
        (0, 3),
        seconds=6,
    ),
    Client(
        "locust",
        lambda url, seconds: [
            *(
                sys.executable,
                "-m",
                "locust",
                "-f",
                str(_LOCUST_USER),
                "--headless",
                "--json",
                "--host",
                url.rstrip("/"),
            ),
            *("--users", str(CONNECTIONS), "--spawn-rate", str(CONNECTIONS), "--run-time", f"{seconds}s"),
        ],
        _locust,
        seconds=6,
    ),
    Client(
        "ab",
        # -t alone stops at 50,000 requests; ab sets memory aside for each one that -n allows.
        lambda url, seconds: ["ab", "-k", f"-c{CONNECTIONS}", f"-t{seconds}", f"-n{1_000_000 * seconds}", url],
        _find(r"Complete requests:\s+(\d+)"),
        seconds=1,
    ),
    Client(
        "h2load",
        lambda url, seconds: ["h2load", "--h1", "-t1", f"-c{CONNECTIONS}", f"-D{seconds}", url],
        _find(_H2LOAD_DONE),
        seconds=1,
    ),
    Client(
        "hey",
        lambda url, seconds: ["hey", "-cpus", "1", f"-c={CONNECTIONS}", f"-z={seconds}s", url],
        _find(r"\[200\]\s+(\d+) responses"),
        seconds=1,
    ),
    Client(
        "perfloop http2",
        lambda url, seconds: [
            *(sys.executable, "-m", "perfloop", "load", url, "--http2", "--streams", str(STREAMS)),
            *("--connections", str(HTTP2_CONNECTIONS), "--duration", f"{seconds}s", "--json"),
        ],
        _perfloop,
        (0, 3),
        http2=True,
    ),
    Client(
        "h2load http2",
        lambda url, seconds: ["h2load", "-t1", f"-c{HTTP2_CONNECTIONS}", f"-m{STREAMS}", f"-D{seconds}", url],
        _find(_H2LOAD_DONE),
        http2=True,
    ),
)
