"""Packages that an installer put beside other code are libraries; what is beside them is the user's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from perfloop.agent import frames
from perfloop.agent.installed import is_installed

if TYPE_CHECKING:
    from pathlib import Path

RECORD = "orm/__init__.py,,\norm/session.py,,\nsingle.py,,\n../../bin/orm,,\norm-2.dist-info/RECORD,,\n"


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a service and what `pip install --target` put beside it."""
    (tmp_path / "orm-2.dist-info").mkdir()
    (tmp_path / "orm-2.dist-info" / "RECORD").write_text(RECORD)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "installed"),
    [
        ("orm/session.py", True),
        ("single.py", True),
        ("shop/orders.py", False),
        ("orders.py", False),
        ("shop/orm/session.py", False),
    ],
)
def test_what_an_installer_lists_is_installed(beside: Path, file: str, installed: bool) -> None:
    assert is_installed(str(beside / file)) is installed
    assert frames.is_user_code(str(beside / file)) is not installed


def test_the_users_own_project_is_the_users_also_where_it_is_installed(beside: Path) -> None:
    (beside / "shop-1.dist-info").mkdir()
    (beside / "shop-1.dist-info" / "RECORD").write_text("shop/orders.py,,\n")
    (beside / "shop-1.dist-info" / "direct_url.json").write_text('{"url": "file:///src/shop", "dir_info": {}}')
    assert not is_installed(str(beside / "shop" / "orders.py"))
    assert is_installed(str(beside / "orm" / "session.py"))


def test_a_directory_that_is_gone_has_nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path / "gone")
    assert not is_installed(str(tmp_path / "gone" / "orders.py"))
    assert not is_installed("/not/on/the/path/orders.py")
