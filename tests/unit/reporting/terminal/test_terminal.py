"""What people read on the terminal, kept in golden files at 80 columns without colour."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import msgspec
import pytest
from rich.cells import cell_len
from rich.console import Console

from perfloop.records import DiagnosisRecord, LoadRecord
from perfloop.reporting import render_terminal, summary_line

from ..sample_records import SAMPLES

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from perfloop.records import AnyRecord

GOLDEN = [name for name in SAMPLES if name not in ("diagnosis-endless", "diagnosis-hostile", "plan-deep")]


def rendered(record: AnyRecord, *, width: int = 80, colour: bool = False) -> str:
    out = io.StringIO()
    render_terminal(
        record, Console(file=out, width=width, force_terminal=colour, color_system="auto" if colour else None)
    )
    return out.getvalue()


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str, snapshot: SnapshotAssertion) -> None:
    assert rendered(SAMPLES[name]) == snapshot


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("record", SAMPLES.values(), ids=SAMPLES)
def test_no_line_is_too_wide_or_ends_in_blanks(record: AnyRecord, width: int) -> None:
    lines = rendered(record, width=width).splitlines()
    assert [line for line in lines if cell_len(line) > width] == []
    assert [line for line in lines if line != line.rstrip()] == []


@pytest.mark.parametrize("record", SAMPLES.values(), ids=SAMPLES)
def test_without_colour_there_is_no_escape_sequence(record: AnyRecord) -> None:
    assert "\x1b" not in rendered(record)


@pytest.mark.parametrize("record", SAMPLES.values(), ids=SAMPLES)
def test_colour_adds_nothing_but_colour(record: AnyRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = rendered(record, colour=True)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == rendered(record)


@pytest.mark.parametrize("record", SAMPLES.values(), ids=SAMPLES)
def test_a_terminal_without_unicode_gets_ascii(record: AnyRecord) -> None:
    buffer = io.BytesIO()
    out = io.TextIOWrapper(buffer, encoding="ascii", errors="strict")
    render_terminal(record, Console(file=out, width=80, color_system=None))
    out.flush()
    text = buffer.getvalue().decode("ascii")
    assert len(text.splitlines()) == len(rendered(record).splitlines())


def test_figures_that_cannot_be_trusted_are_marked_before_any_of_them() -> None:
    text = rendered(SAMPLES["load-untrustworthy"])
    assert text.index("UNTRUSTWORTHY") < text.index("requests   6,000")


@pytest.mark.parametrize("name", ["load", "load-failing", "load-empty", "comparison", "comparison-slower"])
def test_the_last_line_is_the_verdict(name: str) -> None:
    text = " ".join(rendered(SAMPLES[name]).split())
    assert text.removesuffix(".").endswith(summary_line(SAMPLES[name]))


def test_what_does_not_fit_is_counted() -> None:
    text = rendered(SAMPLES["diagnosis-endless"])
    assert "… and 290 more" in text
    assert "… and 280 more" in text
    assert "… and 395 more routes" in text
    assert len(text) < 40_000


def test_targets_that_nobody_set_are_mentioned_and_not_pressed() -> None:
    record = SAMPLES["diagnosis"]
    assert isinstance(record, DiagnosisRecord)
    targets = [msgspec.structs.replace(target, configured=False) for target in record.targets]
    text = rendered(msgspec.structs.replace(record, targets=targets))
    assert "missed" not in text
    assert "not reached: latency p50, requests/s" in " ".join(text.split())


def test_a_second_that_was_hardly_measured_shows_no_fall() -> None:
    record = SAMPLES["load"]
    assert isinstance(record, LoadRecord)
    stray = msgspec.structs.replace(record.results.series[0], second=30, requests=1)
    results = msgspec.structs.replace(record.results, series=[*record.results.series, stray])
    text = rendered(msgspec.structs.replace(record, results=results))
    line = next(line for line in text.splitlines() if line.startswith("  requests/s"))
    assert line.split() == ["requests/s", "█" * 30, "200"]
