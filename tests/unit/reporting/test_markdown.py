"""Records as Markdown: readable, and nothing from a service becomes markup."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from markdown_it import MarkdownIt

from perfloop.reporting import render_markdown

from .sample_comparisons import comparison
from .sample_diagnoses import diagnosis
from .sample_records import SAMPLES

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from perfloop.records import AnyRecord


@pytest.mark.parametrize("name", ["load-failing", "load-untrustworthy", "diagnosis", "diagnosis-healthy", "comparison"])
def test_markdown(name: str, snapshot: SnapshotAssertion) -> None:
    assert render_markdown(SAMPLES[name]) == snapshot


@pytest.mark.parametrize("record", SAMPLES.values(), ids=SAMPLES)
def test_markdown_is_short_and_starts_with_the_verdict(record: AnyRecord) -> None:
    text = render_markdown(record)
    assert text.startswith("### ")
    assert text.endswith("</sub>\n")
    assert len(text) < 10_000


def test_text_from_a_service_is_no_markup() -> None:
    nasty = "</b> <img src=x> **bold** [link](http://evil.example) | cell `code` @everyone #1 www.evil.example"
    record = diagnosis()
    finding = msgspec.structs.replace(record.findings[0], title=nasty, route="", evidence=nasty, fix=nasty)
    text = render_markdown(msgspec.structs.replace(record, findings=[finding], notes=[nasty]))
    page = MarkdownIt("gfm-like", {"linkify": False}).render(text)
    assert "<img" not in page.replace("&lt;img", "")
    assert "<a " not in page
    assert "http://" not in text
    assert "www.evil" not in text
    assert "@everyone" not in text
    assert "#1" not in text
    assert page.count("<tr>") == 2 + len(record.targets) + 1


def test_a_back_tick_does_not_end_code() -> None:
    record = msgspec.structs.replace(comparison(), a="a ` **b**")
    assert "**b**" in MarkdownIt("gfm-like", {"linkify": False}).render(render_markdown(record))
