"""Records as JSON keep to their schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from perfloop.records import AnyRecord, json_schema, load_record, save_record
from perfloop.reporting import render_json

from .sample_records import SAMPLES

if TYPE_CHECKING:
    from pathlib import Path

VALIDATOR = jsonschema.Draft202012Validator(json_schema())


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("record", SAMPLES.values(), ids=SAMPLES)
def test_json_keeps_to_the_schema(record: AnyRecord) -> None:
    VALIDATOR.validate(json.loads(render_json(record)))


@pytest.mark.parametrize("name", ["load", "diagnosis", "comparison"])
def test_the_schema_refuses_what_is_no_record(name: str) -> None:
    record: dict[str, Any] = json.loads(render_json(SAMPLES[name]))
    for key in ("environment", "kind"):
        broken = {k: v for k, v in record.items() if k != key}
        assert not VALIDATOR.is_valid(broken), key
    assert not VALIDATOR.is_valid({**record, "schema_version": "1"})


@pytest.mark.parametrize("record", SAMPLES.values(), ids=SAMPLES)
def test_json_reads_back_as_the_same_record(record: AnyRecord, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(render_json(record))
    assert load_record(path) == record


def test_json_is_what_save_record_writes(tmp_path: Path) -> None:
    save_record(SAMPLES["load"], tmp_path / "record.json")
    assert (tmp_path / "record.json").read_bytes() == render_json(SAMPLES["load"])


def test_json_is_lines_of_text() -> None:
    data = render_json(SAMPLES["load-huge"])
    assert data.endswith(b"}\n")
    assert b'\n  "kind": "load"' in data
    assert b"\x1b" not in data
