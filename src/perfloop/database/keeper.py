"""Keeps one server for a process that may die at any moment. Run by its path; standard library only.

Its standard input is a pipe whose other end the process holds: when that closes, by whatever death, the server is shut
down and its directory removed. `keeper.py DIRECTORY USER COMMAND…`; an empty USER changes no user.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading

_SHUTDOWN_SECONDS = 10.0
_ending = threading.Event()


def main(directory: str, user: str, *command: str) -> int:
    """Run the command until it ends or nobody needs it any more; its exit status."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the pipe alone decides: a ^C reaches the process that holds it too
    with open(os.path.join(directory, "server.log"), "wb") as log:  # noqa: PTH118, PTH123
        server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            user=user or None,
            extra_groups=[] if user else None,
            cwd=directory,
            restore_signals=True,
            preexec_fn=_default_signals,  # this process has one thread then
        )
    threading.Thread(target=_end_with_input, args=(server,), daemon=True).start()
    status = server.wait()
    if _ending.is_set():
        shutil.rmtree(directory, ignore_errors=True)
    return status  # one that ended by itself leaves its log to be read


def _default_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _end_with_input(server: subprocess.Popen[bytes]) -> None:
    while os.read(0, 4096):
        pass
    _ending.set()
    server.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown: it does not wait for clients to leave
    try:
        server.wait(_SHUTDOWN_SECONDS)
    except subprocess.TimeoutExpired:
        server.send_signal(signal.SIGQUIT)  # at once; its own children go too


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
