"""One way of writing a number."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfloop.diagnosis.matching import CLIENT_PARTS
from perfloop.reporting import figures


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0"),
        (0.0004, "0.0004"),
        (0.51249, "0.512"),
        (1, "1"),
        (9.996, "10"),
        (41.25, "41.2"),
        (99.96, "100"),
        (1234.4, "1,234"),
        (-41.25, "-41.2"),
        (1e18, "1.00e+18"),
        (math.nan, "–"),
        (math.inf, "–"),
    ],
)
def test_a_number_has_three_digits(value: float, words: str) -> None:
    assert figures.number(value) == words


@given(st.floats(min_value=1e-6, max_value=1e14))
def test_a_number_in_words_is_the_number(value: float) -> None:
    assert float(figures.number(value).replace(",", "")) == pytest.approx(value, rel=0.006)


@pytest.mark.parametrize(
    ("fraction", "words"),
    [
        (0, "0 %"),
        (1e-9, "< 0.01 %"),
        (0.0004, "0.04 %"),
        (0.02, "2 %"),
        (0.0213, "2.1 %"),
        (0.83, "83 %"),
        (0.994, "99.4 %"),
        (0.99996, "99.99 %"),
        (1, "100 %"),
        (math.nan, "–"),
    ],
)
def test_a_share_in_percent(fraction: float, words: str) -> None:
    assert figures.share(fraction) == words


@given(st.floats(min_value=0, max_value=1))
def test_rounding_never_makes_some_none_or_all(fraction: float) -> None:
    words = figures.share(fraction)
    assert (words == "0 %") == (fraction == 0)
    assert (words == "100 %") == (fraction == 1)


@pytest.mark.parametrize(
    ("fraction", "words"), [(0, ""), (0.001, "< 1 %"), (0.005, "< 1 %"), (0.0051, "1 %"), (0.83, "83 %")]
)
def test_a_part_of_a_breakdown_in_whole_percent(fraction: float, words: str) -> None:
    assert figures.small_share(fraction) == words


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (412.3, "ms", "412 ms"),
        (1.5, "s", "1.5 s"),
        (850, "µs", "850 µs"),
        (0.7, "share", "70 %"),
        (2.0, "%", "2 %"),
        (12_400_000, "bytes", "12.4 MB"),
        (413_000, "bytes/s", "413 kB/s"),
        (38, "requests/s", "38 requests/s"),
        (38, "1/s", "38/s"),
        (12, "", "12"),
        (None, "ms", "–"),
        (math.nan, "ms", "–"),
    ],
)
def test_a_value_in_the_unit_of_its_record(value: float | None, unit: str, words: str) -> None:
    assert figures.with_unit(value, unit) == words


def test_a_table_writes_rates_short() -> None:
    assert figures.with_unit(38, "requests/s", short=True) == "38/s"
    assert figures.with_unit(412.3, "ms", short=True) == "412 ms"
    assert figures.with_unit(50, "MB/s", short=True) == "50 MB/s"
    assert figures.with_unit(5, "x\x1b[31m", short=True) == "5 x\ufffd[31m"


@pytest.mark.parametrize(
    ("before", "after", "unit", "words"),
    [
        (412.3, (55, 70, 90), "ms", "412 → 70 ms (55–90)"),
        (2_000, (1_200, 1_300, 1_400), "ms", "2 → 1.3 s (1.2–1.4)"),
        (0.9, (0.2, 0.25, 0.3), "ms", "900 → 250 µs (200–300)"),
        (None, (55, 70, 90), "ms", "→ 70 ms (55–90)"),
        (38, (170, 215, 248), "requests/s", "38 → 215 requests/s (170–248)"),
        (0, (0, 0, 0), "ms", "0 → 0 ms (0–0)"),
    ],
)
def test_a_change_has_one_unit(before: float | None, after: tuple[float, float, float], unit: str, words: str) -> None:
    assert figures.change(before, after, unit) == words


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        ("55 ms", "90 ms", "55–90 ms"),
        ("850 µs", "1.2 ms", "850 µs–1.2 ms"),
        ("170/s", "248/s", "170–248/s"),
        ("1,200", "1,300", "1,200–1,300"),
    ],
)
def test_a_span_writes_a_common_unit_once(low: str, high: str, words: str) -> None:
    assert figures.span(low, high) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("missing index on item", "Missing index on item"),
        ("N+1 queries", "N+1 queries"),
        ("time.sleep blocks", "time.sleep blocks"),
        ("", ""),
    ],
)
def test_a_sentence_starts_with_a_capital_unless_it_is_code(text: str, words: str) -> None:
    assert figures.sentence(text) == words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("  SELECT 1\n\tFROM item ", "SELECT 1 FROM item"),
        ("\x1b[31mred\x07", "\ufffd[31mred\ufffd"),
        ("\u202eevil", "\ufffdevil"),
        ("\x9b31m", "\ufffd31m"),
        ("数据库 ответ 👩‍💻", "数据库 ответ 👩‍💻"),
        ("412\u00a0ms", "412\u00a0ms"),
        ("lone \ud800 surrogate", "lone \ufffd surrogate"),
    ],
)
def test_text_from_outside_cannot_steer_a_terminal(text: str, shown: str) -> None:
    assert figures.clean(text) == shown


@given(st.text())
def test_clean_text_is_one_line_and_stays_as_it_is(text: str) -> None:
    shown = figures.clean(text)
    assert len(shown.splitlines()) <= 1
    assert figures.clean(shown) == shown
    shown.encode()


@pytest.mark.parametrize(("value", "words"), [(1, "1 process"), (0, "0 processes"), (1_200, "1,200 processes")])
def test_plurals(value: int, words: str) -> None:
    assert figures.plural(value, "process", "processes") == words


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_shortened_text_is_short(text: str, most: int) -> None:
    short = figures.shorten(text, most)
    assert len(short) <= most
    assert (short == text) == (len(text) <= most)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("SELECT a FROM t WHERE b = ?", "SELECT a FROM t WHERE b = ?"),
        (f'SELECT "t"."a", {"b, " * 50} c FROM t WHERE d = ?', 'SELECT "t"."a", … FROM t WHERE d = ?'),
        (
            f"SELECT a, (SELECT max(x) FROM y), ' FROM ', {'b, ' * 50} c FROM t WHERE d = ?",
            "SELECT a, … FROM t WHERE d = ?",
        ),
        (f"SELECT a FROM t WHERE b IN (?{', ?' * 99}) AND c = ?", "SELECT a FROM t WHERE b IN (?, ?, ?, …) AND c = ?"),
        (f"SELECT {'b, ' * 50}c", f"SELECT {'b, ' * 23}b,…"),
        (f"UPDATE t SET {'b = ?, ' * 50}c", f"UPDATE t SET {'b = ?, ' * 9}b =…"),
    ],
)
def test_a_long_statement_keeps_what_it_asks_by(text: str, shown: str) -> None:
    assert figures.statement(text, 80) == shown


@given(st.text(alphabet="SELECT FROM(),?'\"ab"), st.integers(min_value=1, max_value=50))
def test_a_shortened_statement_is_short(text: str, most: int) -> None:
    assert len(figures.statement(text, most)) <= most


def test_every_part_of_a_breakdown_has_words() -> None:
    assert set(figures.PART_NAMES) == set(CLIENT_PARTS)
    assert figures.part_name("some_later_part") == "some later part"
