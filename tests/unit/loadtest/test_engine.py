from __future__ import annotations

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import perfloop.loadtest
from perfloop.exceptions import InvalidValue, MissingExtra
from perfloop.loadtest import Engine, LoadOptions
from perfloop.loadtest import engine as engine_module
from perfloop.loadtest.watch import GeneratorWatch


def test_options_are_checked_before_anything_is_opened() -> None:
    with pytest.raises(InvalidValue):
        Engine(LoadOptions(url="http://localhost", rate=-1))


def test_it_wakes_for_the_next_request_though_no_connection_is_free_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(LoadOptions(url="http://localhost", rate=200))
    armed: list[float] = []
    monkeypatch.setattr(engine_module, "_monotonic", lambda: 10.0)
    monkeypatch.setattr(engine, "_ticker", SimpleNamespace(arm=armed.append))
    monkeypatch.setattr(engine, "_watch", GeneratorWatch(10.0), raising=False)
    engine._next_due = 10.001
    engine._tick()
    assert armed == [10.001]


def test_what_the_package_offers_is_sorted_and_exists() -> None:
    names = perfloop.loadtest.__all__
    assert sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name)) == names
    assert all(hasattr(perfloop.loadtest, name) for name in names)


def test_every_kind_of_failure_is_explained_on_the_page() -> None:
    root = Path(__file__).parents[3]
    source = (root / "src/perfloop/loadtest/failures.py").read_text()
    page = (root / "docs/load-testing.md").read_text()
    kinds = re.findall(r'^[A-Z_]+ = "([^"]+)"$', source, flags=re.MULTILINE)
    assert len(kinds) >= 10
    assert [kind for kind in kinds if f"`{kind}`" not in page] == []


def test_http2_without_its_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "perfloop.loadtest.http2", None)
    with pytest.raises(MissingExtra) as caught:
        Engine(LoadOptions(url="http://localhost", http2=True))
    assert "perfloop[http2]" in (caught.value.hint or "")


def test_every_option_is_on_the_page() -> None:
    page = (Path(__file__).parents[3] / "docs/load-testing.md").read_text()
    assert [field for field in LoadOptions.__struct_fields__ if f"`{field}`" not in page] == []


def test_a_connection_that_becomes_free_wakes_the_engine_in_time_for_the_next_request() -> None:
    engine = Engine(LoadOptions(url="http://localhost", rate=100, duration=1))
    armed: list[float] = []
    engine._ticker = SimpleNamespace(arm=armed.append)
    # All connections were busy: the next look is 5 ms off, the next request due in 2.
    engine._watch = SimpleNamespace(expected=10.005)
    engine._next_due = 10.002
    engine._free_open(SimpleNamespace(), 10.001)
    assert armed == [10.002]
    engine._free_open(SimpleNamespace(), 10.0015)
    assert armed == [10.002]
