"""The load generators that are compared: how each is started, and where it says how many requests it made."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CLIENTS", "CONNECTIONS", "Client"]

CONNECTIONS = 64
_LOCUST_USER = Path(__file__).with_name("locust_user.py")


class Client(NamedTuple):
    """One load generator in its closed model, as its documentation says to run it with one thread."""

    name: str
    command: Callable[[str, int], list[str]]
    """The command for a URL and whole seconds."""
    claimed: Callable[[str], int]
    """How many requests it says it completed, out of its stdout."""
    statuses: tuple[int, ...] = (0,)
    """Exit statuses of a run that went well."""

    @property
    def missing(self) -> bool:
        """It is not installed."""
        program = self.command("", 1)[0]
        return shutil.which(program) is None


def _find(pattern: str) -> Callable[[str], int]:
    def claimed(output: str) -> int:
        found = re.search(pattern, output)
        if found is None:
            raise RuntimeError(f"expected {pattern!r} in the output, got {output[-500:]!r}")
        return int(found[1])

    return claimed


def _perfloop(output: str) -> int:
    return int(json.loads(output)["summary"]["requests"])


def _locust(output: str) -> int:
    return sum(int(entry["num_requests"]) for entry in json.loads(output[output.index("[") :]))


CLIENTS = (
    Client(
        "wrk",
        lambda url, seconds: ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", url],
        _find(r"(\d+) requests in"),
    ),
    Client(
        "perfloop",
        lambda url, seconds: [
            *(sys.executable, "-m", "perfloop", "load", url),
            *("--connections", str(CONNECTIONS), "--duration", f"{seconds}s", "--json"),
        ],
        _perfloop,
        # 3: a target as fast as this one saturates any generator on one core, and perfloop says so.
        (0, 3),
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
    ),
    Client(
        "ab",
        # -t alone stops at 50,000 requests; ab sets memory aside for each one that -n allows.
        lambda url, seconds: ["ab", "-k", f"-c{CONNECTIONS}", f"-t{seconds}", f"-n{1_000_000 * seconds}", url],
        _find(r"Complete requests:\s+(\d+)"),
    ),
    Client(
        "h2load",
        lambda url, seconds: ["h2load", "--h1", "-t1", f"-c{CONNECTIONS}", f"-D{seconds}", url],
        _find(r"requests: \d+ total, \d+ started, (\d+) done"),
    ),
    Client(
        "hey",
        lambda url, seconds: ["hey", "-cpus", "1", f"-c={CONNECTIONS}", f"-z={seconds}s", url],
        _find(r"\[200\]\s+(\d+) responses"),
    ),
)
