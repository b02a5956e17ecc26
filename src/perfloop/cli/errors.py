"""Errors as people read them: what was expected, what was got, where, the next step, on stderr, and the exit status."""

from __future__ import annotations

import difflib
import errno
import os
import platform
import re
import sys
import tempfile
import traceback
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..exceptions import ConfigurationError, PerfloopError
from ..redaction import redact_text
from ..reporting.figures import clean, shorten, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["error_lines", "show_error"]

_LAST_LINES = 20
_LONGEST = 2_000
_LONGEST_GOT = 300
_COLOUR = re.compile("\x1b\\[[0-9;:]*m")
_SPACE = "make room there, or write elsewhere; temporary files go to TMPDIR"
_FILES = "close other programs, or raise the limit: `ulimit -n 10000`"
_CURES = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EROFS: "write to a directory that can be written to; temporary files go to TMPDIR",
    errno.EIO: "the disk or the terminal is gone or defective; write elsewhere",
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES,
}


def show_error(error: BaseException, words: Sequence[str]) -> int:
    """Print an error to stderr and return the exit status of its class.

    Args:
        error: what stopped the command; a KeyboardInterrupt is an interruption, anything unknown a defect of perfloop.
        words: the command line, for the report of a defect (secrets are taken out).
    """
    if isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        return show_error(error.exceptions[0], words)
    if isinstance(error, KeyboardInterrupt):
        _write(["interrupted"])
        return 130
    known = _as_perfloop_error(error, words)
    if known is not None:
        _write(error_lines(known))
        return known.exit_status
    _write(_defect(error, words))
    return 4


def error_lines(error: PerfloopError) -> list[str]:
    """The lines of one error's message, without colour, secrets and control characters."""
    lines = [f"error: {_shown(error.message)}"]
    if error.got is not None:
        got = error.got if isinstance(error.got, str) else repr(error.got)
        lines.append(f"  got    {shorten(_shown(got), _LONGEST_GOT)}")
    if error.where is not None:
        lines.append(f"  where  {_shown(error.where)}")
    if error.output and error.output.strip():
        lines.append("  last output:")
        lines += [f"    {visible(_COLOUR.sub('', line))}" for line in error.output.rstrip().splitlines()[-_LAST_LINES:]]
    if error.hint is not None:
        lines.append(f"hint: {_shown(error.hint)}")
    return lines


def _shown(text: str) -> str:
    """One line of a message, whatever a file, a service or the command line put into it."""
    return shorten(clean(redact_text(text[: 10 * _LONGEST])), _LONGEST)


def _as_perfloop_error(error: BaseException, words: Sequence[str]) -> PerfloopError | None:
    if isinstance(error, PerfloopError):
        return error
    # typer has moved click's exceptions between its versions; their shape has stayed.
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):
        return _usage_error(error, words)
    if isinstance(error, OSError) and (error.filename is not None or error.errno in _CURES):
        what = f"Nothing more can be {'opened' if _CURES.get(error.errno or 0) is _FILES else 'written'}"
        if error.filename is not None:
            what = "A file cannot be used"
        return ConfigurationError(
            f"{what}: {error.strerror}",
            where=None if error.filename is None else os.fsdecode(error.filename),
            hint=_CURES.get(error.errno or 0),
        )
    if type(error).__name__ == "Abort":
        return ConfigurationError("Expected input, but there is none")
    return None


def _usage_error(error: Any, words: Sequence[str]) -> PerfloopError:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else _command_path(words)
    help_hint = f"`{path} --help` shows what it takes, with examples"
    unknown = getattr(error, "option_name", None)
    message = error.format_message().rstrip(".").replace("'-- ", "'")
    if unknown and "requires" not in message and context is not None:
        options = [name for parameter in context.command.get_params(context) for name in parameter.opts]
        near = difflib.get_close_matches(unknown, options, 1, cutoff=0.5)
        return ConfigurationError(
            f"`{path}` has no such option", got=unknown, hint=f"did you mean {near[0]}?" if near else help_hint
        )
    return ConfigurationError(message, hint=help_hint)


def _command_path(words: Sequence[str]) -> str:
    from .registry import COMMANDS

    given = f"{' '.join(words)} "
    named = next((entry.name for entry in COMMANDS if given.startswith(f"{entry.name} ")), None)
    return f"perfloop {named}" if named else "perfloop"


def _defect(error: BaseException, words: Sequence[str]) -> list[str]:
    from .redaction import redact_command

    frames = traceback.extract_tb(error.__traceback__)
    last = next((frame for frame in reversed(frames) if "perfloop" in frame.filename), frames[-1] if frames else None)
    summary = _shown(f"{type(error).__name__}: {error}".splitlines()[0])[:300]
    lines = [f"error: internal error in perfloop {__version__}: {summary}"]
    if last is not None:
        lines.append(f"  where  {last.filename}:{last.lineno} in {last.name}")
    report = [
        f"perfloop {__version__}, Python {platform.python_version()}, {platform.platform()}",
        "command: " + " ".join(redact_command(["perfloop", *words])),
        "",
        *(redact_text(visible(line)) for part in traceback.format_exception(error) for line in part.splitlines()),
    ]
    try:
        descriptor, path = tempfile.mkstemp(prefix="perfloop-traceback-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write("\n".join(report) + "\n")
    except OSError:
        return [*lines, *report[3:], "hint: this is a defect of perfloop; please report the lines above"]
    lines.append(f"  details  {path}")
    lines.append("hint: this is a defect of perfloop; please report it with that file (secrets of the command removed)")
    return lines


def _write(lines: Sequence[str]) -> None:
    coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    text = "\n".join(lines)
    if coloured:
        text = text.replace("error:", "\x1b[1;31merror:\x1b[0m", 1).replace("\nhint:", "\n\x1b[1;36mhint:\x1b[0m")
    try:
        print(text, file=sys.stderr, flush=True)  # noqa: T201
    except OSError:  # nobody reads stderr any more; the exit status still tells
        pass
