"""The command line. One file a command, listed in `registry`; `main` maps every error to a message and a status.

Exit status: 0 fine, 1 a threshold or comparison failed, 2 wrong use or configuration, 3 the measurement is not
trustworthy, 4 an internal error, 130 interrupted.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; never raises, never shows a bare traceback.

    Args:
        arguments: the words after `perfloop`; by default those of this process, whose signals are handled then too.
    """
    from . import signals, streams

    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if arguments is None:
            signals.interrupt_once()
        streams.open_closed_streams()
        status = _run(words)
        return status if streams.flush_stdout() else (status or 141)
    except BaseException as error:
        if arguments is None:
            signals.ignore()  # the process ends, with the status it has
        from .errors import show_error

        return show_error(error, words)
    finally:
        if arguments is None:
            signals.ignore()


def _run(words: list[str]) -> int:
    from .app import application

    try:
        result = application().main(words, prog_name="perfloop", standalone_mode=False)
    except SystemExit as leaving:  # completion and a closed pipe leave this way
        return leaving.code if isinstance(leaving.code, int) else 1
    return result if isinstance(result, int) else 0
