from __future__ import annotations

import re
from pathlib import Path

import pytest

import perfloop.loadtest
from perfloop.exceptions import InvalidValue
from perfloop.loadtest import Engine, LoadOptions


def test_options_are_checked_before_anything_is_opened() -> None:
    with pytest.raises(InvalidValue):
        Engine(LoadOptions(url="http://localhost", rate=-1))


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


def test_every_option_is_on_the_page() -> None:
    page = (Path(__file__).parents[3] / "docs/load-testing.md").read_text()
    assert [field for field in LoadOptions.__struct_fields__ if f"`{field}`" not in page] == []
