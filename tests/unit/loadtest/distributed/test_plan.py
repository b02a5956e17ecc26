from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from perfloop.exceptions import ConfigurationError, InvalidValue
from perfloop.loadtest import LoadOptions, Request, ThinkTime, parse_profile, read_scenario
from perfloop.loadtest.arrivals import Replay
from perfloop.loadtest.distributed import plan
from perfloop.loadtest.distributed.plan import decode_plan, encode_plan, scenario_files
from perfloop.loadtest.parts import Part

URL = "http://user:secret@127.0.0.1:8000/"


def there_and_back(options: LoadOptions, tmp_path, files=None) -> LoadOptions:
    return decode_plan(encode_plan(options, files or {}), lambda: tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {
            "requests": (
                Request(method="POST", target="/a", headers=(("A", "b"),), body=b"\xff", weight=0.5, label="x"),
            )
        },
        {"headers": (("X", "y"),), "body": b"\0", "method": "PUT", "expect_status": frozenset({200, 404})},
        {"duration": None, "request_limit": 9, "timeout": 2, "insecure": True, "trace": True, "keep_samples": True},
        {"think_time": ThinkTime(1, 2), "connections": 7, "part": Part(2, 5)},
        {"think_time": 0.5, "keep_alive": False},
        {"rate": 5, "arrival": "poisson", "precise": True, "seed": 4, "http2": True, "streams": 3, "tls_resume": True},
        {"profile": parse_profile("ramp 10..500 30s, steps 1 2 each 3s, poisson spike 5..20 5s, pause 1s")},
        {"profile": parse_profile("sine 50..150 24h")},
        {"profile": parse_profile("closed 3s")},
    ],
)
def test_every_option_arrives(options, tmp_path) -> None:
    options = LoadOptions(url=URL, **options)
    assert there_and_back(options, tmp_path) == options


def test_numbers_of_numpy_and_ranges_are_as_good(tmp_path) -> None:
    options = LoadOptions(url=URL, rate=np.float32(5), connections=np.int64(3), expect_status=range(200, 203))
    assert there_and_back(options, tmp_path) == LoadOptions(
        url=URL, rate=5.0, connections=3, expect_status=frozenset({200, 201, 202})
    )


def test_orders_and_recorded_times_arrive(tmp_path) -> None:
    options = LoadOptions(
        url=URL,
        requests=(Request(target="/a"), Request(target="/b")),
        order=np.array([1, 0, 1]),
        profile=Replay(np.array([0.5, 1.0, 4.0]), 2.0, None, "log"),
    )
    got = there_and_back(options, tmp_path)
    assert got.order.tolist() == [1, 0, 1]
    assert got.profile.times.tolist() == [0.5, 1.0, 4.0]
    assert str(got.profile) == str(options.profile)


def test_the_files_of_a_scenario_go_with_it(tmp_path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    (here / "users.csv").write_text("name\nada\n")
    (here / "upload.bin").write_bytes(b"\0\1")
    (here / "shop.toml").write_text(
        '[feeders.users]\nfile = "users.csv"\n[[request]]\npath = "/{users.name}"\n'
        '[[request]]\npath = "/upload"\nbody_file = "upload.bin"\n[[journey]]\n'
        '[[journey.step]]\npath = "/a"\nbody_file = "upload.bin"\n'
    )
    options = LoadOptions(url="http://127.0.0.1/", scenario=read_scenario(str(here / "shop.toml")))
    got = there_and_back(options, there, scenario_files(options.scenario)).scenario
    assert Path(got.feeders["users"].file).read_text() == "name\nada\n"
    assert got.request[0].body_file is None
    for step in (got.request[1], got.journey[0].step[0]):
        assert step.body_file.startswith(str(there))
        assert Path(step.body_file).read_bytes() == b"\0\1"


def test_a_python_scenario_goes_with_what_it_imports_from_beside_it(tmp_path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    (here / "sent_with").mkdir(parents=True)
    (here / "sent_with" / "__init__.py").write_text("from . import inner\n")
    (here / "sent_with" / "inner.py").write_text("PATH = '/'\n")
    (here / "unused.py").write_text("")
    (here / "sent.py").write_text("import sent_with\nasync def go(user):\n    await user.get(sent_with.inner.PATH)\n")
    options = LoadOptions(url="http://127.0.0.1/", scenario=read_scenario(str(here / "sent.py")))
    try:
        got = there_and_back(options, there, scenario_files(options.scenario)).scenario
    finally:
        sys.path.remove(str(here))
    assert got.file == str(there / "sent.py")
    assert got.functions == (("go", 1.0),)
    found = sorted(str(path.relative_to(there)) for path in there.rglob("*.py"))
    assert found == ["sent.py", "sent_with/__init__.py", "sent_with/inner.py"]


def test_a_directory_is_made_where_there_are_files_only() -> None:
    def none_is_needed() -> Path:
        raise AssertionError

    assert decode_plan(encode_plan(LoadOptions(url=URL), {}), none_is_needed).url == URL


def test_no_room_for_the_files_is_said_with_the_next_step(tmp_path) -> None:
    (tmp_path / "go.py").write_text("async def go(user): ...\n")
    options = LoadOptions(url=URL, scenario=read_scenario(str(tmp_path / "go.py")))

    def full() -> Path:
        raise OSError(28, "No space left on device", "/full")

    with pytest.raises(ConfigurationError, match="No space left") as caught:
        decode_plan(encode_plan(options, scenario_files(options.scenario)), full)
    assert caught.value.where == "/full"
    assert "TMPDIR" in caught.value.hint


def test_files_that_are_too_large_are_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(plan, "MOST_BYTES", 10)
    (tmp_path / "big.csv").write_text("name\n" + "a\n" * 10)
    (tmp_path / "shop.toml").write_text('[feeders.users]\nfile = "big.csv"\n[[request]]\npath = "/{users.name}"\n')
    scenario = read_scenario(str(tmp_path / "shop.toml"))
    with pytest.raises(InvalidValue, match="more than 10") as caught:
        scenario_files(scenario)
    assert "big.csv" in caught.value.got
