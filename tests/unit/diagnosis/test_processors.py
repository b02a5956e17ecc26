from __future__ import annotations

import os

import pytest

from perfloop.diagnosis.processors import ProcessorUse, allowed_processors, processors_left


@pytest.mark.parametrize(
    ("busy", "own", "left"),
    [
        (10, 10, 4.0),
        (20, 10, 3.0),
        (5, 10, 4.0),
        (40, 5, 1.0),
    ],
    ids=["nobody else", "another program has one", "the clocks disagree", "all taken: one at least"],
)
def test_what_others_use_is_not_left(busy: float, own: float, left: float) -> None:
    assert processors_left(busy, own, 10.0, 4.0) == left


def test_no_time_says_nothing_about_others() -> None:
    assert processors_left(1, 0, 0.0, 4.0) == 4.0


@pytest.mark.parametrize(("text", "most"), [("50000 100000", 0.5), ("max 100000", 1e9), ("nonsense", 1e9)])
def test_a_containers_quota_counts(tmp_path, text: str, most: float) -> None:
    (tmp_path / "cpu.max").write_text(text)
    allowed = allowed_processors(tmp_path / "cpu.max")
    assert allowed == pytest.approx(min(most, len(os.sched_getaffinity(0))))
    assert allowed_processors(tmp_path / "missing") == len(os.sched_getaffinity(0))


def test_processor_use_grows() -> None:
    use = ProcessorUse()
    assert use.seconds() >= 0
