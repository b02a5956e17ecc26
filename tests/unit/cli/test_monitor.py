from __future__ import annotations

from typing import TYPE_CHECKING

from perfloop.cli import main

if TYPE_CHECKING:
    import pytest


def test_an_address_for_no_page_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["monitor", "--no-web", "--live-web", "0", "--", "true"]) == 2
    assert capsys.readouterr().err.startswith("error: Expected --live-web or --no-web, got both\n")
