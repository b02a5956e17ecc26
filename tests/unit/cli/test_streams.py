from __future__ import annotations

import errno
import io
import os
import sys
from typing import TYPE_CHECKING

import pytest

from perfloop.cli import streams

if TYPE_CHECKING:
    from pathlib import Path


class Broken(io.RawIOBase):
    """A stream that fails in one way, on a descriptor that may be replaced."""

    def __init__(self, number: int, descriptor: int) -> None:
        self.number = number
        self.descriptor = descriptor

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.descriptor

    def write(self, data: object) -> int:
        raise OSError(self.number, os.strerror(self.number))


@pytest.fixture
def broken(tmp_path: Path, request: pytest.FixtureRequest) -> io.TextIOWrapper:
    with (tmp_path / "stdout").open("wb") as file:
        return io.TextIOWrapper(io.BufferedWriter(Broken(request.param, os.dup(file.fileno()))))


@pytest.mark.parametrize("broken", [errno.EPIPE, errno.EIO], indirect=True)
def test_a_reader_who_has_left_is_no_error(broken: io.TextIOWrapper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", broken)
    streams.write_stdout(b"x")


@pytest.mark.parametrize("broken", [errno.ENOSPC], indirect=True)
def test_a_full_disk_is(broken: io.TextIOWrapper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", broken)
    with pytest.raises(OSError, match="No space left") as caught:
        streams.write_stdout(b"x")
    assert caught.value.filename == "stdout"


@pytest.mark.parametrize("broken", [errno.EPIPE, errno.EIO], indirect=True)
def test_what_nobody_reads_is_dropped(broken: io.TextIOWrapper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", broken)
    broken.write("x")
    assert not streams.flush_stdout()


def test_a_note_is_one_line_without_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    streams.note("failed: p99>1s\x1b[31m")
    assert capsys.readouterr().err == "failed: p99>1s\ufffd[31m\n"
