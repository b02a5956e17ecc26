"""Where results go: the record and reports to files, one form of it to stdout, everything else to stderr."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple

from ..exceptions import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from ..records import AnyRecord

__all__ = ["Outputs", "deliver", "note", "write_stdout"]


class Outputs(NamedTuple):
    """What a command was asked to write."""

    json: bool = False
    """The record on stdout, and nothing else there."""
    record: Path | None = None
    html: Path | None = None

    def check(self) -> None:
        """See that the files can be written, before anything is measured for them.

        Raises:
            ConfigurationError: a directory is missing or not writable, or the path is a directory.
        """
        for option, path in (("--output", self.record), ("--html", self.html)):
            if path is None:
                continue
            parent = path.parent
            if path.is_dir():
                raise ConfigurationError("Expected a file, but this is a directory", got=str(path), where=option)
            if not parent.is_dir():
                raise ConfigurationError(
                    "Expected a path in a directory that exists",
                    got=str(path),
                    where=option,
                    hint=f"mkdir -p {parent}",
                )
            if not os.access(parent, os.W_OK):
                raise ConfigurationError("Expected a path in a writable directory", got=str(path), where=option)


def deliver(record: AnyRecord, outputs: Outputs) -> None:
    """Write a record to its files and to stdout: JSON when asked for, else the terminal report.

    Raises:
        OSError: a file cannot be written.
    """
    from .. import reporting
    from ..records import save_record

    # Files first: a closed stdout must not lose them.
    if outputs.record is not None:
        save_record(record, outputs.record)
    if outputs.html is not None:
        outputs.html.write_text(reporting.render_html(record), encoding="utf-8")
    if outputs.json:
        write_stdout(reporting.render_json(record).rstrip(b"\n") + b"\n")
        return
    write_terminal(record)
    written = [(name, path) for name, path in (("report", outputs.html), ("record", outputs.record)) if path]
    if written:
        write_stdout(("  " + "    ".join(f"{name}  {path}" for name, path in written) + "\n").encode())


def write_terminal(record: AnyRecord) -> None:
    """Write the terminal report of a record to stdout; colour and width follow the terminal and NO_COLOR."""
    import io

    from rich.console import Console

    from .. import reporting

    # Rendered into memory first, so that a reader who leaves early cannot break the middle of it.
    outside = Console()
    buffer = io.StringIO()
    console = Console(
        file=buffer,
        width=outside.width,
        force_terminal=outside.is_terminal,
        # NO_COLOR takes bold and dim away too: whoever sets it wants plain text.
        color_system=None if outside.no_color else outside.color_system,  # type: ignore[arg-type]
        legacy_windows=False,
    )
    reporting.render_terminal(record, console)
    write_stdout(buffer.getvalue().encode(outside.encoding or "utf-8", "replace"))


def write_stdout(data: bytes) -> None:
    """Write to stdout; a reader who has left (`| head`) is no error."""
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def note(text: str) -> None:
    """A line for people, on stderr."""
    try:
        print(text, file=sys.stderr, flush=True)  # noqa: T201
    except OSError:  # nobody reads stderr any more
        pass
