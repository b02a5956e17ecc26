"""Lines, hanging indents, tables and bars."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from perfloop.reporting.terminal.paper import Paper, bar, joined, sparkline, tie


def paper(width: int = 80, encoding: str = "utf-8") -> tuple[Paper, io.TextIOWrapper]:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    return Paper(Console(file=out, width=width, color_system=None)), out


def printed(out: io.TextIOWrapper) -> list[str]:
    out.flush()
    buffer = out.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode(out.encoding).splitlines()


def test_a_line_is_cut_but_its_right_edge_is_not() -> None:
    sheet, out = paper()
    sheet.line("left " * 30, right="83 % of p99")
    (line,) = printed(out)
    assert len(line) == 80
    assert line.endswith("…  83 % of p99")


def test_hanging_text_wraps_below_itself() -> None:
    sheet, out = paper()
    sheet.hanging("label", "word " * 30)
    lines = printed(out)
    assert lines[0].startswith("  label        word word")
    assert all(line.startswith(" " * 15 + "word") for line in lines[1:])
    assert sum(line.count("word") for line in lines) == 30


def test_tied_words_stay_together() -> None:
    sheet, out = paper()
    sheet.hanging("", "x" * 60 + " ", tie("412 → 70 ms"))
    assert printed(out)[1].strip() == "412 → 70 ms"
    sheet, out = paper()
    sheet.hanging("", joined(["word"] * 30))
    assert all(line.strip()[0] != "·" for line in printed(out))


def test_a_table_lines_up_and_gives_way_in_words_not_in_figures() -> None:
    sheet, out = paper()
    sheet.table([["name " * 30, "1 ms", "faster"], ["数据库", "1,000 ms", "no difference"]], "<><")
    first, second = printed(out)
    assert "1 ms" in first
    assert first.endswith("faster")
    assert cell_len(first[: first.index("faster")]) == cell_len(second[: second.index("no difference")])
    assert max(map(cell_len, (first, second))) <= 80


@given(st.lists(st.tuples(st.text(max_size=90), st.text(max_size=9)), min_size=1, max_size=4), st.integers(60, 110))
def test_nothing_is_wider_than_the_paper(rows: list[tuple[str, str]], width: int) -> None:
    from perfloop.reporting.figures import clean

    sheet, out = paper(width)
    clean_rows = [[clean(cell) for cell in row] for row in rows]
    sheet.table(clean_rows, "<>")
    for row in clean_rows:
        sheet.line(row[0], right=row[1])
        sheet.hanging("label", *row)
        sheet.block("TITLE", row, "yellow")
    assert all(cell_len(line) <= width for line in printed(out))


def test_without_unicode_all_is_readable_and_lines_up() -> None:
    sheet, out = paper(encoding="ascii")
    sheet.table([["50 × a", bar(0.5, 10)], ["p99 →", sparkline([1, 2, 3, None], 9)]], "<<")
    sheet.line("数据库 ✓ 5–6 µs …")
    assert printed(out) == ["  50 x a  #####", "  p99 >   -*#", "  ??? + 5-6 us ~"]


@pytest.mark.parametrize(
    ("fraction", "width", "drawn"),
    [(0, 10, ""), (1e-9, 10, "▏"), (0.5, 10, "█████"), (0.55, 10, "█████▌"), (1, 3, "███"), (7, 3, "███"), (-1, 3, "")],
)
def test_a_bar(fraction: float, width: int, drawn: str) -> None:
    assert bar(fraction, width) == drawn


@pytest.mark.parametrize(
    ("values", "width", "drawn"),
    [
        ([], 10, ""),
        ([0, 0], 10, "▁▁"),
        ([1, 2, 4, 8], 10, "▂▃▅█"),
        ([None, 8, None], 10, " █ "),
        ([1, 1, 1, 8, 1, 1], 3, "▂█▂"),
    ],
)
def test_a_sparkline(values: list[float | None], width: int, drawn: str) -> None:
    assert sparkline(values, width) == drawn


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e12))), st.integers(1, 60))
def test_a_sparkline_fits(values: list[float | None], width: int) -> None:
    assert len(sparkline(values, width)) == min(width, len(values))
