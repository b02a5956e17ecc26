from __future__ import annotations

from pathlib import Path

import pytest

from perfloop.cli.output import Outputs, deliver
from perfloop.exceptions import ConfigurationError

from ..reporting.sample_loads import load


def test_paths_that_can_be_written(tmp_path: Path) -> None:
    Outputs(record=tmp_path / "record.json", html=tmp_path / "report.html").check()
    Outputs().check()


def test_a_missing_directory_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="directory that exists") as caught:
        Outputs(record=tmp_path / "missing" / "record.json").check()
    assert caught.value.where == "--output"
    assert caught.value.hint == f"mkdir -p {tmp_path / 'missing'}"


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="this is a directory") as caught:
        Outputs(html=tmp_path).check()
    assert caught.value.where == "--html"


def test_two_results_never_go_to_one_file(tmp_path: Path) -> None:
    record, link = tmp_path / "a.html", tmp_path / "link.html"
    link.symlink_to(record)
    for outputs in (
        Outputs(record=record, html=record),
        Outputs(record=record, html=link),
        Outputs(html=record, reports=(link,)),
        Outputs(reports=(record, record)),
    ):
        with pytest.raises(ConfigurationError, match="two go to the same"):
            outputs.check()
    Outputs(record=Path("/dev/null"), html=Path("/dev/null")).check()


@pytest.mark.parametrize("words", [("", None, None), (None, "", None), (None, None, [""])])
def test_an_empty_path_is_not_none(words: tuple[str | None, str | None, list[str] | None]) -> None:
    with pytest.raises(ConfigurationError, match="Expected a path"):
        Outputs.of(False, *words)


def test_what_can_be_written_is_when_a_file_fails(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    html = tmp_path / "report.html"
    with pytest.raises(OSError, match="No space left") as caught:
        deliver(load(), Outputs(record=Path("/dev/full"), html=html))
    assert caught.value.filename == "/dev/full"
    shown = capfdbinary.readouterr().out.decode()
    assert "perfloop load" in shown
    assert str(html) in shown
    assert "/dev/full" not in shown
    assert html.stat().st_size > 1000


def test_each_file_has_a_line(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    deliver(load(), Outputs(record=tmp_path / "a.json", reports=(tmp_path / "b.csv", tmp_path / "c.md")))
    lines = capfdbinary.readouterr().out.decode().splitlines()
    assert lines[-3:] == [f"  report  {tmp_path}/b.csv", f"  report  {tmp_path}/c.md", f"  record  {tmp_path}/a.json"]
