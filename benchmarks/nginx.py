"""A private nginx: one worker on one core, its own directory and port, nothing of the system's configuration."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from .machine import on_core

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Nginx", "nginx"]

_CONFIGURATION = """
daemon off;
master_process on;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    # No connection is closed for what it has done: clients then measure requests, not reconnections.
    keepalive_requests 1000000000;
    keepalive_timeout 3600s;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location = /status {{ stub_status; }}
        location / {{ default_type text/plain; return 200 "{body}"; }}
    }}
    server {{
        listen 127.0.0.1:{http2_port} http2;
        location / {{ default_type text/plain; return 200 "{body}"; }}
    }}
    server {{
        listen 127.0.0.1:{leaving_port} http2;
        # nginx's own default: after each 1,000th request the connection ends with GOAWAY.
        keepalive_requests 1000;
        location / {{ default_type text/plain; return 200 "{body}"; }}
    }}
}}
"""
_BODY_BYTES = 100


class Nginx:
    """A running nginx."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, http2_port: int, leaving_port: int) -> None:
        self._process = process
        self.url = f"http://127.0.0.1:{port}/"
        self.http2_url = f"http://127.0.0.1:{http2_port}/"
        """The same over HTTP/2, without TLS."""
        self.http2_leaving_url = f"http://127.0.0.1:{leaving_port}/"
        """As `http2_url`, on connections that nginx ends after so many requests as it does by default."""

    def requests_served(self) -> int:
        """How many requests nginx has answered, without the ones that ask."""
        with urllib.request.urlopen(f"{self.url}status", timeout=10) as response:
            # Active connections / server accepts handled requests / three numbers
            served = int(response.read().split(b"\n")[2].split()[2])
        self._asked += 1
        return served - self._asked

    _asked = 0

    def pids(self) -> list[int]:
        """Master and worker."""
        master = psutil.Process(self._process.pid)
        return [master.pid, *(child.pid for child in master.children(recursive=True))]

    def worker_cpu_seconds(self) -> float:
        """What the worker has used since it started."""
        times = psutil.Process(self.pids()[1]).cpu_times()
        return float(times.user + times.system)

    def stop(self) -> float:
        """SIGSTOP; the moment the worker was stopped, on the monotonic clock."""
        master, *workers = self.pids()
        os.kill(master, signal.SIGSTOP)
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)
        at = time.monotonic()
        for worker in workers:
            while psutil.Process(worker).status() != psutil.STATUS_STOPPED:
                time.sleep(0.0005)
        return at

    def go_on(self) -> float:
        """SIGCONT; the moment of it."""
        master, *workers = self.pids()
        at = time.monotonic()
        for worker in workers:
            os.kill(worker, signal.SIGCONT)
        os.kill(master, signal.SIGCONT)
        return at


@contextlib.contextmanager
def nginx(core: int) -> Iterator[Nginx]:
    """An nginx with one worker on `core` that answers every path with 100 bytes.

    Raises:
        RuntimeError: nginx is not installed, or did not start.
    """
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise RuntimeError("nginx is not installed; `make setup` installs it, or apt-get install nginx-light")
    with tempfile.TemporaryDirectory(prefix="perfloop-nginx-") as directory:
        ports = {name: _free_port() for name in ("port", "http2_port", "leaving_port")}
        # Only root can hand the worker to another user, who then needs to reach the directory.
        Path(directory).chmod(0o755)
        configuration = Path(directory) / "nginx.conf"
        configuration.write_text(_CONFIGURATION.format(directory=directory, body="x" * _BODY_BYTES, **ports))
        command = [program, "-p", directory, "-e", f"{directory}/error.log", "-c", str(configuration)]
        process = subprocess.Popen(
            # A benchmark that is killed leaves no server behind.
            on_core(core, ["setpriv", "--pdeathsig", "TERM", *command]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        server = Nginx(process, **ports)
        try:
            _wait_until_ready(server, process, Path(directory) / "error.log")
            yield server
        finally:
            _end(server, process)


def _wait_until_ready(server: Nginx, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(200):
        if process.poll() is not None:
            break
        try:
            server.requests_served()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.025)
        else:
            return
    raise RuntimeError(f"nginx did not start: {log.read_text() if log.exists() else 'no log'}")


def _end(server: Nginx, process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        server.go_on()
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        for pid in reversed(server.pids()):
            os.kill(pid, signal.SIGKILL)
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
