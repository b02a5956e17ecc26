"""Temporary directories, and those that killed processes have left."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Any

import pytest

from perfloop.database.scratch import scratch_directory

if TYPE_CHECKING:
    from pathlib import Path


def test_it_is_there_for_the_block_and_nobody_elses(tmp_path: Path) -> None:
    with scratch_directory(parent=str(tmp_path)) as (directory, _):
        assert directory.parent == tmp_path
        assert directory.stat().st_mode & 0o077 == 0
        (directory / "clone.sqlite3").touch()
    assert os.listdir(tmp_path) == []  # noqa: PTH208


def test_the_next_removes_what_was_left_and_nothing_that_is_in_use(tmp_path: Path) -> None:
    left = tmp_path / "perfloop-clone-left"
    (left / "data").mkdir(parents=True)
    other = tmp_path / "somebody-elses"
    other.mkdir()
    (tmp_path / "perfloop-clone-link").symlink_to(other)
    with scratch_directory(parent=str(tmp_path)) as (used, _), scratch_directory(parent=str(tmp_path)):
        assert used.exists()
        assert not left.exists()
        assert other.exists()


def test_it_is_in_use_while_a_child_has_it_open(tmp_path: Path) -> None:
    with scratch_directory(parent=str(tmp_path)) as (directory, descriptor):
        kept = os.dup(descriptor)
        os.close(descriptor)
        with scratch_directory(parent=str(tmp_path)):
            assert directory.exists()
        os.dup2(kept, descriptor)
        os.close(kept)


@pytest.mark.parametrize("moment", ["before it is open", "before it is in use"])
def test_one_that_another_takes_for_abandoned_is_made_again(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_, flock = os.open, fcntl.flock
    turns = iter([True])

    def others() -> None:
        if next(turns, False):
            (made,) = tmp_path.iterdir()
            made.rmdir()

    def opened(*words: Any, **more: Any) -> int:
        if moment == "before it is open":
            others()
        return open_(*words, **more)

    def locked(*words: Any) -> None:
        others()
        flock(*words)

    monkeypatch.setattr("perfloop.database.scratch.os.open", opened)
    monkeypatch.setattr("perfloop.database.scratch.fcntl.flock", locked)
    with scratch_directory(parent=str(tmp_path)) as (directory, descriptor):
        assert os.path.samestat(os.fstat(descriptor), directory.stat())
    assert list(tmp_path.iterdir()) == []
