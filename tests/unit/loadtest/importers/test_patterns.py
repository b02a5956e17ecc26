from __future__ import annotations

import re
import time
from random import Random

import pytest

from perfloop.loadtest.importers.patterns import PatternError, matches, matching_text


@pytest.mark.parametrize(
    "pattern",
    [
        r"^[a-z]{3}-\d{4}$",
        r"^[A-Z][a-z]+( [A-Z][a-z]+)*$",
        r"^[a-z0-9]+(?:-[a-z0-9]+)*$",
        r"^(red|green|blue)$",
        r"^\+?[1-9]\d{1,14}$",
        r"[^a-zA-Z0-9]",
        r"^\w+@\w+\.(com|org)$",
        r"^(a)(b)\1\2$",
        r"^.{5,10}$",
        r"^[\s\S]$",
        r"^\D\S\W$",
        r"^[éü]+$",
        r"^(?=.*\d)[a-z\d]{8}$",
        r"^(?i:abc)$",
        r"",
        r"^x*?$",
    ],
)
def test_a_text_is_made_for_a_pattern(pattern) -> None:
    for seed in range(5):
        try:
            text = matching_text(pattern, Random(seed))
        except PatternError:
            assert "(?=" in pattern, "a look-ahead may be missed"
        else:
            assert re.search(pattern, text)
            assert text == matching_text(pattern, Random(seed))


def test_lengths_are_kept() -> None:
    assert len(matching_text(r"^[a-z]*$", Random(1), 12, 12)) == 12
    assert len(matching_text(r"^a+$", Random(1), 7)) == 7
    with pytest.raises(PatternError, match="no text found"):
        matching_text(r"^a{5}$", Random(1), 0, 3)


@pytest.mark.parametrize("pattern", ["(", "[z-a]", r"\p{L}", "(" * 5_000 + ")" * 5_000, r"^a\Zb^", r"[^\s\S]"])
def test_what_cannot_be_matched_is_refused(pattern) -> None:
    with pytest.raises(PatternError):
        matching_text(pattern, Random(1))


@pytest.mark.parametrize(
    "pattern",
    [
        "^(a+)+$",
        "^((a*)*)*b$",
        "a{100000}",
        "(a{1000}){1000}",
        "(((((a*)*)*)*)*)*",
        "^(a|a)*$",
        "^(a|aa)+c$",
        "(a?){30}a{30}",
        "^a*a*a*a*a*a*a*b$",
    ],
)
def test_a_hostile_pattern_ends_soon(pattern) -> None:
    began = time.process_time()
    try:
        matching_text(pattern, Random(1), 30)
    except PatternError:
        pass
    matches(pattern, "a" * 5_000 + "!")
    assert time.process_time() - began < 5, "processor time, far from that of trying every way"
