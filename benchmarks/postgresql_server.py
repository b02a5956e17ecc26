"""A private PostgreSQL: a cluster in a directory of its own, that can be killed and comes back on the same port."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PostgreSQLServer", "postgresql_server"]

_PROGRAMS = "usr/lib/postgresql/*/bin"
_STARTS_WITHIN = 30.0
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    # What is committed outlives kill -9 of the server, as the kernel has it; not of the machine.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "on",
    "max_connections": "300",
}


class PostgreSQLServer:
    """A cluster in `directory`; the superuser is `perfloop`, without a password."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._programs = _programs()
        self._user = None if os.geteuid() else _unprivileged_user()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        if self._user is not None:
            shutil.chown(directory, self._user)
        self._run("initdb", "-D", "data", "-U", "perfloop", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")

    @property
    def url(self) -> str:
        return f"postgresql://perfloop@127.0.0.1:{self.port}/postgres"

    def connect(self) -> psycopg.Connection[Any]:
        """As the superuser."""
        return psycopg.connect(self.url, autocommit=True, connect_timeout=2)

    def start(self) -> None:
        """Start, and wait until it answers. Right after a kill the old processes may be there still: tried again."""
        settings = {**_SETTINGS, "port": str(self.port), "unix_socket_directories": str(self._directory)}
        command = [str(self._programs / "postgres"), "-D", "data"]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        deadline = time.monotonic() + _STARTS_WITHIN
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                self._process = subprocess.Popen(
                    command,
                    cwd=self._directory,
                    user=self._user,
                    extra_groups=[] if self._user else None,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            try:
                self.connect().close()
                return
            except psycopg.OperationalError:
                time.sleep(0.05)
        raise RuntimeError(f"PostgreSQL on port {self.port} does not answer")

    def kill(self) -> None:
        """kill -9 of its first process; the others end when they see that."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it without waiting for clients."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            capture_output=True,
            text=True,
            cwd=self._directory,
            user=self._user,
            extra_groups=[] if self._user else None,
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stdout}{done.stderr}")


@contextlib.contextmanager
def postgresql_server() -> Iterator[PostgreSQLServer]:
    """A cluster that runs until the block ends.

    Raises:
        RuntimeError: PostgreSQL is not installed, or does not answer.
    """
    with tempfile.TemporaryDirectory(prefix="perfloop-postgresql-", ignore_cleanup_errors=True) as name:
        server = PostgreSQLServer(Path(name))
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _programs() -> Path:
    found = [each for each in sorted(Path("/").glob(_PROGRAMS)) if (each / "postgres").exists()]
    if not found:
        raise RuntimeError("PostgreSQL is not installed: run `make setup`")
    return found[-1]


def _unprivileged_user() -> str:
    """PostgreSQL refuses to run as root."""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
