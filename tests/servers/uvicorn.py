"""An ASGI application of this repository under uvicorn, as its own process."""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .processes import Server, run_server

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["REPOSITORY", "run_uvicorn"]

REPOSITORY = Path(__file__).parents[2]
LISTENS = re.compile(r"Uvicorn running on (http://127\.0\.0\.1:\d+)")


@contextlib.contextmanager
def run_uvicorn(application: str, **env: str) -> Iterator[str]:
    """Serve `application` (`examples.shop:app`) on a free port; gives its URL."""
    command = [sys.executable, "-m", "uvicorn", application, "--port", "0", "--no-access-log"]

    def ready(server: Server) -> bool:
        return LISTENS.search(server.output()) is not None

    with run_server(command, ready=ready, env=env, cwd=REPOSITORY) as server:
        match = LISTENS.search(server.output())
        assert match is not None
        yield match[1]
