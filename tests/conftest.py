"""Fixtures that more than one kind of test uses. Servers live in tests/servers."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["pytester", "tests.servers.fixtures"]

# How long an example takes says how busy the machine is, and nothing about what it shows.
hypothesis.settings.register_profile(
    "untimed",
    parent=hypothesis.settings(),
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    """Give each worker a session of its own: Linux shares the processors fairly between sessions (its autogroups).

    So what one worker computes does not hold up the load generator of another, whose figures then cannot be trusted.
    Who was started by `nice` stands back behind all others; between sessions that counts where the session says so.
    """
    if hasattr(config, "workerinput"):
        os.setsid()
        _stand_back(os.nice(0))


def _stand_back(nice: int) -> None:
    session = Path("/proc/self/autogroup")
    for _ in range(20 if nice > 0 and session.exists() else 0):
        try:
            session.write_text(str(nice))
        except BlockingIOError:  # at most ten writes a second by all who are not root
            time.sleep(0.1)
        except OSError:  # as in a container: then it counts within its session only
            return
        else:
            return


@pytest.fixture(scope="session", autouse=True)
def no_child_is_left() -> Iterator[None]:
    """Whatever the tests started has ended when the session does."""
    yield
    _, alive = psutil.wait_procs(_children(), timeout=5)
    assert [command for process in alive if (command := _command(process))] == []


def _children() -> list[psutil.Process]:
    # Python's own helper of multiprocessing lives as long as this process.
    children = psutil.Process().children(recursive=True)
    return [process for process in children if "multiprocessing.resource_tracker" not in _command(process)]


def _command(process: psutil.Process) -> str:
    """Its words; none when it has ended meanwhile."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""
