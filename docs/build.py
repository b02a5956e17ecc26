"""`python -m docs.build`: writes the generated pages, then all pages as HTML in out/docs.

Generated are docs/record.schema.json, out of the records' types, and docs/cli.md, docs/cli-db.md and
docs/cli-resilience.md, out of the commands' help.

Each page of docs/ and the README become one file, readable without a server and offline.
"""

from __future__ import annotations

import html
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from markdown_it import MarkdownIt

from perfloop.cli import reference
from perfloop.records import json_schema

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["build", "main", "pages", "schema"]

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs"
SCHEMA = PAGES / "record.schema.json"
STYLE = """\
:root { color-scheme: light dark; }
body { max-width: 50rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.6 system-ui, sans-serif; }
nav { margin-bottom: 2rem; } nav a { margin-right: 1rem; }
pre { padding: 1rem; overflow-x: auto; background: #8882; border-radius: 4px; line-height: 1.35; }
code { font-size: 0.9em; } table { border-collapse: collapse; }
img { max-width: 100%; }
td, th { padding: 0.3rem 0.8rem; border-bottom: 1px solid #8884; text-align: left; vertical-align: top; }
"""


def build(out: Path, sources: Sequence[Path]) -> list[Path]:
    """Render pages into `out`, which is emptied first; gives the files written.

    Raises:
        ValueError: a link to a page or file that is not there.
    """
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    titles = {source: _title(source) for source in sources}
    navigation = " ".join(f'<a href="{source.stem}.html">{html.escape(titles[source])}</a>' for source in sources)
    written = []
    for source in sources:
        body = _anchored(_linked(MarkdownIt("commonmark").enable("table").render(source.read_text()), source))
        target = out / f"{source.stem}.html"
        target.write_text(
            "<!doctype html>\n"
            f'<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">\n'
            f"<title>{html.escape(titles[source])}</title>\n<style>{STYLE}</style>\n"
            f"<nav>{navigation}</nav>\n<main>\n{body}</main>\n</html>\n"
        )
        written.append(target)
    beside = [SCHEMA, *sorted(PAGES.glob("*.png"))]
    return [*written, *(Path(shutil.copy(file, out / file.name)) for file in beside)]


def pages() -> list[Path]:
    """The README and every page of docs/."""
    return [ROOT / "README.md", *sorted(PAGES.glob("*.md"))]


def schema() -> bytes:
    """The JSON Schema of every record, as docs/record.schema.json publishes it."""
    document: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema", **json_schema()}
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _title(source: Path) -> str:
    match = re.match(r"# (.+)", source.read_text())
    if match is None:
        raise ValueError(f"{source.name}: expected a title, `# …`, in the first line")
    return match[1]


def _linked(body: str, source: Path) -> str:
    """Links between pages lead to their HTML; other files of the repository are named, not linked."""

    def replace(match: re.Match[str]) -> str:
        path, _, anchor = html.unescape(match[1]).partition("#")
        target = (source.parent / path).resolve()
        if not target.exists():
            raise ValueError(f"{source.name}: links to {path}, which is not there")
        if target.suffix == ".md" and (target.parent == PAGES or target == ROOT / "README.md"):
            return f'<a href="{target.stem}.html{"#" + anchor if anchor else ""}">{match[2]}</a>'
        beside = target == SCHEMA or (target.parent == PAGES and target.suffix == ".png")
        return f'<a href="{target.name}">{match[2]}</a>' if beside else match[2]

    return re.sub(r'<a href="(?![a-z]+:|#)([^"]+)">(.*?)</a>', replace, body, flags=re.DOTALL)


def _anchored(body: str) -> str:
    """Headings get the anchors that links on code hosts expect."""

    def replace(match: re.Match[str]) -> str:
        words = re.sub(r"<[^>]+>", "", match[2]).lower()
        slug = re.sub(r"[^\w -]", "", words).strip().replace(" ", "-")
        return f'<h{match[1]} id="{slug}">{match[2]}</h{match[1]}>'

    return re.sub(r"<h([1-4])>(.*?)</h\1>", replace, body)


def main() -> None:
    """Write what is generated into docs/, and everything as HTML into out/docs."""
    SCHEMA.write_bytes(schema())
    for name, text in reference.pages().items():
        (PAGES / name).write_text(text)
    for path in build(ROOT / "out" / "docs", pages()):
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
