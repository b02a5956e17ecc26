"""Where results go: the record and reports to files, one form of it to stdout."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..exceptions import ConfigurationError
from ..reporting.figures import visible
from .streams import note, write_stdout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..records import AnyRecord

__all__ = ["Outputs", "deliver", "note", "raise_first", "write_files", "write_stdout", "write_terminal"]


class Outputs(NamedTuple):
    """What a command was asked to write."""

    json: bool = False
    """The record on stdout, and nothing else there."""
    record: Path | None = None
    html: Path | None = None
    reports: tuple[Path, ...] = ()
    """Further files, each in the form that its name asks for."""

    @classmethod
    def of(
        cls,
        json: bool,
        output: str | None,
        html: str | None,
        reports: Sequence[str] | None,
        defaults: tuple[Path | None, Path | None] = (None, None),
    ) -> Outputs:
        """What the options of those names ask for; `defaults` are the record and the page where they ask for none."""
        return cls(
            json,
            defaults[0] if output is None else Path(_given(output, "--output")),
            defaults[1] if html is None else Path(_given(html, "--html")),
            tuple(Path(_given(report, "--report")) for report in reports or ()),
        )

    def check(self, kind: str | None = None) -> None:
        """See that the files can be written, before anything is measured for them.

        Args:
            kind: of the record that will be written, where it is known.

        Raises:
            ConfigurationError: a directory is missing or not writable, the path is a directory, its name asks for a
                form that there is not, or two results go to one file.
        """
        if self.reports:
            from ..reporting import format_of

            for report in self.reports:
                format_of(report, kind=kind, where="--report")
        taken: dict[str, str] = {}
        further = [("--report", path) for path in self.reports]
        for option, path in (("--output", self.record), ("--html", self.html), *further):
            if path is None:
                continue
            _check_writable(path, option)
            if path.exists() and not path.is_file():  # a device or a pipe takes any number of them
                continue
            other = taken.setdefault(os.path.realpath(path), option)
            if other != option or sum(os.path.realpath(each) == os.path.realpath(path) for each in self.reports) > 1:
                raise ConfigurationError(
                    "Expected a file for each result, but two go to the same",
                    got=str(path),
                    where=option if other == option else f"{other} and {option}",
                )


def _given(path: str, option: str) -> str:
    if not path.strip("\0"):
        raise ConfigurationError("Expected a path", got=path, where=option)
    return path


def _check_writable(path: Path, option: str) -> None:
    parent = Path(os.path.realpath(path)).parent
    if path.is_dir():
        raise ConfigurationError("Expected a file, but this is a directory", got=str(path), where=option)
    if path.exists() and not path.is_file():
        if not os.access(path, os.W_OK):
            raise ConfigurationError("Expected a path that can be written to", got=str(path), where=option)
        return
    if not parent.is_dir():
        raise ConfigurationError(
            "Expected a path in a directory that exists", got=str(path), where=option, hint=f"mkdir -p {path.parent}"
        )
    if not os.access(parent, os.W_OK):
        raise ConfigurationError("Expected a path in a writable directory", got=str(path), where=option)


def deliver(record: AnyRecord, outputs: Outputs) -> None:
    """Write a record to its files and to stdout: JSON when asked for, else the terminal report.

    Raises:
        OSError: a file cannot be written; the others and stdout are.
    """
    from .. import reporting

    # Files first: a closed stdout must not lose them.
    written, failed = write_files(record, outputs)
    if outputs.json:
        write_stdout(reporting.render_json(record).rstrip(b"\n") + b"\n")
    else:
        write_terminal(record)
        for name, path in written:
            write_stdout(f"  {name}  {visible(str(path))}\n".encode())
    raise_first(failed)


def write_files(record: AnyRecord, outputs: Outputs) -> tuple[list[tuple[str, Path]], list[OSError]]:
    """Write a record to its files; gives each with what it is, and what failed.

    Raises:
        ConfigurationError: records of this kind do not have a form that was asked for.
    """
    from .. import reporting
    from ..files import write_whole
    from ..records import save_record

    written: list[tuple[str, Path]] = []
    failed: list[OSError] = []
    if outputs.record is not None:
        try:
            save_record(record, outputs.record)
        except OSError as error:
            failed.append(error)
    for path in (*([outputs.html] if outputs.html else []), *outputs.reports):
        form = reporting.FORMATS[0] if path is outputs.html else reporting.format_of(path)
        rendered = reporting.render(record, form, where="--report")
        try:
            write_whole(path, rendered)
        except OSError as error:
            failed.append(error)
        else:
            written.append(("report", path))
    if outputs.record is not None and not any(error.filename == str(outputs.record) for error in failed):
        written.append(("record", outputs.record))
    return written, failed


def raise_first(failed: Sequence[OSError]) -> None:
    """Raise the first error of several, after a line on stderr for each of the others."""
    for error in failed[1:]:
        note(f"not written: {error.filename}: {error.strerror}")
    if failed:
        raise failed[0]


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
