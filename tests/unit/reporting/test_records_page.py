"""The page about records names every field there is."""

from __future__ import annotations

import re
import typing
from pathlib import Path
from typing import Any

import pytest

from perfloop.records import AnyRecord, json_schema

PAGE = (Path(__file__).parents[3] / "docs" / "records.md").read_text(encoding="utf-8")
DEFINITIONS: dict[str, dict[str, Any]] = json_schema()["$defs"]


@pytest.mark.parametrize("name", DEFINITIONS)
def test_the_page_names_every_field(name: str) -> None:
    named = set(re.findall(r"`([a-z_0-9]+)`", PAGE))
    assert set(DEFINITIONS[name]["properties"]) <= named


def test_the_page_names_every_kind_of_record() -> None:
    kinds = [str(record.__struct_config__.tag) for record in typing.get_args(AnyRecord)]
    assert {"load", "diagnosis", "comparison", "capacity", "plan"} <= set(kinds)
    for kind in kinds:
        assert f": `{kind}`\n" in PAGE, kind
