"""Every Python block of the README and the pages runs; every perfloop command in a console block runs as printed.

Commands run in a directory that holds the files the pages show, and a perfloop.toml that makes measuring short: the
options they print win over it. The shop serves on the ports that a block's URLs name.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ..servers.processes import Server, run_server
from ..servers.uvicorn import LISTENS, REPOSITORY
from .blocks import Block, blocks, commands, files, links, ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# Seconds, on a machine that is busy with other work: of one command, and of all of a block.
LONGEST = 100
pytestmark = pytest.mark.timeout(4 * LONGEST)

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
# What a reader does once, and what other tests run.
NOT_RUN_HERE = {"git", "cd", "pip", "python", "uv"}


def of(*languages: str) -> list[Block]:
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


@pytest.mark.parametrize("block", of("python"), ids=str)
def test_python_blocks_run(block: Block, workplace: Path, serve_shops: Callable[[list[int]], None]) -> None:
    serve_shops(ports(block.code))
    # A process of its own: an example may start an event loop or read the command line.
    script = workplace / "example.py"
    script.write_text("\n" * (block.line - 1) + block.code)
    is_test = re.search(r"^def test_", block.code, re.MULTILINE)
    runner = ["-m", "pytest", "-q", "--perfloop-update-baseline"] if is_test else []
    run = subprocess.run([sys.executable, *runner, script], capture_output=True, text=True, timeout=LONGEST)
    assert run.returncode == 0, f"{block}\n{run.stdout}{run.stderr}"


@pytest.mark.parametrize("block", [block for block in of("console") if commands(block.code)], ids=str)
def test_perfloop_commands_run_as_printed(
    block: Block, workplace: Path, serve_shops: Callable[[list[int]], None]
) -> None:
    serve_shops(ports(block.code))
    for words in commands(block.code):
        env = dict(os.environ)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            name, _, value = words.pop(0).partition("=")
            env[name] = value
        if words[0] in NOT_RUN_HERE:
            continue
        if words[0] == "make":
            assert set(words[1:]) <= make_targets(), f"{block}: no such target in the Makefile"
            continue
        assert words[0] == "perfloop", f"{block}: this test does not know how to run {words[0]}"
        run = subprocess.run(words, env=env, capture_output=True, text=True, timeout=LONGEST)
        shown = run.stdout + run.stderr
        # A busy machine may make a measurement untrustworthy; that it says so is right, and no fault of the page.
        assert run.returncode in (0, 3), f"{block}: {words}\n{shown}"
        excused = ("untrustworthy", "not enough data", "limited by the generator")
        assert run.returncode == 0 or any(word in shown.lower() for word in excused), f"{block}: {words}\n{shown}"
        assert shown, f"{block}: {words} printed nothing"


def test_the_scenarios_page_shows_the_files_of_the_examples() -> None:
    shown = {block.code.strip() for block in BLOCKS if block.page == "scenarios.md"}
    for file in SCENARIOS.glob("*.[pt]*"):
        text = file.read_text().strip()
        assert text in shown or text.partition("\n")[2].strip() in shown, file.name


def test_every_block_says_its_language() -> None:
    assert [str(block) for block in BLOCKS if not block.language] == []
    assert {block.language for block in BLOCKS} <= {"python", "console", "text", "toml", "json", "sql", "yaml"}
    assert of("python"), "the extractor found nothing to run"
    assert of("console"), "the extractor found nothing to run"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    assert [target for target in links(page) if not (page.parent / target).exists()] == []


@pytest.mark.parametrize(
    ("page", "heading", "count"),
    [("load-testing.md", "## Beside other tools", 19), ("caching.md", "## Beside other caches", 28)],
)
def test_each_mark_of_a_feature_table_leads_to_its_test(page: str, heading: str, count: int) -> None:
    table = (REPOSITORY / "docs" / page).read_text().partition(heading)[2].partition("\n## ")[0]
    rows = [row.rsplit("|", 2)[1] for row in table.splitlines() if row.startswith("| ")]
    rows = [cell for cell in rows if cell.strip() != "perfloop"]
    assert len(rows) == count
    for cell in rows:
        link = re.search(r"\]\(\.\./(tests/[\w/]+\.py)#(test_\w+)\)", cell)
        assert (link is not None) is any(mark in cell for mark in ("✓", "~", "all")), cell
        if link is not None:
            assert re.search(rf"^(async )?def {link[2]}\(", (REPOSITORY / link[1]).read_text(), re.MULTILINE), link[2]


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
