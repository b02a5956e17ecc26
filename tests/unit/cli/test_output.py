from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from perfloop.cli.output import Outputs
from perfloop.exceptions import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


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
