"""A private PostgreSQL: in a temporary directory, on a unix socket nobody else may use, gone afterwards."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..exceptions import ConfigurationError, ServiceNotReady
from .postgresql import require_psycopg
from .scratch import scratch_directory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["LocalServer", "find_program", "run_local_server"]

_PLACES = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "usr/local/pgsql/bin",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
    "Applications/Postgres.app/Contents/Versions/*/bin",
)
_STARTUP_SECONDS = 60.0
_LONGEST_SOCKET_PATH = 85
# What is lost with a crash may be lost: the whole server is thrown away.
_SETTINGS: dict[str, object] = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_wal_size": "4GB",
    "max_connections": 40,
}


@dataclass(frozen=True)
class LocalServer:
    """Where it answers. The superuser is `perfloop`, without a password; nobody but this user reaches the socket."""

    directory: Path
    keeper: int = field(compare=False)
    """Process id of what ends it when this process is gone."""

    def dsn(self, database: str = "postgres") -> str:
        """The URL of one of its databases."""
        return f"postgresql://perfloop@/{database}?host={self.directory}&port=5432"


@contextlib.contextmanager
def run_local_server(
    *, version: int | None = None, settings: Mapping[str, object] | None = None
) -> Iterator[LocalServer]:
    """Create a cluster, start it, and remove both at the end of the block, or when this process is killed.

    Args:
        version: the major version wanted; another installed one is taken where it is missing.
        settings: of postgresql.conf. By default nothing is made durable and autovacuum is off, so that what is measured
            is not disturbed.

    Raises:
        ConfigurationError: no PostgreSQL server is installed here, or its cluster cannot be created.
        ServiceNotReady: it does not start; with the last lines of its log.
    """
    initdb, postgres = find_program("initdb", version), find_program("postgres", version)
    user = _server_user()
    with contextlib.ExitStack() as stack:
        directory, used = stack.enter_context(_directory(user))
        _create(initdb, directory / "data", user)
        command = [postgres, "-D", str(directory / "data"), "-k", str(directory), "-p", "5432"]
        for key, value in {**_SETTINGS, **(settings or {})}.items():
            command += ["-c", f"{key}={value}"]
        keeper = stack.enter_context(_keeper(directory, used, user, command))
        server = LocalServer(directory, keeper.pid)
        _wait(server, keeper)
        yield server


@contextlib.contextmanager
def _keeper(directory: Path, used: int, user: str | None, command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Runs the server until the end of the block, or of this process."""
    script = Path(__file__).with_name("keeper.py")
    read, write = os.pipe()
    try:
        keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", str(script), str(directory), user or "", *command],
            stdin=read,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=(used,),  # the directory is in use while either of the two lives
        )
    except BaseException:
        os.close(write)
        raise
    finally:
        os.close(read)
    try:
        yield keeper
    finally:
        os.close(write)
        keeper.wait()


def find_program(name: str, version: int | None = None) -> str:
    """The path of one of PostgreSQL's programs: of that major version, else of the newest.

    Raises:
        ConfigurationError: it is not installed.
    """
    found = [path for place in _PLACES for directory in Path("/").glob(place) if (path := directory / name).exists()]
    found.sort(key=_major)
    matching = [path for path in found if version is not None and _major(path) == version]
    if matching or found:
        return str((matching or found)[-1])
    on_path = shutil.which(name)
    if on_path is None:
        raise ConfigurationError(
            f"Expected PostgreSQL's program {name} on this machine, but it is not installed",
            hint="apt-get install postgresql, or give --clone-dsn: a server on which perfloop may create databases",
        )
    return on_path


def _major(path: Path) -> int:
    digits = [word for part in path.parts for word in part.replace("@", "-").split("-") if word.isdigit()]
    return int(digits[-1]) if digits else 0


def _server_user() -> str | None:
    """PostgreSQL refuses to run as root: the user to run it as then."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _directory(user: str | None) -> contextlib.AbstractContextManager[tuple[Path, int]]:
    """A directory of the server's own, whose path a socket's name can hold."""
    short = len(tempfile.gettempdir()) < _LONGEST_SOCKET_PATH
    owner = pwd.getpwnam(user).pw_uid if user is not None else None
    return scratch_directory(parent=None if short else "/tmp", owner=owner)  # noqa: S108


def _create(initdb: str, data: Path, user: str | None) -> None:
    command = [initdb, "-D", str(data), "-U", "perfloop", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        user=user,
        extra_groups=[] if user else None,
        cwd=data.parent,
        start_new_session=True,
    ) as creating:
        try:
            output, _ = creating.communicate()
        except BaseException:
            os.killpg(creating.pid, signal.SIGKILL)  # it has children, which would go on for a while
            raise
    if creating.returncode:
        raise ConfigurationError(
            "A private PostgreSQL cluster cannot be created",
            where=str(data),
            output=output,
            hint="is there room in the temporary directory? TMPDIR names another",
        )


def _wait(server: LocalServer, keeper: subprocess.Popen[bytes]) -> None:
    psycopg = require_psycopg()
    deadline = time.monotonic() + _STARTUP_SECONDS
    while True:
        log = server.directory / "server.log"
        output = log.read_text(errors="replace") if log.exists() else ""
        ended = keeper.poll() is not None
        if ended or time.monotonic() > deadline:
            raise ServiceNotReady("The private PostgreSQL did not start", where=str(server.directory), output=output)
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(server.dsn(), connect_timeout=2).close()
            return
        time.sleep(0.02)
