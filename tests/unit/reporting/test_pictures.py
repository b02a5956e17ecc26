"""Which charts a record gives."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import TYPE_CHECKING

import msgspec
import pytest

from perfloop.reporting import figures, pictures

from .charts.pieces import named, parsed, words
from .sample_comparisons import comparison
from .sample_diagnoses import diagnosis, untrustworthy_diagnosis
from .sample_loads import all_errors_load, empty_load, failing_load, load
from .sample_runs import encoded

if TYPE_CHECKING:
    from perfloop.records import LoadResults


def test_latency_over_time_shows_three_lines_a_second() -> None:
    record = load()
    chart = pictures.latency_over_time(record.results, record.summary)
    assert chart is not None
    hover = json.loads(chart.hover)
    assert [series["name"] for series in hover["series"]] == ["max", "p99", "p50"]
    assert len(hover["titles"]) == 30
    assert hover["series"][1]["values"][4] == figures.milliseconds(record.results.series[4].p99_ms)


def test_throughput_shows_errors_only_where_there_are_some() -> None:
    for record, names in ((load(), ["requests"]), (failing_load(), ["requests", "errors"])):
        chart = pictures.throughput_over_time(record.results, record.summary)
        assert chart is not None
        assert [series["name"] for series in json.loads(chart.hover)["series"]] == names


def test_a_warm_up_is_shown_as_left_out() -> None:
    record = load()
    warmed = msgspec.structs.replace(record.summary, warm_up_seconds=3.0)
    for picture in (pictures.latency_over_time, pictures.throughput_over_time):
        assert "warm-up, left out" not in words(parsed(picture(record.results, record.summary).wide))
        root = parsed(picture(record.results, warmed).wide)
        assert "warm-up, left out" in words(root)
        assert len(named(root, "g", "band")) == 1


def test_a_run_without_two_seconds_has_no_charts_over_time() -> None:
    record = empty_load()
    assert pictures.latency_over_time(record.results, record.summary) is None
    assert pictures.throughput_over_time(record.results, record.summary) is None
    assert pictures.percentile_curve(record.results) is None


def test_seconds_without_a_finished_request_are_gaps() -> None:
    record = all_errors_load()
    chart = pictures.latency_over_time(record.results, record.summary)
    assert chart is not None
    assert json.loads(chart.hover)["series"][0]["values"] == [None] * 9 + ["10 s"]


def results_of(latencies_ms: list[float], service_ms: list[float] | None = None) -> LoadResults:
    return msgspec.structs.replace(
        load().results,
        latency_histogram=encoded(latencies_ms),
        service_time_histogram=encoded(service_ms) if service_ms else "",
    )


def test_the_percentile_curve_rises_to_the_longest_request() -> None:
    chart = pictures.percentile_curve(results_of([float(ms) for ms in range(1, 1001)], [1.0] * 1000))
    assert chart is not None
    hover = json.loads(chart.hover)
    assert [series["name"] for series in hover["series"]] == ["latency", "service"]
    assert hover["titles"][0] == "0 % of the requests"
    assert hover["titles"][-1] == "100 % of the requests"
    assert hover["series"][0]["values"][-1] == "1 s"
    ys = json.loads(parsed(chart.wide).get("data-y", "[]"))[0]
    assert ys == sorted(ys, reverse=True)
    assert {"0 %", "50 %", "90 %", "99 %", "99.9 %"} <= set(words(parsed(chart.wide)))


def test_the_percentile_axis_gives_each_nine_the_same_room() -> None:
    chart = pictures.percentile_curve(results_of([1.0] * 100_000))
    assert chart is not None
    at = {text.text: float(text.get("x", "nan")) for text in named(parsed(chart.wide), "text", "tick")}
    assert at["99 %"] - at["90 %"] == pytest.approx(at["99.9 %"] - at["99 %"], abs=0.2)
    assert at["99.99 %"] - at["99.9 %"] == pytest.approx(at["99.9 %"] - at["99 %"], abs=0.2)


def test_a_missing_service_time_leaves_the_latency() -> None:
    chart = pictures.percentile_curve(results_of([1.0, 2.0]))
    assert chart is not None
    assert [series["name"] for series in json.loads(chart.hover)["series"]] == ["latency"]


def test_the_load_curves_mark_the_knee_at_the_same_place() -> None:
    record = diagnosis()
    places = set()
    for chart in (pictures.load_curve(record), pictures.latency_curve(record)):
        assert chart is not None
        root = parsed(chart.wide)
        (mark,) = named(root, "g", "mark")
        line = mark.find("line")
        assert line is not None
        places.add(line.get("x1"))
        assert "knee" in words(root)
        assert json.loads(chart.hover)["titles"][0] == "1 in flight"
    assert len(places) == 1


def test_no_load_curve_without_points() -> None:
    assert pictures.load_curve(untrustworthy_diagnosis()) is None
    assert pictures.latency_curve(untrustworthy_diagnosis()) is None


def test_the_breakdown_has_a_segment_for_each_part_that_took_time() -> None:
    root = parsed(pictures.breakdown_bars(diagnosis().routes[1]).wide)
    titles = [title.text for title in root.iter("title")]
    assert "database: 98.3 ms" in titles
    assert "database: 355 ms" in titles
    assert "121 ms on average, 570 requests" in " ".join(words(root))


def test_every_part_has_a_colour() -> None:
    style = pictures_style()
    for part in figures.PART_NAMES:
        assert re.search(rf"\.{pictures.part_css(part)}\b[^}}]*fill:", style), part
    assert pictures.part_css("something new") == "part-other"
    assert ".part-other {" in style


def pictures_style(name: str = "style.css") -> str:
    return files("perfloop.reporting").joinpath("templates", name).read_text(encoding="utf-8")


def luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("name", ["style.css", "dark.css"])
def test_words_can_be_read_on_every_colour_and_every_colour_on_the_paper(name: str) -> None:
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", pictures_style(name).split("}")[0]))
    used = set(re.findall(r"\.part-[^{]*\{ fill: var\(--(\w+)\); \}", pictures_style()))
    assert len(used) == len(figures.PART_NAMES)
    for part in used:
        assert contrast(colours[part], colours["inside"]) >= 4.5, part
        assert contrast(colours[part], colours["paper"]) >= 3, part
    for text in ("ink", "soft", "good", "bad", "warning", "p50", "p99", "errors", "after"):
        assert contrast(colours[text], colours["paper"]) >= 4.5, text
    for line in ("max", "before"):
        assert contrast(colours[line], colours["paper"]) >= 3, line


def test_light_and_dark_name_the_same_colours() -> None:
    light, dark = (
        set(re.findall(r"--([\w-]+):", pictures_style(name).split("}")[0])) for name in ("style.css", "dark.css")
    )
    assert light == dark


def test_the_gain_of_a_finding_names_now_after_and_interval() -> None:
    record = diagnosis()
    root = parsed(pictures.gain_bars(record, record.findings[0]))
    assert {"412 ms", "70 ms(55–90 ms)", "38/s", "215/s(170–248/s)", "p99", "p50", "capacity"} <= set(words(root))
    assert "p99 412 → 70 ms (55–90)" in root.get("aria-label", "")


def test_a_comparison_shows_every_metric() -> None:
    record = comparison()
    chart = pictures.comparison_intervals(record)
    root = parsed(chart.wide)
    assert {metric.metric for metric in record.metrics} <= set(words(root))
    assert [dot.get("class") for dot in named(root, "circle", "estimate")] == [
        "estimate faster",
        "estimate faster",
        "estimate faster",
        "estimate same",
    ]
