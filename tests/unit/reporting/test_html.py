"""The HTML report: complete, self-contained, small and harmless."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from perfloop.reporting import render_html

from .sample_records import SAMPLES

if TYPE_CHECKING:
    from perfloop.records import AnyRecord

# Elements without an end tag.
VOID = {"meta", "link", "br", "img", "input", "hr"}
PAGES = {name: render_html(record) for name, record in SAMPLES.items()}


class Page(HTMLParser):
    """Collects elements, and sees that each is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_a_page_is_small_and_well_formed(page: str) -> None:
    assert len(page.encode()) < 500_000
    parsed = Page(page)
    assert len(parsed.all("h1")) == 1
    assert len(parsed.all("main")) == 1
    ids = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_a_page_needs_nothing_else(page: str) -> None:
    parsed = Page(page)
    assert parsed.all("img") == []
    assert parsed.all("iframe") == []
    assert [link["href"] for link in parsed.all("link")] == ["data:,"]
    for tag, attributes in parsed.elements:
        assert "src" not in attributes, tag
        assert "style" not in attributes, tag
        assert not [name for name in attributes if name.startswith("on")], tag
        assert tag == "link" or "href" not in attributes, tag
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_only_our_own_style_and_script_may_run(page: str) -> None:
    parsed = Page(page)
    (policy,) = [meta["content"] for meta in parsed.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_every_chart_has_a_name(page: str) -> None:
    charts = [svg for svg in Page(page).all("svg") if svg.get("role") == "img"]
    assert all(chart.get("aria-label") for chart in charts)
    decoration = [svg for svg in Page(page).all("svg") if svg.get("role") != "img"]
    assert all(svg.get("aria-hidden") == "true" for svg in decoration)


def headings(name: str) -> list[str]:
    return [re.sub(r"<[^>]+>", "", text) for text in re.findall(r"<h[23]>(.*?)</h[23]>", PAGES[name])]


def test_a_load_test_has_its_parts() -> None:
    assert headings("load") == [
        "Thresholds",
        "Latency",
        "Over time",
        "By percentile",
        "Throughput",
        "Over time",
        "Targets",
        "How this was measured",
    ]
    assert "Errors" in headings("load-failing")
    assert len([svg for svg in Page(PAGES["load"]).all("svg") if svg.get("data-x")]) == 2 * 3


def test_a_diagnosis_has_its_parts() -> None:
    assert headings("diagnosis") == [
        "What to fix, in order of gain",
        "N+1 queries on GET /orders",
        "Missing index on item(order_id) · GET /orders",
        "Blocking call in async handler · GET /rates",
        "Where the time goes",
        "GET /orders",
        "GET /rates",
        "How much it can take",
        "Throughput",
        "Latency",
        "The judged run",
        "Latency over time",
        "Latency by percentile",
        "Throughput over time",
        "Targets",
        "Notes",
        "How this was measured",
    ]
    words = Page(PAGES["diagnosis"]).words
    for part in (
        "shop/orders.py:42",
        "names = [i.name for i in order.items]",
        "for order in orders:",
        "51 statements a request",
        "select(Order).options(selectinload(Order.items))",
        "about 30 kB a request",
        "50 × a request",
        "the agent dropped 3 of 41,200 events",
    ):
        assert part in words


def test_a_healthy_service_has_no_findings_but_its_breakdown() -> None:
    found = headings("diagnosis-healthy")
    assert not [heading for heading in found if heading.startswith("What to fix")]
    assert "Where the time goes" in found
    assert "Healthy" in Page(PAGES["diagnosis-healthy"]).words


def test_a_comparison_has_its_parts() -> None:
    assert headings("comparison") == ["B against A", "Ratio of B to A", "How this was measured"]
    words = Page(PAGES["comparison"]).words
    assert "5.9 times lower (5.2–6.6 times)" in words
    assert "no difference" in words


def test_a_capacity_search_has_its_parts() -> None:
    assert headings("capacity") == [
        "Latency and throughput",
        "Latency by rate",
        "Scalability",
        "Throughput by requests in flight",
        "How this was measured",
    ]
    words = Page(PAGES["capacity"]).words
    assert "σ (contention) 0.0031" in words
    assert "met 1 of 3" in words
    assert "No scalability law" in Page(PAGES["capacity-limited"]).words
    assert headings("capacity-early") == ["Interrupted", "Notes", "How this was measured"]


@pytest.mark.parametrize("name", ["load-untrustworthy", "diagnosis-untrustworthy"])
def test_figures_that_cannot_be_trusted_are_marked_before_any_of_them(name: str) -> None:
    page = PAGES[name]
    assert "Untrustworthy: do not use these figures" in Page(page).words
    assert page.index('id="untrustworthy"') < page.index("How this was measured")


@pytest.mark.parametrize("name", ["load-empty", "comparison-undecided", "capacity-interrupted"])
def test_an_interrupted_run_says_so(name: str) -> None:
    assert "Interrupted" in headings(name)


def test_nothing_of_a_service_becomes_markup() -> None:
    page = PAGES["diagnosis-hostile"]
    parsed = Page(page)
    assert len(parsed.all("script")) == 1
    assert "document.title='owned'" in parsed.words
    assert "\x1b" not in page
    assert "\u202e" not in page


def test_what_does_not_fit_is_counted() -> None:
    words = Page(PAGES["diagnosis-endless"]).words
    assert re.search(r"… and \d+ more routes in the record", words)
    assert re.search(r"… and \d+ more in the record", words)


def test_a_page_is_the_same_each_time() -> None:
    record: AnyRecord = SAMPLES["diagnosis"]
    assert render_html(record) == PAGES["diagnosis"]
