"""Where results go: the record and reports to files, one form of it to stdout, everything else to stderr."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..records import AnyRecord

__all__ = ["Outputs", "deliver", "note", "write_files", "write_stdout"]


class Outputs(NamedTuple):
    """What a command was asked to write."""

    json: bool = False
    """The record on stdout, and nothing else there."""
    record: Path | None = None
    html: Path | None = None
    reports: tuple[Path, ...] = ()
    """Further files, each in the form that its name asks for."""

    @classmethod
    def of(cls, json: bool, output: str | None, html: str | None, reports: Sequence[str] | None) -> Outputs:
        """What the options of those names ask for."""
        return cls(
            json, Path(output) if output else None, Path(html) if html else None, tuple(map(Path, reports or ()))
        )

    def check(self, kind: str | None = None) -> None:
        """See that the files can be written, before anything is measured for them.

        Args:
            kind: of the record that will be written, where it is known.

        Raises:
            ConfigurationError: a directory is missing or not writable, the path is a directory, or its name asks for a
                form that there is not.
        """
        if self.reports:
            from ..reporting import format_of

            for report in self.reports:
                format_of(report, kind=kind, where="--report")
        further = [("--report", path) for path in self.reports]
        for option, path in (("--output", self.record), ("--html", self.html), *further):
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

    # Files first: a closed stdout must not lose them.
    written = write_files(record, outputs)
    if outputs.json:
        write_stdout(reporting.render_json(record).rstrip(b"\n") + b"\n")
        return
    write_terminal(record)
    if written:
        write_stdout(("  " + "    ".join(f"{name}  {path}" for name, path in written) + "\n").encode())


def write_files(record: AnyRecord, outputs: Outputs) -> list[tuple[str, Path]]:
    """Write a record to its files; gives each with what it is.

    Raises:
        ConfigurationError: records of this kind do not have a form that was asked for.
        OSError: a file cannot be written.
    """
    from .. import reporting
    from ..records import save_record

    written = []
    if outputs.record is not None:
        save_record(record, outputs.record)
    for path in (*([outputs.html] if outputs.html else []), *outputs.reports):
        form = reporting.FORMATS[0] if path is outputs.html else reporting.format_of(path)
        path.write_bytes(reporting.render(record, form, where="--report"))
        written.append(("report", path))
    return [*written, *([("record", outputs.record)] if outputs.record else [])]


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
