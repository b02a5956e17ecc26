from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import pytest

from perfloop import exceptions
from perfloop.cli.errors import error_lines, show_error
from perfloop.exceptions import PerfloopError

if TYPE_CHECKING:
    from pathlib import Path

ERRORS = sorted(
    (
        member
        for _, member in inspect.getmembers(exceptions, inspect.isclass)
        if issubclass(member, PerfloopError) and member.__module__ == exceptions.__name__
    ),
    key=lambda error: error.__name__,
)
STATUSES = {"ServiceLost": 3, "UntrustworthyMeasurement": 3, "WorkerLost": 3, "InternalError": 4}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_is_shown_with_all_it_knows(error: type[PerfloopError], capsys: pytest.CaptureFixture[str]) -> None:
    raised = error("Expected a thing", got="another", where="--thing", hint="give a thing", output="line 1\nline 2\n")
    assert show_error(raised, []) == STATUSES.get(error.__name__, 2)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == (
        "error: Expected a thing\n"
        "  got    another\n"
        "  where  --thing\n"
        "  last output:\n"
        "    line 1\n"
        "    line 2\n"
        "hint: give a thing\n"
    )


def test_what_is_not_known_is_left_out() -> None:
    assert error_lines(PerfloopError("Expected a thing")) == ["error: Expected a thing"]
    assert error_lines(PerfloopError("Expected a thing", got=3)) == ["error: Expected a thing", "  got    3"]
    assert error_lines(PerfloopError("Expected a thing", output=" \n")) == ["error: Expected a thing"]


def test_of_long_output_the_end_is_shown() -> None:
    lines = error_lines(PerfloopError("It died", output="\n".join(f"line {number}" for number in range(1000))))
    assert lines[-1] == "    line 999"
    assert len(lines) < 30


def test_secrets_in_urls_are_not_shown() -> None:
    error = PerfloopError(
        "No answer from http://u:s3cret@h/", got="http://u:s3cret@h/?token=s3cret", where="http://u:s3cret@h/"
    )
    assert "s3cret" not in "\n".join(error_lines(error))


def test_an_interruption_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert show_error(KeyboardInterrupt(), []) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_file_error_names_the_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        (tmp_path / "missing").read_bytes()
    assert show_error(caught.value, []) == 2
    assert str(tmp_path / "missing") in capsys.readouterr().err


def test_one_error_in_a_group_is_that_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert show_error(ExceptionGroup("tasks", [PerfloopError("Expected a thing")]), []) == 2
    assert capsys.readouterr().err == "error: Expected a thing\n"


@pytest.fixture
def defect() -> BaseException:
    with pytest.raises(ZeroDivisionError) as caught:
        _ = 1 / 0
    return caught.value


def test_a_defect_says_what_to_report_and_hides_secrets(
    defect: BaseException, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert show_error(defect, ["load", "http://h/", "-H", "Authorization: s3cret"]) == 4
    shown = capsys.readouterr().err
    assert shown.startswith("error: internal error in perfloop")
    assert "ZeroDivisionError: division by zero" in shown
    assert "Traceback" not in shown
    (report,) = tmp_path.iterdir()
    assert str(report) in shown
    text = report.read_text()
    assert "Traceback" in text
    assert "command: perfloop load http://h/ -H Authorization: ***" in text


def test_a_defect_is_told_even_when_nothing_can_be_written(
    defect: BaseException, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    assert show_error(defect, []) == 4
    assert "ZeroDivisionError" in capsys.readouterr().err
