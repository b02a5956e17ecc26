"""The fenced code blocks of a Markdown page, and the commands in those that show a terminal."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Block", "blocks", "commands", "files", "links", "ports"]

FENCE = re.compile(r"^(?P<indent> {0,3})(?P<fence>`{3,})(?P<info>[^`]*)$")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SHOWN_FILE = re.compile(r"\bthis `(?P<name>[\w.-]+)`[^\n]*:\n\n```text\n(?P<text>.*?)^```", re.DOTALL | re.MULTILINE)
URL_PORT = re.compile(r"https?://(?:127\.0\.0\.1|localhost):(\d+)")


@dataclass(frozen=True)
class Block:
    """One fenced block. `line` is that of its first line of code, counted from 1."""

    page: str
    line: int
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """The blocks of a page in order.

    Raises:
        ValueError: a fence that is never closed.
    """
    return _split(page)[0]


def commands(code: str) -> list[list[str]]:
    """The words of each `$ ` line; a backslash at the end continues it."""
    joined = code.replace("\\\n", " ")
    return [shlex.split(line[2:], comments=True) for line in joined.splitlines() if line.startswith("$ ")]


def ports(code: str) -> list[int]:
    """The ports of this machine that URLs in the code name."""
    return sorted({int(port) for port in URL_PORT.findall(code)})


def files(page: Path) -> dict[str, str]:
    """What the page shows as a file: the block after a line that says "this `NAME`", by its name."""
    return {match["name"]: match["text"] for match in SHOWN_FILE.finditer(page.read_text(encoding="utf-8"))}


def links(page: Path) -> list[str]:
    """The targets of links outside code blocks that stay within the repository."""
    prose = _split(page)[1]
    targets = LINK.findall("\n".join(prose))
    return [target.partition("#")[0] for target in targets if not re.match(r"[a-z]+:|#", target)]


def _split(page: Path) -> tuple[list[Block], list[str]]:
    """The blocks, and the lines outside them."""
    found: list[Block] = []
    prose: list[str] = []
    opening: re.Match[str] | None = None
    start = 0
    code: list[str] = []
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        match = FENCE.match(line)
        if opening is None:
            if match is None:
                prose.append(line)
            else:
                opening, start, code = match, number + 1, []
        elif match is not None and match["fence"].startswith(opening["fence"]) and not match["info"].strip():
            language = (opening["info"].split() or [""])[0]
            found.append(Block(page.name, start, language, "\n".join(code) + "\n"))
            opening = None
        else:
            code.append(line.removeprefix(opening["indent"]))
    if opening is not None:
        raise ValueError(f"{page.name}:{start - 1}: this fence is never closed")
    return found, prose
