"""Elements as escaped text."""

from __future__ import annotations

from perfloop.reporting.charts import svg

from .pieces import parsed


def test_an_element_escapes_what_it_is_given() -> None:
    markup = svg.element("text", {"x": 1.25, "data_note": "<\"&'>", "id": None}, "<script>", svg.element("a", {}))
    assert str(markup) == ('<text x="1.2" data-note="&lt;&#34;&amp;&#39;&gt;">&lt;script&gt;<a/></text>')
    assert parsed(markup).get("data-note") == "<\"&'>"


def test_text_has_no_control_characters() -> None:
    assert parsed(svg.text(0, 0, "\x1b[31m\x00 <b>")).text == "\ufffd[31m\ufffd <b>"


def test_a_polyline_is_interrupted_at_gaps() -> None:
    assert svg.polyline([(0, 0), (1, 2), None, (3.04, 4), (5, 6)]) == "M0 0L1 2M3 4L5 6"
    assert svg.polyline([None, None]) == ""


def test_a_picture_is_named() -> None:
    root = parsed(svg.picture(10, 20, 'Latency "p99" <b>', "chart", [], tabindex="0"))
    assert root.get("role") == "img"
    assert root.get("aria-label") == 'Latency "p99" <b>'
    assert root.get("viewBox") == "0 0 10 20"
    assert root.get("tabindex") == "0"


def test_words_in_several_looks_are_one_line() -> None:
    root = parsed(svg.words(0, 0, ("70 ms", "note"), ("(55–90)", "")))
    assert [span.get("class") for span in root] == ["note", None]
    assert "".join(root.itertext()) == "70 ms(55–90)"


def test_text_is_cut_to_its_room() -> None:
    assert svg.fit("short", 100) == "short"
    assert svg.fit("a rather long name", 67) == "a rather…"
