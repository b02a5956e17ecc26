"""The three standard streams, whatever state they are in: closed, full, or with nobody at the other end."""

from __future__ import annotations

import errno
import io
import mmap
import os
import stat
import sys

__all__ = ["flush_stdout", "note", "open_closed_streams", "stdout_takes", "write_stdout"]

# The reader of a pipe has left, or the terminal was closed.
_LEFT = (errno.EPIPE, errno.EIO)


def open_closed_streams() -> None:
    """Open /dev/null in place of each standard stream that is closed (`>&-`).

    Otherwise the next file or socket that is opened takes its number, and what is printed ends up there.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != descriptor:
                os.dup2(nowhere, descriptor)
                os.close(nowhere)
            os.set_inheritable(descriptor, True)
        if getattr(sys, name) is None:
            file = io.FileIO(descriptor, "w" if descriptor else "r", closefd=False)
            buffer = io.BufferedWriter(file) if descriptor else io.BufferedReader(file)
            setattr(sys, name, io.TextIOWrapper(buffer, "utf-8", "backslashreplace"))


def write_stdout(data: bytes) -> None:
    """Write to stdout; a reader who has left (`| head`, a closed terminal) is no error.

    Raises:
        OSError: it cannot be written, as on a full disk.
    """
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    except OSError as error:
        _drop_stdout()
        if error.errno not in _LEFT:
            raise OSError(error.errno, error.strerror, "stdout") from error


def stdout_takes(size: int) -> bool:
    """Whether stdout takes so many bytes now: False where it is a pipe whose reader leaves too much unread.

    Of other streams nobody can tell, nor where the system is not Linux: True.
    """
    if sys.platform != "linux":
        return True
    import fcntl
    import termios

    try:
        descriptor = sys.stdout.fileno()
        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            return True
        pages = fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ) // mmap.PAGESIZE
        unread = int.from_bytes(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)), sys.byteorder)
    except OSError:
        return True
    # A pipe is a ring of pages. What a write leaves free in its last page may not be enough for the next one: as much
    # again as is unread may be lost to that.
    return not unread or size <= (pages - 2 * (unread // mmap.PAGESIZE + 1)) * mmap.PAGESIZE


def flush_stdout() -> bool:
    """Write what is left for stdout; False when its reader has gone: then it is dropped, as every filter does.

    Raises:
        OSError: it cannot be written, as on a full disk.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        _drop_stdout()
        if error.errno not in _LEFT:
            raise OSError(error.errno, error.strerror, "stdout") from error
        return False
    return True


def _drop_stdout() -> None:
    """Let what is buffered go nowhere, or the interpreter would fail on it once more at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def note(text: str) -> None:
    """A line for people, on stderr."""
    from ..reporting.figures import visible

    try:
        # With its end, in one go: a service writes to the same terminal.
        sys.stderr.write(f"{visible(text)}\n")
        sys.stderr.flush()
    except OSError:  # nobody reads stderr any more
        pass
