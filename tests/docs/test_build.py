"""The pages as HTML, and the published schema."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from docs.build import PAGES, SCHEMA, build, pages, schema

from perfloop.cli import reference

if TYPE_CHECKING:
    from pathlib import Path


def test_the_published_schema_is_that_of_the_records() -> None:
    assert SCHEMA.read_bytes() == schema(), "run `make docs` and commit docs/record.schema.json"


def test_the_pages_of_commands_are_those_of_their_help() -> None:
    for name, text in reference.pages().items():
        assert (PAGES / name).read_text() == text, f"run `make docs` and commit docs/{name}"


def test_every_page_is_built_and_links_lead_to_html(tmp_path: Path) -> None:
    out = tmp_path / "docs"
    written = build(out, pages())
    beside = {SCHEMA.name, *(path.name for path in SCHEMA.parent.glob("*.png"))}
    assert {path.name for path in written} == {f"{page.stem}.html" for page in pages()} | beside
    assert all(path.stat().st_size for path in written)
    assert not [path.name for path in written if '.md"' in path.read_text(errors="replace")]


def test_links_within_the_pages_have_their_anchors(tmp_path: Path) -> None:
    for path in build(tmp_path / "docs", pages()):
        text = path.read_text(errors="replace")
        wanted = set(re.findall(r'href="#([^"]+)"', text))
        assert wanted <= set(re.findall(r'id="([^"]+)"', text)), path.name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# A page\n\nSee [this](nowhere.md).\n", r"page\.md: links to nowhere\.md, which is not there"),
        ("No title\n", r"page\.md: expected a title"),
    ],
)
def test_a_broken_page_is_refused(tmp_path: Path, text: str, message: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(ValueError, match=message):
        build(tmp_path / "out", [page])
