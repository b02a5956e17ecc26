"""A plan in words."""

from __future__ import annotations

import pytest

from perfloop.records import LoadPlan
from perfloop.reporting.description import plan_in_words


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
            LoadPlan(model="open", connections=2, requests=[], rate=5.0),
            ["open model, 5 requests/s constant", "2 connections"],
        ),
    ],
)
def test_a_plan_in_words(plan: LoadPlan, words: list[str]) -> None:
    assert plan_in_words(plan) == words
