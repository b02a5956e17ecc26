"""Every perfloop command in a console block of the README and the pages runs as printed, and links lead somewhere.

Commands run in a directory that holds the files the pages show, and a perfloop.toml that makes measuring short: the
options they print win over it. The shop serves on the ports that a block's URLs name.
"""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from ..servers.uvicorn import REPOSITORY
from .blocks import Block, commands, links, ports
from .conftest import BLOCKS, LONGEST, PAGES, SCENARIOS, of
from .test_python_examples import RUN_IN_TURN, check_python

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.timeout(4 * LONGEST)

# What a reader does once, and what other tests run.
NOT_RUN_HERE = {"git", "cd", "pip", "python", "uv"}


@pytest.mark.parametrize("block", RUN_IN_TURN, ids=str)
def test_python_blocks_that_need_a_port_run(
    block: Block, workplace: Path, serve_shops: Callable[[list[int]], None]
) -> None:
    serve_shops(ports(block.code))
    check_python(block, workplace)


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
    [
        ("load-testing.md", "## Beside other tools", 19),
        ("caching.md", "## Beside other caches", 29),
        ("resilience.md", "## Beside other libraries", 34),
    ],
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
