"""The pages' blocks, the shop on the ports they name, and a directory that holds the files they show."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from ..servers.processes import Server, run_server
from ..servers.uvicorn import LISTENS, REPOSITORY
from .blocks import Block, blocks, files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LONGEST = 100
"""Seconds, on a machine that is busy with other work, of one command or program."""

SCENARIOS = REPOSITORY / "examples" / "scenarios"
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
BLOCKS = [block for page in PAGES for block in blocks(page)]
FILES = {name: text for page in PAGES for name, text in files(page).items()}
SHORT = """\
[load]
duration = "1s"
[diagnose]
duration = "1s"
step-duration = "200ms"
[compare]
duration = "500ms"
step-duration = "200ms"
runs = 2
[capacity]
probe = "100ms"
budget = "1s"
[monitor]
live-web = "0"
"""


def of(*languages: str) -> list[Block]:
    """The blocks in these languages, in the order of the pages."""
    return [block for block in BLOCKS if block.language in languages]


@contextlib.contextmanager
def shop_on(port: int, database: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "uvicorn", "examples.shop:app", "--port", str(port), "--no-access-log"]
    env = {"SHOP_DATABASE": str(database), "SHOP_FIX": ""}

    def ready(server: Server) -> bool:
        return LISTENS.search(server.output()) is not None

    with run_server(command, ready=ready, env=env, cwd=REPOSITORY):
        yield


@pytest.fixture(scope="module")
def serve_shops(shop_database: Path) -> Iterator[Callable[[list[int]], None]]:
    """Have a shop on each of these ports, and on no other. They go on for the blocks after."""
    running: dict[int, contextlib.ExitStack] = {}

    def serve(ports: list[int]) -> None:
        for port in running.keys() - set(ports):
            running.pop(port).close()
        for port in set(ports) - running.keys():
            with contextlib.ExitStack() as starting:
                starting.enter_context(shop_on(port, shop_database))
                running[port] = starting.pop_all()

    yield serve
    serve([])


@pytest.fixture
def workplace(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shop_database: Path) -> Path:
    (tmp_path / "perfloop.toml").write_text(SHORT)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    for file in SCENARIOS.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    if "shop.sqlite3" in block.code:  # 30 MB
        shutil.copy(shop_database, tmp_path / "shop.sqlite3")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHOP_DATABASE", str(shop_database))
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("PATH", os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]]))  # noqa: PTH120
    return tmp_path
