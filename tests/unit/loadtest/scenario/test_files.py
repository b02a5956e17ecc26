"""Scenario files: what is wrong is said with file, line and key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from perfloop.exceptions import ConfigurationError
from perfloop.loadtest import (
    Feeder,
    Journey,
    LoadOptions,
    PythonScenario,
    Scenario,
    Step,
    WeightedRequest,
    read_scenario,
)
from perfloop.loadtest.scenario.compiling import compile_scenario

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """\
name = "shop"
cookies = true
[headers]
Accept = "application/json"
[variables]
base = "/v{version}"
version = 1
[feeders.users]
file = "users.csv"
order = "random"
[[request]]
weight = 3
path = "{base}/items/{users.id}?q={users.name}"
[[journey]]
name = "buy"
think = "1s..2s"
[[journey.step]]
path = "/login"
json = { name = "{users.name}" }
extract = { token = { json = "/token" } }
check = { status = 200 }
[[journey.step]]
method = "PUT"
path = "/cart?token=abc"
headers = { X-Token = "{token}" }
body_file = "big.bin"
think = 0
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "users.csv").write_text("id,name\n1,a\n2,b\n")
    (tmp_path / "empty.csv").write_text("id\n")
    (tmp_path / "big.bin").write_bytes(b"x")
    return tmp_path


def test_a_whole_file(here: Path) -> None:
    (here / "shop.toml").write_text(GOOD)
    scenario = read_scenario("shop.toml")
    assert isinstance(scenario, Scenario)
    assert scenario.lines() == [
        "3x GET {base}/items/{users.id}?q={users.name}",
        "buy: POST /login, PUT /cart?token=abc",
    ]
    first, second = compile_scenario(scenario).journeys
    values = first.feeders[0].rows[1]
    assert first.steps[0].path.render(values) == b"/v1/items/2?q=b"
    assert second.steps[0].think == (1, 2)
    assert second.steps[1].think == (0, 0)
    login, cart = second.steps
    assert login.body is not None
    assert login.body.render(values) == b'{"name": "b"}'
    assert login.headers.render({}) == b"\r\nAccept: application/json\r\nContent-Type: application/json"
    assert cart.headers.render({"token": "t"}) == b"\r\nX-Token: t\r\nAccept: application/json"
    assert cart.label == "PUT /cart?token=***"
    plan = LoadOptions(url="http://x", scenario=scenario).plan()
    assert (plan.scenario, plan.requests[1]) == ("shop", "buy: POST /login, PUT /cart?token=***")


BAD = [
    ("", "Expected at least one [[request]] or [[journey]] (s.toml)"),
    ("a = ", "Expected TOML: Invalid value (at end of document) (s.toml)"),
    ('[[request]]\npath = "/"\nwieght = 2', "Unknown key, got 'wieght' (s.toml:3: request[0].wieght)"),
    ('\n[feeder.users]\nfile = "users.csv"', "Unknown key, got 'feeder' (s.toml:2: feeder)"),
    ("[[request]]\nweight = 2", "Expected the key `path` (s.toml:1: request[0])"),
    ('[[request]]\npath = "/"\nweight = "2"', "Expected a number, got '2' (s.toml:3: request[0].weight)"),
    ('[[request]]\npath = "/"\nweight = 0', "Expected a weight above 0, got 0.0 (s.toml:3: request[0].weight)"),
    ("[[request]]\npath = 1", "Expected text, got 1 (s.toml:2: request[0].path)"),
    ('[request]\npath = "/"', "Expected an array, got {'path': '/'} (s.toml:1: request)"),
    ('[[request]]\npath = "/"\ncheck = 200', "Expected a table, got 200 (s.toml:3: request[0].check)"),
    (
        '[[request]]\npath = "/"\nheaders = { X-Key = 12345 }',
        "Expected text, got 'a value of type int' (s.toml:3: request[0].headers.X-Key)",
    ),
    (
        '[feeders.a]\nfile = "users.csv"\norder = "shuffled"',
        "Expected one of sequential, random, unique, got 'shuffled' (s.toml:3: feeders.a.order)",
    ),
    ('[[request]]\npath = "/{nme}"', "Unknown variable, got 'nme' (s.toml:2: request[0].path)"),
    (
        '[variables]\na = "{b}"\nb = "x{a}"\n[[request]]\npath = "/{a}"',
        "Expected no circular reference, got 'a → b → a' (s.toml:2: variables.a)",
    ),
    (
        '[feeders.users]\nfile = "users.csv"\n[[request]]\npath = "/"\nbody = "{users.nme}"',
        "Expected a column of the feeder `users`, got 'nme' (s.toml:5: request[0].body)",
    ),
    (
        '[feeders.users]\nfile = "users.csv"\n[[request]]\npath = "/{user.id}"',
        "Unknown feeder, got 'user' (s.toml:4: request[0].path)",
    ),
    (
        '[feeders.users]\nfile = "empty.csv"\n[[request]]\npath = "/"',
        "Expected at least one row: the feeder is empty, got 'empty.csv' (s.toml:1: feeders.users)",
    ),
    (
        '[[journey]]\n[[journey.step]]\npath = "/{token}"\n[[journey.step]]\npath = "/"\nextract.token.json = "/t"',
        "Unknown variable, got 'token' (s.toml:3: journey[0].step[0].path)",
    ),
    (
        '[[journey]]\nthink = "10..30"\n[[journey.step]]\npath = "/"',
        "Expected a unit at both ends of a range, got '10..30' (s.toml:2: journey[0].think)",
    ),
    (
        '[[journey]]\nthink = "3s..1s"\n[[journey.step]]\npath = "/"',
        "Expected the shorter time first, as in 1s..3s, got '3s..1s' (s.toml:2: journey[0].think)",
    ),
    ("[[journey]]\nstep = []", "Expected at least one step (s.toml:1: journey[0])"),
    (
        '[[request]]\npath = "/"\nextract.token.jsn = "/t"',
        "Unknown key, got 'jsn' (s.toml:3: request[0].extract.token.jsn)",
    ),
    (
        '[[request]]\npath = "/"\nextract.token.regex = "("',
        "Expected a regular expression: missing ), unterminated subpattern at position 0, got '(' "
        "(s.toml:3: request[0].extract.token)",
    ),
    (
        '[[request]]\npath = "/"\nbody_file = "none.bin"',
        "Expected a file, got 'none.bin' (s.toml:3: request[0].body_file)",
    ),
    (
        '[[request]]\npath = "/"\nbody = "a"\njson = 1',
        "Expected one body, got body and json (s.toml:4: request[0].json)",
    ),
    (
        '[[request]]\npath = "/"\nheaders = { Content-Length = "1" }',
        "Expected no Content-Length: perfloop counts the body (s.toml:3: request[0].headers.Content-Length)",
    ),
    (
        '[[request]]\npath = "/"\nmethod = "GE T"',
        "Expected an HTTP method such as GET or POST, got 'GE T' (s.toml:3: request[0].method)",
    ),
]


@pytest.mark.parametrize(("text", "message"), BAD, ids=[message[:60] for _, message in BAD])
def test_what_is_wrong_is_said_with_file_line_and_key(here: Path, text: str, message: str) -> None:
    (here / "s.toml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_scenario("s.toml")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('[[request]]\npath = "/"\nwieght = 2', "did you mean `weight`?"),
        ('[feeders.users]\nfile = "users.csv"\n[[request]]\npath = "/{users.nam}"', "did you mean `name`?"),
        ('[feeders.users]\nfile = "users.csv"\n[[request]]\npath = "/{user.id}"', "did you mean `users`?"),
        ('[feeders.users]\nfile = "users.csv"\n[[request]]\npath = "/{name}"', "did you mean `users.name`?"),
        (
            '[variables]\nversion = 1\n[[request]]\npath = "/{verson}"',
            "did you mean `version`?; `{{verson}}` is the text {verson}",
        ),
        ('[[request]]\npath = "/{a}"', "there is none; `{{a}}` is the text {a}"),
    ],
)
def test_the_next_step_is_told(here: Path, text: str, hint: str) -> None:
    (here / "s.toml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_scenario("s.toml")
    assert caught.value.hint == hint


def test_the_same_from_python_objects() -> None:
    scenario = Scenario(
        feeders={"items": Feeder(rows=({"id": 1}, {"id": 2}))},
        request=(WeightedRequest(path="/items/{items.id}", weight=2),),
        journey=(Journey(step=(Step(path="/{items.name}"),)),),
    )
    with pytest.raises(ConfigurationError) as caught:
        compile_scenario(scenario)
    assert str(caught.value) == "Expected a column of the feeder `items`, got 'name' (scenario.journey[0].step[0].path)"


def test_other_files(here: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"Expected a scenario: a \.toml or \.py file, got 'shop.yaml'"):
        read_scenario("shop.yaml")
    with pytest.raises(ConfigurationError, match=r"Expected a readable scenario: No such file.*\(none.toml\)"):
        read_scenario("none.toml")


PYTHON = """\
from perfloop.loadtest import journey

@journey(weight=3)
async def browse(user): ...

@journey()
async def buy(user): ...

async def other(user): ...

def plain(user): ...

async def two(user, other): ...
"""


def test_functions_of_a_python_file(here: Path) -> None:
    (here / "shop.py").write_text(PYTHON)
    scenario = read_scenario("shop.py")
    assert scenario == PythonScenario(file="shop.py", functions=(("browse", 3.0), ("buy", 1.0)))
    assert (scenario.name, scenario.lines()) == ("shop.py", ["3x browse", "buy"])
    assert read_scenario("shop.py:other").name == "shop.py:other"
    (here / "one.py").write_text("async def only(user): ...\nasync def setup(user): ...")
    assert read_scenario("one.py").lines() == ["only"]
    (here / "listed.py").write_text("async def a(user): ...\nasync def b(user): ...\nSCENARIOS = [(a, 2), b]")
    assert read_scenario("listed.py").lines() == ["2x a", "b"]


BAD_PYTHON = [
    (
        "import nothing_of_that_name",
        "",
        "The scenario cannot be imported: ModuleNotFoundError: No module named 'nothing_of_that_name' (s.py:1) (s.py)",
    ),
    ("a = (", "", "The scenario cannot be imported: SyntaxError: '(' was never closed (s.py, line 1) (s.py)"),
    ("1 / 0", "", "The scenario cannot be imported: ZeroDivisionError: division by zero (s.py:1) (s.py)"),
    ("raise SystemExit(3)", "", "The scenario cannot be imported: SystemExit: 3 (s.py:1) (s.py)"),
    ("", "", "Expected a function marked with @journey, or a list SCENARIOS, got 'no coroutine function' (s.py)"),
    (PYTHON, ":brwose", "No such function, got 'brwose' (s.py)"),
    (PYTHON, ":plain", "Expected a coroutine function: async def plain(user) (s.py: plain)"),
    (
        PYTHON,
        ":two",
        "Expected a function of one argument, the user: missing a required argument: 'other' (s.py:13: two)",
    ),
    ("async def a(user): ...\nSCENARIOS = [(a, 0)]", "", "Expected a weight above 0, got 0 (s.py: SCENARIOS[0])"),
    (
        "async def a(user): ...\ndef setup(user): ...",
        "",
        "Expected a coroutine function: async def setup(user) (s.py: setup)",
    ),
    ("from perfloop.loadtest import journey\n@journey\nasync def a(user): ...", "", "got <function a at"),
]


@pytest.mark.parametrize(("text", "name", "message"), BAD_PYTHON, ids=[message[:50] for *_, message in BAD_PYTHON])
def test_python_files_that_cannot_be_used(here: Path, text: str, name: str, message: str) -> None:
    (here / "s.py").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_scenario(f"s.py{name}")
    assert message in str(caught.value)
