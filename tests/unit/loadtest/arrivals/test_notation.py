from __future__ import annotations

import re

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.loadtest.arrivals import (
    PROFILES,
    Closed,
    Constant,
    Poisson,
    Ramp,
    Sequence,
    Sine,
    Spike,
    Steps,
    parse_profile,
    profile_of,
)


@pytest.mark.parametrize(
    ("text", "profile"),
    [
        ("constant 500 1m", Constant(500, 60)),
        ("500", Constant(500)),
        ("2k/s for 1m", Constant(2000, 60)),
        ("3000/min 30 s", Constant(50, 30)),
        ("at 20 rps for 5s", None),
        ("pause 5s", Constant(0, 5)),
        ("ramp 10..500 30s", Ramp(10, 500, 30)),
        ("Ramp from 10 to 500 in 500ms", Ramp(10, 500, 0.5)),
        ("ramp 500-10 over 30s", Ramp(500, 10, 30)),
        ("ramp 10 → 500 30s", Ramp(10, 500, 30)),
        ("steps 100 200 400 each 30s", Steps((100, 200, 400), 30)),
        ("steps 100..400 by 100 each 30s", Steps((100, 200, 300, 400), 30)),
        ("steps 4..1 by 1.5 30s", Steps((4, 2.5, 1), 30)),
        ("spike 500..2000 5s", Spike(500, 2000, 5)),
        ("spike 500..2000 5s at 20s in 1m", Spike(500, 2000, 5, 20, 60)),
        ("sine 50..150 24h", Sine(100, 50, 86400)),
        ("sine 100+-50 every 10m for 1h", Sine(100, 50, 600, 3600)),
        ("poisson 500 1m", Poisson(Constant(500, 60))),
        ("poisson ramp 1..2 3s", Poisson(Ramp(1, 2, 3))),
        ("closed 30s", Closed(30)),
        ("ramp 1..2 3s, 2 1m", Sequence((Ramp(1, 2, 3), Constant(2, 60)))),
        ("\n  ramp 1..2 3s\n  then 2 1m; 3\n", Sequence((Ramp(1, 2, 3), Constant(2, 60), Constant(3)))),
    ],
)
def test_profiles_as_people_write_them(text, profile) -> None:
    if profile is None:
        with pytest.raises(InvalidValue):
            parse_profile(text)
    else:
        assert parse_profile(text) == profile


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "Expected a profile, got ''", "ramp 10..500 30s"),
        ("rampe 10..500 30s", "one of closed, constant", "did you mean `ramp 10..500 30s`?"),
        ("faster!", "in `faster!`", "for example"),
        (
            "ramp 10..500",
            "Expected a duration such as 30s or 2m at the end of the profile `ramp 10..500`",
            "ramp FROM..TO TIME",
        ),
        (
            "ramp 10 30s",
            "Expected two rates such as 10..500 in the profile `ramp 10 30s`, got '10 30s'",
            "ramp FROM..TO TIME",
        ),
        (
            "constant 5 10",
            "a duration such as 30s or 2m in the profile `constant 5 10`, got '10'",
            "constant RATE [TIME]",
        ),
        ("constant 5 0s", "a duration above zero", "constant RATE"),
        ("constant -5 3s", "a rate such as 500 or 3000/min in the profile `constant -5 3s`", "constant RATE"),
        ("500 1m fast", "nothing more in the profile `500 1m fast`, got 'fast'", "constant RATE"),
        ("ramp 1..2 3s, rump 2..3 4s", "in `rump 2..3 4s`", "ramp 2..3 4s"),
        ("500, 600 1m", "a duration of every piece but the last, got 'constant 500'", "`constant 500 30s`"),
        ("steps 1..10 each 3s", "the rate from one step to the next", "steps FROM..TO by RATE each TIME"),
        ("steps 1..1e9 by 1 each 3s", "steps", "steps RATE"),
        ("steps 1..9000 by 1 each 3s", "at most 1000 steps", "steps RATE"),
        ("steps 1..10 by 4 each 3s", "that end at 10", "steps RATE"),
        ("sine 100±200 1m", "at most its mean, 100", ""),
        ("spike 1..2 5s at 5s in 8s", "over within its 8s", ""),
        ("poisson", "a rate or a profile at the end of the profile `poisson`", "poisson ramp"),
        ("poisson closed", "a profile with a rate", ""),
        ("closed, 5 3s", "closed stands alone", ""),
        ("pause", "a duration", "pause TIME"),
        ("replay", "a file of arrivals", "replay FILE"),
        ("replay no-such-file", "No such file", "one arrival a line"),
        ("replay 'a", "No closing quotation", ""),
    ],
)
def test_an_error_names_the_piece_what_was_expected_and_how_it_is_written(text, message, hint) -> None:
    with pytest.raises(InvalidValue, match=re.escape("--profile")) as caught:
        parse_profile(text, where="--profile")
    assert message in str(caught.value)
    assert hint in (caught.value.hint or "")


def test_every_profile_is_written_as_its_example() -> None:
    for name, kind in PROFILES.items():
        if name != "replay":
            assert isinstance(parse_profile(kind.form.example), kind), name


def test_a_table_of_a_toml_file(tmp_path) -> None:
    assert profile_of({"kind": "ramp", "start": 1, "end": 20, "duration": "30s"}) == Ramp(1, 20, 30)
    assert profile_of({"kind": "steps", "rates": [1, 2], "each": 5}) == Steps((1, 2), 5)
    assert profile_of(["ramp 1..2 3s", {"kind": "constant", "rate": 2}]) == Sequence((Ramp(1, 2, 3), Constant(2)))
    assert profile_of({"kind": "poisson", "of": "5 1m"}) == Poisson(Constant(5, 60))
    assert profile_of({"kind": "sequence", "pieces": ["5 1m", "6"]}) == Sequence((Constant(5, 60), Constant(6)))
    series = tmp_path / "a.txt"
    series.write_text("0\n1\n")
    assert str(profile_of({"kind": "replay", "file": str(series), "speed": 2})) == f"replay {series} x2"


@pytest.mark.parametrize(
    ("value", "message", "where"),
    [
        ({"kind": "rump"}, "Expected the kind of a profile: closed, constant", "load.profile.kind"),
        ({"kind": "ramp", "start": 1, "duration": 3}, "missing required field `end`", "load.profile"),
        ({"kind": "ramp", "start": 1, "end": 2, "duration": 3, "ned": 1}, "unknown field `ned`", "load.profile"),
        ({"kind": "ramp", "start": 1, "end": 2, "duration": "soon"}, "a duration such as", "load.profile.duration"),
        ({"kind": "ramp", "start": -1, "end": 2, "duration": 3}, "0 or more", "load.profile"),
        ({"kind": "replay"}, "the file of a replay", "load.profile.file"),
        (["5 1m", {"kind": "constant", "rate": "x"}], "Expected `float`, got `str`", "load.profile[1]"),
        (5, "as text, as a table", "load.profile"),
    ],
)
def test_a_wrong_table_names_the_key(value, message, where) -> None:
    with pytest.raises(InvalidValue) as caught:
        profile_of(value, where="load.profile")
    assert message in str(caught.value)
    assert caught.value.where == where
