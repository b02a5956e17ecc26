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
        arguments: the words after `perfloop`; those of this process by default.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        from .app import application

        result = application().main(words, prog_name="perfloop", standalone_mode=False)
        status = result if isinstance(result, int) else 0
    except SystemExit as leaving:  # completion and a closed pipe leave this way
        status = leaving.code if isinstance(leaving.code, int) else 1
    except KeyboardInterrupt:
        status = 130
    except BaseException as error:
        from .errors import show_error

        status = show_error(error, words)
    return status if _flush_stdout() else (status or 141)


def _flush_stdout() -> bool:
    """False when the reader of stdout has gone: what is left is dropped, as every well-behaved filter does."""
    import os

    try:
        sys.stdout.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        return False
    return True
