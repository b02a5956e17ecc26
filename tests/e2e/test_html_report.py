"""The HTML report in a real browser: offline, quiet, readable, and it answers mouse, keys and touch."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from perfloop.records import LoadRecord
from perfloop.reporting import render_html
from perfloop.reporting.figures import milliseconds

from ..unit.reporting.sample_records import SAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.services

PHONE, LAPTOP = 390, 1280


@contextmanager
def opened(
    browser: Browser, directory: Path, name: str, *, blocked: tuple[str, ...] = (), **options: Any
) -> Iterator[Page]:
    """The report of a sample, open and offline.

    Fails when the page complains or asks for anything; `blocked` are words that complaints and requests must hold
    instead, in their order.
    """
    path = directory / f"{name}.html"
    path.write_text(render_html(SAMPLES[name]), encoding="utf-8")
    options = {"viewport": {"width": LAPTOP, "height": 900}, "color_scheme": "light", **options}
    context = browser.new_context(offline=True, **options)
    page = context.new_page()
    complaints: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    yield page
    context.close()
    asked = [url for url in requests if url not in (path.as_uri(), "data:,")]
    found = complaints + asked
    assert len(found) == len(blocked), found
    assert all(words in complaint for words, complaint in zip(blocked, found, strict=True)), found


def resize(page: Page, width: int) -> None:
    """Give the window a width; returns when the page has it too."""
    page.set_viewport_size({"width": width, "height": 844})
    page.wait_for_function("width => innerWidth === width", arg=width)


def chart(page: Page, name: str) -> Locator:
    """The visible drawing of the chart that people know by this name."""
    return page.locator(f'svg[role=img][aria-label^="{name}"]:visible')


def tip(drawing: Locator) -> Locator:
    return drawing.locator("xpath=ancestor::figure").locator(".tip")


@pytest.mark.parametrize("name", SAMPLES)
def test_a_page_opens_offline_without_complaint_and_fits_every_window(
    browser: Browser, tmp_path: Path, name: str
) -> None:
    with opened(browser, tmp_path, name) as page:
        assert page.title().endswith("– perfloop")
        assert page.locator("h1").is_visible()
        for width in (LAPTOP, 768, PHONE, 320):
            resize(page, width)
            assert page.evaluate("document.documentElement.scrollWidth") == width
            widths = page.evaluate("[...document.querySelectorAll('svg.chart')].map(svg => svg.clientWidth)")
            assert all(100 < shown <= width for shown in widths if shown)
    assert (tmp_path / f"{name}.html").stat().st_size < 500_000


@pytest.mark.parametrize("name", ["load-scenario", "load-failing", "load-traced", "diagnosis", "capacity"])
def test_on_a_phone_a_row_has_its_name_above_and_no_line_begins_with_a_gap(
    browser: Browser, tmp_path: Path, name: str
) -> None:
    with opened(browser, tmp_path, name, viewport={"width": 375, "height": 812}) as page:
        rows = page.evaluate(
            """[...document.querySelectorAll("table.stack tbody tr")].map((row) => {
              const name = row.querySelector("th").getBoundingClientRect();
              const cells = [...row.querySelectorAll("td")].map((cell) => cell.getBoundingClientRect());
              const left = row.getBoundingClientRect().left;
              const lines = new Set(cells.map((box) => box.top)).size;
              const begun = cells.filter((box) => box.left === left).length;
              return [name.left === left, Math.min(...cells.map((box) => box.top)) >= name.bottom, lines === begun];
            })"""
        )
    assert rows
    assert [row for row in rows if row != [True, True, True]] == []


def test_each_chart_is_shown_once_at_every_width(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, tmp_path, "diagnosis") as page:
        for width in (PHONE, LAPTOP):
            resize(page, width)
            for name in (
                "Latency over time",
                "Latency by percentile",
                "Throughput over time",
                "Throughput against requests in flight",
                "p99 latency against requests in flight",
                "Where the time of GET /orders goes",
                "Predicted gain of fixing: N+1 queries",
            ):
                assert chart(page, name).count() == 1, name


def test_the_text_of_charts_can_be_read_at_every_width(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, tmp_path, "diagnosis") as page:
        for width in (320, PHONE, 760, 820, LAPTOP):
            resize(page, width)
            heights = page.evaluate(
                "[...document.querySelectorAll('svg.chart text')].map(t => t.getBoundingClientRect().height)"
                ".filter(height => height > 0)"
            )
            assert min(heights) >= (10 if width == 320 else 10.5), width


def test_hovering_shows_the_figures_of_the_nearest_second(browser: Browser, tmp_path: Path) -> None:
    record = SAMPLES["load-failing"]
    assert isinstance(record, LoadRecord)
    with opened(browser, tmp_path, "load-failing") as page:
        drawing = chart(page, "Latency over time")
        drawing.scroll_into_view_if_needed()
        assert tip(drawing).is_hidden()
        box = drawing.bounding_box()
        assert box is not None
        xs = json.loads(drawing.get_attribute("data-x") or "")
        page.mouse.move(box["x"] + xs[14] * box["width"] / 860 + 3, box["y"] + 120)
        second = record.results.series[14]
        shown = [("max", second.max_ms), ("p99", second.p99_ms), ("p50", second.p50_ms)]
        words = ["second 14", *(f"{milliseconds(value)} {name}" for name, value in shown)]
        expect(tip(drawing)).to_be_visible()
        assert [line for line in tip(drawing).inner_text().split("\n") if line] == words
        assert drawing.locator(".cursor circle").count() == 3
        page.mouse.move(2, 2)
        expect(tip(drawing)).to_be_hidden()
        assert drawing.locator(".cursor circle").count() == 0


def test_the_tip_stays_within_the_page(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, tmp_path, "load") as page:
        for width in (PHONE, LAPTOP):
            resize(page, width)
            drawing = chart(page, "Latency by percentile")
            drawing.scroll_into_view_if_needed()
            box = drawing.bounding_box()
            assert box is not None
            for share in (0.02, 0.5, 0.98):
                page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] / 2)
                expect(tip(drawing)).to_be_visible()
                shown = tip(drawing).bounding_box()
                assert shown is not None
                assert shown["x"] >= 0
                assert shown["x"] + shown["width"] <= width


def test_the_arrow_keys_walk_along_a_chart(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, tmp_path, "load") as page:
        drawing = chart(page, "Latency over time")
        page.keyboard.press("Tab")
        for _ in range(10):
            if drawing.evaluate("svg => svg === document.activeElement"):
                break
            page.keyboard.press("Tab")
        title = tip(drawing).locator(".at")
        expect(title).to_have_text("second 29")
        page.keyboard.press("ArrowLeft")
        expect(title).to_have_text("second 28")
        page.keyboard.press("Home")
        page.keyboard.press("ArrowRight")
        expect(title).to_have_text("second 1")
        assert tip(drawing).get_attribute("role") == "status"
        page.keyboard.press("Escape")
        expect(tip(drawing)).to_be_hidden()


def test_touching_shows_the_figures(browser: Browser, tmp_path: Path) -> None:
    phone = {"viewport": {"width": PHONE, "height": 844}, "has_touch": True, "is_mobile": True}
    with opened(browser, tmp_path, "load", **phone) as page:
        drawing = chart(page, "Throughput over time")
        drawing.scroll_into_view_if_needed()
        drawing.tap(position={"x": 150, "y": 60})
        expect(tip(drawing)).to_contain_text("200 requests")


def test_seconds_without_figures_are_passed_over(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, tmp_path, "load-all-errors") as page:
        drawing = chart(page, "Latency over time")
        drawing.hover(position={"x": 100, "y": 50})
        expect(tip(drawing).locator(".at")).to_have_text("second 9")


def luminance(colour: str) -> float:
    red, green, blue = (int(part) / 255 for part in re.findall(r"\d+", colour)[:3])
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in (red, green, blue)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """WCAG 2's contrast ratio of two colours."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


PAPER = "getComputedStyle(document.body).backgroundColor"


def test_light_and_dark_follow_the_system_until_the_button_is_used(browser: Browser, tmp_path: Path) -> None:
    def is_dark(page: Page) -> bool:
        # The button says what it changes to, and a moment later than the page has its colours.
        dark = luminance(page.evaluate(PAPER)) < 0.05
        expect(page.get_by_role("button", name="Light" if dark else "Dark")).to_be_visible()
        return dark

    with opened(browser, tmp_path, "load", color_scheme="dark") as page:
        assert is_dark(page)
        page.get_by_role("button", name="Light").click()
        assert not is_dark(page)
        assert luminance(page.evaluate(PAPER)) > 0.9
        page.get_by_role("button", name="Dark").click()
        assert is_dark(page)
    with opened(browser, tmp_path, "load", color_scheme="light") as page:
        assert not is_dark(page)
        assert luminance(page.evaluate(PAPER)) > 0.9
        page.emulate_media(color_scheme="dark")
        page.get_by_role("button", name="Light").wait_for()
        assert is_dark(page)


# Each text with its colour and the nearest background behind it. SVG text lies on what is drawn below it.
COLOURS = """() => {
  const seen = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.getClientRects().length) continue;
    if (["SCRIPT", "STYLE", "title"].includes(element.tagName)) continue;
    const drawn = element instanceof SVGElement;
    const colour = getComputedStyle(element)[drawn ? "fill" : "color"];
    let behind = element;
    let background = "rgba(0, 0, 0, 0)";
    const bar = element.classList.contains("inside") && [...element.classList].find((name) => name.startsWith("part-"));
    if (bar) background = getComputedStyle(element.parentElement.querySelector(`rect.${bar}`)).fill;
    while (background === "rgba(0, 0, 0, 0)") {
      background = getComputedStyle(behind).backgroundColor;
      behind = behind.parentElement;
    }
    seen.set(`${colour} on ${background}`, walker.currentNode.data.trim().slice(0, 40));
  }
  return [...seen].map(([colours, words]) => [...colours.split(" on "), words]);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["load-failing", "load-untrustworthy", "diagnosis", "diagnosis-healthy", "comparison"])
def test_every_text_has_enough_contrast(browser: Browser, tmp_path: Path, name: str, scheme: str) -> None:
    with opened(browser, tmp_path, name, color_scheme=scheme) as page:
        found = page.evaluate(COLOURS)
    assert len(found) >= 4
    assert [entry for entry in found if contrast(entry[0], entry[1]) < 4.5] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_line_and_bar_stands_out(browser: Browser, tmp_path: Path, scheme: str) -> None:
    for name in ("load-failing", "diagnosis", "comparison"):
        with opened(browser, tmp_path, name, color_scheme=scheme) as page:
            paper = page.evaluate(PAPER)
            colours = page.evaluate(
                "[...document.querySelectorAll('.chart .line, .chart .whisker')].map(e => getComputedStyle(e).stroke)"
                ".concat([...document.querySelectorAll('.chart rect')].map(e => getComputedStyle(e).fill))"
            )
        assert colours
        assert [colour for colour in set(colours) if contrast(colour, paper) < 3] == []


def test_text_of_a_service_does_nothing(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, tmp_path, "diagnosis-hostile") as page:
        assert "owned" in page.locator("h1").inner_text()
        assert page.evaluate("document.scripts.length") == 1
        assert page.evaluate("document.images.length") == 0
        assert page.title().startswith("N+1 queries on GET /<script>")


def test_even_markup_in_the_page_could_not_run_or_load(browser: Browser, tmp_path: Path) -> None:
    blocked = ("inline script violates", "violates", "https://perfloop.invalid/x.png")
    with opened(browser, tmp_path, "load", blocked=blocked) as page:
        violated = page.evaluate(
            """() => new Promise((done) => {
              const seen = [];
              document.addEventListener("securitypolicyviolation", (event) => {
                seen.push(event.effectiveDirective);
                if (seen.length === 2) done(seen.sort());
              });
              const script = document.createElement("script");
              script.textContent = "document.title = 'owned'";
              document.body.append(script);
              document.body.insertAdjacentHTML("beforeend", "<img src='https://perfloop.invalid/x.png'>");
            })"""
        )
        assert violated == ["img-src", "script-src-elem"]
        assert "owned" not in page.title()


def test_paper_is_light_and_without_controls(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, tmp_path, "diagnosis", color_scheme="dark") as page:
        page.emulate_media(media="print")
        expect(page.locator("#theme")).to_be_hidden()
        assert luminance(page.evaluate(PAPER)) > 0.9
        assert len(page.pdf()) > 10_000
