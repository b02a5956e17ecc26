"""The forms of a record that are written to files."""

from __future__ import annotations

from pathlib import Path

import pytest

from perfloop import reporting
from perfloop.exceptions import ConfigurationError
from perfloop.reporting.formats import FORMATS, ReportFormat, format_of, render

from .sample_records import SAMPLES

DOCS = Path(__file__).parents[3] / "docs" / "records.md"


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.suffix)
def test_every_form_has_its_function_its_test_and_its_line_in_the_docs(form: ReportFormat) -> None:
    renderer = getattr(reporting, form.renderer)
    home = renderer.__module__.rpartition(".")[2]
    assert (Path(__file__).parent / f"test_{home}.py").exists()
    assert f"| `{form.suffix}` |" in DOCS.read_text()


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.suffix)
@pytest.mark.parametrize("record", SAMPLES.values(), ids=SAMPLES)
def test_every_record_is_rendered_or_refused(record: reporting.formats.AnyRecord, form: ReportFormat) -> None:
    kind = str(record.__struct_config__.tag)
    if form.kinds is None or kind in form.kinds:
        assert render(record, form).endswith((b"\n", b"</html>"))
    else:
        with pytest.raises(ConfigurationError, match=rf"a form that a record of kind {kind} has: \.html, \.json"):
            render(record, form)


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("a.csv", ".csv"),
        ("a.summary.csv", ".summary.csv"),
        ("a.parts.csv", ".parts.csv"),
        ("A.CSV", ".csv"),
        ("junit.xml", ".xml"),
        ("x.y.hlog", ".hlog"),
        ("report.md", ".md"),
    ],
)
def test_the_name_decides(name: str, suffix: str) -> None:
    assert format_of(Path("somewhere") / name).suffix == suffix


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(ConfigurationError, match=r"ends in one of \.html, .*\.hlog") as caught:
        format_of(Path("report.pdf"), where="--report")
    assert (caught.value.got, caught.value.where) == ("report.pdf", "--report")
    assert ".xml is JUnit, for CI" in (caught.value.hint or "")


def test_a_form_that_the_kind_has_not_is_told_beforehand() -> None:
    with pytest.raises(ConfigurationError, match=r"kind comparison has: \.html, \.json, \.md, \.xml") as caught:
        format_of(Path("seconds.csv"), kind="comparison")
    assert caught.value.got == ".csv, one row a second, for a spreadsheet"
