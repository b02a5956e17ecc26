"""`perfloop report` as people run it: one record, every form."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, get_args

import jsonschema
import pytest

from perfloop.records import AnyRecord, ComparisonRecord, LoadRecord, json_schema, save_record

from ..unit.reporting.sample_records import SAMPLES

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Perfloop


# The first of each kind: the others are for the renderers' own tests.
RECORDS = {type(record): record for record in reversed(SAMPLES.values())}


def test_there_is_a_record_of_every_kind() -> None:
    assert set(RECORDS) == set(get_args(AnyRecord))


@pytest.mark.parametrize("record", RECORDS.values(), ids=lambda record: type(record).__name__)
def test_every_form_of_every_record(perfloop: Perfloop, workplace: Path, record: AnyRecord) -> None:
    save_record(record, "record.json")

    shown = perfloop("report", "record.json")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "perfloop" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 80

    printed = perfloop("report", "record.json", "--json")
    assert printed.returncode == 0, printed.stderr
    jsonschema.Draft202012Validator(json_schema()).validate(json.loads(printed.stdout))
    assert json.loads(printed.stdout) == json.loads((workplace / "record.json").read_text())

    markdown = perfloop("report", "record.json", "--markdown")
    assert markdown.returncode == 0, markdown.stderr
    assert markdown.stdout.startswith("#")

    page = perfloop("report", "record.json", "--html", "record.html")
    assert (page.returncode, page.stdout, page.stderr) == (0, "", "report  record.html\n")
    assert (workplace / "record.html").stat().st_size > 1000


def test_the_name_of_a_file_decides_its_form(perfloop: Perfloop, workplace: Path) -> None:
    save_record(RECORDS[LoadRecord], "record.json")
    names = ["seconds.csv", "run.summary.csv", "run.parts.csv", "junit.xml", "run.hlog", "run.md"]
    options = [word for name in names for word in ("--report", name)]
    run = perfloop("report", "record.json", *options)
    assert (run.returncode, run.stdout) == (0, "")
    assert run.stderr.split() == [word for name in names for word in ("report", name)]
    assert all((workplace / name).stat().st_size for name in names)


def test_a_form_that_a_record_has_not_is_one_clear_error(perfloop: Perfloop, workplace: Path) -> None:
    save_record(RECORDS[ComparisonRecord], "record.json")
    run = perfloop("report", "record.json", "--report", "seconds.csv")
    assert run.returncode == 2
    assert run.stderr.startswith("error: Expected a form that a record of kind comparison has: .html")
    assert "where  --report" in run.stderr
    assert not (workplace / "seconds.csv").exists()
