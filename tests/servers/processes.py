"""Start a server, wait until it answers, stop it for certain."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["Server", "free_port", "has_ended", "require", "run_server"]

STARTUP_SECONDS = 30.0
SHUTDOWN_SECONDS = 10.0


def require(program: str, *, package: str, also_in: str | None = None) -> str:
    """The path of a server's program. Without it the test is skipped, or fails under PERFLOOP_REQUIRE_SERVICES=1.

    Args:
        package: the Debian package that brings it, for the message.
        also_in: a glob of directories outside PATH; the last one in order that has the program counts.
    """
    path = shutil.which(program)
    if path is None and also_in is not None:
        found = [each / program for each in sorted(Path("/").glob(also_in)) if (each / program).exists()]
        path = str(found[-1]) if found else None
    if path is None:
        message = f"{program} is not installed; `make setup` installs it, or apt-get install {package}"
        if os.environ.get("PERFLOOP_REQUIRE_SERVICES"):
            pytest.fail(message)
        pytest.skip(message)
    return path


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def has_ended(pid: int) -> bool:
    """The process is gone, or only its parent has still to ask how it ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@dataclass(frozen=True)
class Server:
    """A running server process."""

    pid: int
    log: Path

    def output(self) -> str:
        """Everything it wrote so far."""
        return self.log.read_text(errors="replace")


@contextlib.contextmanager
def run_server(
    command: Sequence[str],
    *,
    ready: Callable[[Server], bool],
    env: dict[str, str] | None = None,
    user: str | None = None,
    cwd: Path | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
) -> Iterator[Server]:
    """Run `command` until the block ends; it and all its children are gone afterwards.

    Args:
        ready: asked every 20 ms; an OSError counts as no.
        env: added to this process' environment.
        user: run as this user, for programs that refuse root.
        stop_signal: what makes it shut down in order; after 10 s comes SIGKILL.
    """
    descriptor, name = tempfile.mkstemp(prefix="perfloop-test-", suffix=".log")
    log = Path(name)
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(log.unlink)
        with os.fdopen(descriptor, "w") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                user=user,
                extra_groups=[] if user else None,
                start_new_session=True,
            )
        cleanup.callback(_stop, process, stop_signal)
        server = Server(process.pid, log)
        deadline = time.monotonic() + STARTUP_SECONDS
        while not _answers(ready, server):
            if process.poll() is not None:
                pytest.fail(f"{command[0]} ended with status {process.returncode}:\n{server.output()}")
            if time.monotonic() > deadline:
                pytest.fail(f"{command[0]} was not ready after {STARTUP_SECONDS:.0f} s:\n{server.output()}")
            time.sleep(0.02)
        yield server


def _answers(ready: Callable[[Server], bool], server: Server) -> bool:
    try:
        return ready(server)
    except OSError:
        return False


def _stop(process: subprocess.Popen[bytes], stop_signal: signal.Signals) -> None:
    children: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        children = psutil.Process(process.pid).children(recursive=True)
    if process.poll() is None:
        process.send_signal(stop_signal)
        try:
            process.wait(SHUTDOWN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    _, alive = psutil.wait_procs(children, timeout=1)
    for child in alive:
        child.kill()
    with contextlib.suppress(ProcessLookupError):  # who was started meanwhile is in its session, too
        os.killpg(process.pid, signal.SIGKILL)
