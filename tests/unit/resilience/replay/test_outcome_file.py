"""A file of outcomes gives back what was written, and of a damaged one all that comes before the damage."""

from __future__ import annotations

import json
import zlib

import jsonschema
import msgspec
import pytest

from perfloop.exceptions import RecordTooNew, UnreadableRecord
from perfloop.records import OutcomesRecord, current_environment, json_schema
from perfloop.resilience.replay.outcome_file import append_calls, read_outcome_file

CALLS = [(10.0, 0.25, 0), (9.5, 2.0, 1), (12.000001, 0.0, 2), (12.5, 1e6, 3)]


def head(**more) -> OutcomesRecord:
    known = {"environment": current_environment(), "name": "pay", "process": "a", "pid": 7, "epoch": 1e9}
    return OutcomesRecord(**{**known, **more})


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "pay.outcomes"
    with path.open("wb", buffering=0) as opened:
        opened.write(msgspec.json.encode(head()) + b"\n")
        append_calls(opened, CALLS[:3], 0)
        append_calls(opened, CALLS[3:], 5)
    return path


def test_what_is_written_is_read(file) -> None:
    found = read_outcome_file(file)
    assert found.head == head()
    assert list(found.started) == [10_000_000, 9_500_000, 12_000_001, 12_500_000]
    assert list(found.took) == [250_000, 2_000_000, 0, 2**32 - 1]
    assert list(found.outcomes) == [0, 1, 2, 3]
    assert (found.lost, found.damage) == (5, None)


def test_the_head_is_a_record_of_the_published_schema(file) -> None:
    jsonschema.validate(json.loads(file.read_bytes().split(b"\n")[0]), json_schema())


def test_of_a_file_that_is_cut_off_whole_blocks_are_read(file) -> None:
    data = file.read_bytes()
    lengths = set()
    for length in range(data.index(b"\n") + 1, len(data)):
        file.write_bytes(data[:length])
        found = read_outcome_file(file)
        lengths.add(len(found.outcomes))
        assert len(found.started) == len(found.took) == len(found.outcomes)
        assert (found.damage is None) == (
            length in (data.index(b"\n") + 1, data.index(b"PLOB", data.index(b"PLOB") + 1))
        )
    assert lengths == {0, 3}
    assert "cut off at byte" in found.damage


def test_no_flipped_bit_is_taken_for_data(file) -> None:
    data = file.read_bytes()
    whole = read_outcome_file(file)
    for at in range(data.index(b"\n") + 1, len(data)):
        file.write_bytes(data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :])
        found = read_outcome_file(file)
        assert found.damage is not None, at
        assert found.outcomes == whole.outcomes[: len(found.outcomes)]


@pytest.mark.parametrize("content", [b"", b"\n", b"{", b'{"kind": "load"}\n', b"\xff\xfe\n", b"[" * 5000 + b"\n"])
def test_what_is_no_file_of_outcomes_is_refused(tmp_path, content) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(UnreadableRecord, match="file of outcomes"):
        read_outcome_file(path)


def test_a_file_that_is_not_there_is_refused(tmp_path) -> None:
    with pytest.raises(UnreadableRecord, match="No such file"):
        read_outcome_file(tmp_path / "none")


def test_a_file_of_a_newer_perfloop_is_refused(tmp_path) -> None:
    path = tmp_path / "x"
    path.write_bytes(msgspec.json.encode(head(schema_version=99)) + b"\n")
    with pytest.raises(RecordTooNew):
        read_outcome_file(path)


def test_an_epoch_that_is_no_moment_is_refused(tmp_path) -> None:
    path = tmp_path / "x"
    path.write_bytes(msgspec.json.encode(head(epoch=1e300)) + b"\n")
    with pytest.raises(UnreadableRecord, match="no moment"):
        read_outcome_file(path)


def test_moments_beyond_all_numbers_are_damage(tmp_path) -> None:
    path = tmp_path / "x"
    with path.open("wb", buffering=0) as opened:
        opened.write(msgspec.json.encode(head()) + b"\n")
        append_calls(opened, CALLS, 0)
        append_calls(opened, [(9e12, 0.0, 0), (9.2e12, 0.0, 0)], 0)
    data = path.read_bytes()
    at = data.index(b"PLOB", data.index(b"PLOB") + 1)
    block = bytearray(data[at:-4])
    block[16:24] = (2**63 - 1).to_bytes(8, "little")  # the first moment, with a checksum that fits
    path.write_bytes(data[:at] + block + zlib.crc32(block).to_bytes(4, "little"))
    found = read_outcome_file(path)
    assert len(found.outcomes) == len(CALLS)
    assert "wrong figures" in str(found.damage)
