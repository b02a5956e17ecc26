"""A plan and slow requests in words."""

from __future__ import annotations

import io

import pytest
from msgspec import structs
from rich.console import Console

from perfloop.records import LoadPlan
from perfloop.reporting import render_html, render_junit, render_markdown, render_terminal
from perfloop.reporting.description import plan_in_words, slow_request_in_words, warm_up_in_words

from .sample_loads import traced_load


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (
            LoadPlan(model="open", connections=10, requests=[], rate=200.0, arrival="poisson", duration_seconds=30.0),
            ["open model, 200 requests/s poisson", "10 connections", "30 s"],
        ),
        (
            LoadPlan(model="closed", connections=1, requests=[], request_limit=1_000),
            ["closed model", "1 connection", "at most 1,000 requests"],
        ),
        (
            LoadPlan(
                model="open", connections=2, requests=[], profile="ramp 1..9 5s, constant 9 25s", duration_seconds=30
            ),
            ["open model, ramp 1..9 5s, constant 9 25s", "2 connections", "30 s"],
        ),
        (
            LoadPlan(model="closed", connections=2, requests=[], think_time="0.5s..2s"),
            ["closed model, think time 0.5s..2s", "2 connections"],
        ),
        (
            LoadPlan(model="closed", connections=2, requests=[], pacing_seconds=0.5),
            ["closed model, a request every 500 ms a connection", "2 connections"],
        ),
        (
            LoadPlan(model="open", connections=2, requests=[], rate=5.0),
            ["open model, 5 requests/s constant", "2 connections"],
        ),
    ],
)
def test_a_plan_in_words(plan: LoadPlan, words: list[str]) -> None:
    assert plan_in_words(plan) == words


def test_slow_requests_in_words() -> None:
    given_up, waited, explained = (slow_request_in_words(request) for request in traced_load().results.slowest)
    assert given_up == ["GET /a", "given up", "due at 18.7 s", "span 0000000000000e9d"]
    assert waited[1:] == ["status 200", "due at 80 ms", "queue 610 ms", "span 0000000000000011"]
    assert explained[1:] == ["status 503", "due at 85 ms", "database 81 %", "span 0000000000000012"]


def test_reports_show_what_slow_requests_are_found_by() -> None:
    for text in (render_html(traced_load()), render_markdown(traced_load())):
        assert "4bf92f3577b34da6a3ce929d0e0e4736" in text
        assert "0000000000000e9d" in text
        assert "database 81" in text.replace("\u00a0", " ")


def test_every_report_says_what_was_left_out_at_the_start() -> None:
    record = traced_load()
    summary = structs.replace(record.summary, warm_up_seconds=2.3, warm_up_requests=1150, warm_up_errors=2)
    words = "first 2.3 s (1,150 requests) excluded, 2 errors counted"
    assert warm_up_in_words(summary) == words
    for said, expected in ((summary, True), (record.summary, False)):
        told = structs.replace(record, summary=said)
        terminal = io.StringIO()
        render_terminal(told, Console(file=terminal, width=100))
        for text in (render_html(told), render_markdown(told), render_junit(told).decode(), terminal.getvalue()):
            assert (words in " ".join(text.replace("\u00a0", " ").replace("\\", "").split())) == expected
