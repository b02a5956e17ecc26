"""Every Python block of the README and the pages runs: those that need a certain port in test_examples.py."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from .blocks import Block, ports
from .conftest import LONGEST, of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(4 * LONGEST)

RUN_IN_TURN = [block for block in of("python") if ports(block.code) or "uvicorn" in block.code]
"""They ask the shop, or start it, on a port that only one of them can have; the others run beside them."""
RUN_BESIDE = [block for block in of("python") if block not in RUN_IN_TURN]


def check_python(block: Block, workplace: Path) -> str:
    """What a block prints, run in a process of its own: it may start an event loop or read the command line."""
    script = workplace / "example.py"
    script.write_text("\n" * (block.line - 1) + block.code)
    is_test = re.search(r"^def test_", block.code, re.MULTILINE)
    runner = ["-m", "pytest", "-q", "--perfloop-update-baseline"] if is_test else []
    run = subprocess.run([sys.executable, *runner, script], capture_output=True, text=True, timeout=LONGEST)
    assert run.returncode == 0, f"{block}\n{run.stdout}{run.stderr}"
    return run.stdout


@pytest.mark.parametrize("block", RUN_BESIDE, ids=str)
def test_python_blocks_run(block: Block, workplace: Path) -> None:
    check_python(block, workplace)


@pytest.mark.parametrize("block", [next(block for block in of("python") if block.page == "resilience.md")], ids=str)
def test_a_policy_describes_itself_as_the_page_shows(block: Block, workplace: Path) -> None:
    shown = next(text for text in of("text") if text.page == block.page)
    assert check_python(block, workplace) == f"42\n{shown.code}"
