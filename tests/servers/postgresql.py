"""A private PostgreSQL: a cluster in a directory of its own, nothing durable, gone afterwards."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from .processes import Server, free_port, require, run_server

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PostgreSQL", "run_postgresql"]

BINARIES = "usr/lib/postgresql/*/bin"


@dataclass(frozen=True)
class PostgreSQL:
    """Where the cluster answers. The superuser is `perfloop`, without a password, in the database `postgres`."""

    port: int
    socket_directory: Path

    @property
    def url(self) -> str:
        """By TCP on 127.0.0.1."""
        return f"postgresql://perfloop@127.0.0.1:{self.port}/postgres"

    @property
    def socket_url(self) -> str:
        """By the unix socket."""
        return f"postgresql://perfloop@/postgres?host={self.socket_directory}&port={self.port}"


@contextlib.contextmanager
def run_postgresql() -> Iterator[PostgreSQL]:
    """Create a cluster, start it, and remove both at the end."""
    initdb = require("initdb", package="postgresql", also_in=BINARIES)
    postgres = require("postgres", package="postgresql", also_in=BINARIES)
    user = _unprivileged_user()
    with tempfile.TemporaryDirectory(prefix="perfloop-postgresql-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        if user is not None:
            shutil.chown(directory, user)
        data = directory / "data"
        created = subprocess.run(
            [initdb, "-D", data, "-U", "perfloop", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
            capture_output=True,
            text=True,
            user=user,
            extra_groups=[] if user else None,
            cwd=directory,
        )
        if created.returncode:
            pytest.fail(f"initdb: {created.stdout}{created.stderr}")
        cluster = PostgreSQL(free_port(), directory)
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": cluster.port,
            "unix_socket_directories": directory,
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_connections": 60,
        }
        command = [postgres, "-D", str(data)]
        for key, value in settings.items():
            command += ["-c", f"{key}={value}"]

        def ready(_: Server) -> bool:
            try:
                psycopg.connect(cluster.url, connect_timeout=1).close()
            except psycopg.OperationalError:
                return False
            return True

        # SIGINT is PostgreSQL's fast shutdown: it does not wait for clients to leave.
        with run_server(command, ready=ready, user=user, cwd=directory, stop_signal=signal.SIGINT):
            yield cluster


def _unprivileged_user() -> str | None:
    """PostgreSQL refuses to run as root: the user to run it as then."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
