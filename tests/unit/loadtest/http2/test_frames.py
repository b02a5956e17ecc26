"""Frames as bytes."""

from __future__ import annotations

import h2.errors
import h2.settings
import pytest
from hyperframe.frame import FRAMES, DataFrame, SettingsFrame

from perfloop.loadtest.http2 import frames


def test_frames_are_written_as_others_write_them() -> None:
    other = DataFrame(7, b"x" * 70_000, flags=["END_STREAM"])
    assert frames.frame(frames.DATA, frames.END_STREAM, 7, b"x" * 70_000) == other.serialize()
    values = {frames.Setting.ENABLE_PUSH: 0, frames.Setting.INITIAL_WINDOW_SIZE: 1 << 24}
    settings = frames.write_settings(values)
    assert frames.frame(frames.SETTINGS, 0, 0, settings) == SettingsFrame(0, settings=dict(values)).serialize()
    assert dict(frames.read_settings(settings)) == dict(values)


def test_numbers_are_those_of_others() -> None:
    assert {code.name: code.value for code in frames.ErrorCode} == {
        each.name: each.value for each in h2.errors.ErrorCodes
    }
    for setting in frames.Setting:
        assert h2.settings.SettingCodes[setting.name] == setting
    numbers = {kind.__name__.removesuffix("Frame").lower(): number for number, kind in FRAMES.items()}
    for name in ("DATA", "HEADERS", "PRIORITY", "SETTINGS", "PING", "GOAWAY", "CONTINUATION"):
        assert getattr(frames, name) == numbers[name.lower()]
    assert (numbers["rststream"], numbers["pushpromise"]) == (frames.RST_STREAM, frames.PUSH_PROMISE)
    assert numbers["windowupdate"] == frames.WINDOW_UPDATE


@pytest.mark.parametrize(("payload", "content"), [(b"\0ab", b"ab"), (b"\x02ab\0\0", b"ab"), (b"\x02\0\0", b"")])
def test_padding(payload: bytes, content: bytes) -> None:
    assert frames.unpadded(payload) == content


@pytest.mark.parametrize("payload", [b"", b"\x01", b"\x03ab"])
def test_padding_beyond_the_frame(payload: bytes) -> None:
    with pytest.raises(frames.ViolationError):
        frames.unpadded(payload)


def test_names_of_errors() -> None:
    assert [frames.error_name(code) for code in (0, 11, 99)] == ["NO_ERROR", "ENHANCE_YOUR_CALM", "error 99"]
