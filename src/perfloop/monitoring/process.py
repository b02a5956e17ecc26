"""A command in a session of its own: its output in a bounded ring, its whole tree ended when we end or die."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from ..exceptions import ConfigurationError
from ..redaction import redact_text
from .listening import marked_processes, process_tree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["ChildProcess"]

_RING_BYTES = 256 * 1024
_F_SETPIPE_SZ = 1031

_MARK = "PERFLOOP_RUN"
"""The variable by which a run's processes are known, wherever they have gone."""

# Waits for the end of its standard input: a line means all is well, none that perfloop was killed. Then it ends the
# group $1 and the processes marked $2, and removes the directory $3.
_WATCHDOG = """
end() {
  kill "-$1" "-$2"
  for each in /proc/[0-9]*/environ; do
    if grep -qs "$3" "$each"; then pid="${each#/proc/}"; kill "-$1" "${pid%/environ}"; fi
  done
}
read line || {
  [ -z "$3" ] || rm -rf -- "$3"
  end TERM "$1" "$2"; sleep 5; end KILL "$1" "$2"
} 2>/dev/null
"""


class ChildProcess:
    """A started command.

    Args:
        command: program and arguments; no shell.
        cwd: its working directory; by default this process'.
        env: its whole environment.
        cpus: the processors it may use; None: all.
        echo: also write its output to our standard error.
        private: a directory that goes away when we are killed.

    Raises:
        ConfigurationError: no such program, not executable, or no such directory.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path | None,
        env: Mapping[str, str],
        cpus: frozenset[int] | None,
        echo: bool,
        private: Path | None = None,
    ) -> None:
        if not command:
            raise ConfigurationError("Expected a command to run", hint="for example: -- uvicorn shop:app")
        directory = cwd or Path.cwd()
        if not directory.is_dir():
            raise ConfigurationError("Expected an existing working directory", got=str(directory))
        self._check_program(command[0], directory, env)
        self._mark = f"{_MARK}={secrets.token_hex(16)}"
        try:
            self._popen = subprocess.Popen(
                list(command),
                cwd=directory,
                env={**env, _MARK: self._mark.partition("=")[2]},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise ConfigurationError(
                f"The command cannot be started: {error.strerror}", got=redact_text(command[0])
            ) from error
        self.pid = self._popen.pid
        self._ring: deque[bytes] = deque()
        self._ring_bytes = 0
        self._ring_lock = threading.Lock()
        self._echo = echo
        try:
            if cpus is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.sched_setaffinity(self.pid, cpus)
            self._watchdog = subprocess.Popen(
                ["/bin/sh", "-c", _WATCHDOG, "sh", str(self.pid), self._mark, str(private or "")],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except BaseException:
            self._signal(signal.SIGKILL)
            self._popen.wait()
            raise
        self._reader = threading.Thread(target=self._read, name="perfloop service output", daemon=True)
        self._reader.start()

    @staticmethod
    def _check_program(program: str, directory: Path, env: Mapping[str, str]) -> None:
        shown = redact_text(program)
        found = str(directory / program) if "/" in program else shutil.which(program, path=env.get("PATH"))
        if found is None or not Path(found).exists():
            hint = "give a program on PATH or a path to one"
            if program.endswith(".py") or (directory / program).exists():
                hint = f"start a script with its interpreter: python {shown}"
            raise ConfigurationError("Expected a program that can be run, and there is none", got=shown, hint=hint)
        if not os.access(found, os.X_OK) or Path(found).is_dir():
            script = f"start a script with its interpreter: python {shown}" if program.endswith(".py") else None
            raise ConfigurationError("Expected a program that can be run, and this one is not", got=shown, hint=script)

    @property
    def returncode(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        return self._popen.poll()

    def output_tail(self, lines: int = 30) -> str:
        """The last lines it has written to standard output and standard error."""
        with self._ring_lock:
            text = b"".join(self._ring).decode("utf-8", "replace")
        return "\n".join(text.splitlines()[-lines:])

    def wait_output(self, timeout: float = 1.0) -> None:
        """After its end: wait until all it has written is in the ring, unless a descendant holds the pipe open."""
        self._reader.join(timeout)

    def tree(self) -> list[int]:
        """It and its descendants, those that still run."""
        return process_tree(self.pid)

    def processes(self) -> list[int]:
        """It, its descendants, and those that left it to be daemons: what still runs of them."""
        return list(dict.fromkeys([*process_tree(self.pid), *marked_processes(self._mark)]))

    def terminate(self) -> None:
        """Ask the whole tree to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the whole tree at once, and wait until nothing of it runs."""
        deadline = time.monotonic() + 5.0
        while True:
            self._signal(signal.SIGKILL)
            self._popen.poll()
            if not self.processes() or time.monotonic() > deadline:
                break
            time.sleep(0.01)
        self._popen.wait()

    def close(self) -> None:
        """After its end: let go of the watchdog and the output."""
        if self._watchdog.poll() is None:
            with contextlib.suppress(OSError):
                assert self._watchdog.stdin is not None
                self._watchdog.stdin.write(b"done\n")
                self._watchdog.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._watchdog.wait(5.0)
        self._reader.join(1.0)

    def _signal(self, number: signal.Signals) -> None:
        tree = self.processes()
        if self._popen.returncode is None or tree:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)
        for pid in tree:
            # Those of the group have the signal already; others left it and kept the session or the parent.
            with contextlib.suppress(OSError):
                if os.getpgid(pid) != self.pid:
                    psutil.Process(pid).send_signal(number) if psutil.pid_exists(pid) else None

    def _read(self) -> None:
        pipe = self._popen.stdout
        assert pipe is not None
        descriptor = pipe.fileno()
        with contextlib.suppress(OSError):
            fcntl.fcntl(descriptor, _F_SETPIPE_SZ, 1 << 20)
        with pipe:
            while True:
                try:
                    data = os.read(descriptor, 1 << 16)
                except OSError:
                    return
                if not data:
                    return
                with self._ring_lock:
                    self._ring.append(data)
                    self._ring_bytes += len(data)
                    while self._ring_bytes > _RING_BYTES and len(self._ring) > 1:
                        self._ring_bytes -= len(self._ring.popleft())
                if self._echo:
                    sys.stderr.buffer.write(data)
                    sys.stderr.buffer.flush()
                # An access log has a line a request: gather them, so as not to take the processor from the load.
                if len(data) < 1 << 15:
                    time.sleep(0.02)
