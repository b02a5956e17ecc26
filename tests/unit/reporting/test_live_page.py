from __future__ import annotations

import re

from perfloop.reporting.live_page import render_live_page


def test_the_page_needs_nothing_else() -> None:
    page, policy = render_live_page()
    assert re.findall(r"""(?:src|href|url|import)\s*[=(]\s*["']?([^"')\s>]+)""", page) == ["data:,"]
    assert len(page.encode()) < 60_000
    assert "connect-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy


def test_the_script_writes_text_and_never_markup() -> None:
    page, _ = render_live_page()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", page)


def test_every_tile_and_chart_of_the_script_is_on_the_page() -> None:
    page, _ = render_live_page()
    for name in ("state", "title", "note", "progress", "elapsed", "left", "phase", "rate", "p50", "p99", "in-flight"):
        assert f'id="{name}"' in page
    charts = re.findall(r'\{ name: "(\w+)", words', page)
    assert charts == re.findall(r'id="chart-(\w+)"', page)
