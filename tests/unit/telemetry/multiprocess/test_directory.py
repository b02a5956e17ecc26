from __future__ import annotations

import os
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from perfloop.exceptions import ConfigurationError
from perfloop.telemetry.multiprocess import merge, read_processes
from perfloop.telemetry.multiprocess.cells import CellWriter, Definition
from perfloop.telemetry.multiprocess.directory import create, prepare, tidy

if TYPE_CHECKING:
    from pathlib import Path


def definition(kind: str = "counter") -> Definition:
    return Definition(
        name=f"the.{kind}",
        kind=kind,  # type: ignore[arg-type]
        description="",
        unit="",
        label_names=(),
        merge="sum",
        labels=(),
    )


def process(directory: Path, count: float, *, ended: bool = True) -> int:
    descriptor, _ = create(directory)
    writer = CellWriter(descriptor)
    for kind in ("counter", "gauge"):
        writer.values[writer.cell(writer.define(definition(kind)), 0)] = count
    writer.close()
    if ended:
        os.close(descriptor)
    return descriptor


def total(directory: Path) -> dict[str, float]:
    families = merge([each.families for each in read_processes(directory)])
    return {each.name: each.series[0].value for each in families}  # type: ignore[misc]


def test_a_process_that_ended_keeps_its_counts_and_loses_its_gauges(tmp_path: Path) -> None:
    process(tmp_path, 3)
    alive = process(tmp_path, 4, ended=False)
    assert [each.alive for each in read_processes(tmp_path)] == [True, False], "the latest comes first"
    assert total(tmp_path) == {"the.counter": 7, "the.gauge": 4}
    os.close(alive)
    assert total(tmp_path) == {"the.counter": 7}


def test_a_file_is_private_and_named_after_its_process(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "directory"
    prepare(directory)
    process(directory, 1)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    [file] = directory.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.name.split("-")[1] == str(os.getpid())


def test_files_of_others_and_damaged_ones_are_passed_over(tmp_path: Path) -> None:
    process(tmp_path, 2)
    (tmp_path / "0-note.metrics").write_text("not ours")
    (tmp_path / "1-cut.metrics").write_bytes(b"perfloop metrics" + b"\xff\xff\xff\xff\x01\0\0\0" + b"\0" * 40)
    (tmp_path / "2-empty.metrics").touch()
    (tmp_path / "3-link.metrics").symlink_to("/etc/passwd")
    (tmp_path / "4-being-made.new").touch()
    assert total(tmp_path) == {"the.counter": 2}


def test_many_that_ended_become_one_and_nothing_is_lost(tmp_path: Path) -> None:
    alive = process(tmp_path, 100, ended=False)
    for count in range(20):
        process(tmp_path, count)
    before = total(tmp_path)
    assert tidy(tmp_path)
    assert len(list(tmp_path.glob("*.metrics"))) == 2
    assert total(tmp_path) == before == {"the.counter": 290, "the.gauge": 100}
    assert not tidy(tmp_path), "there is nothing left to do"
    for count in range(20):
        process(tmp_path, count)
    assert tidy(tmp_path)
    assert total(tmp_path) == {"the.counter": 480, "the.gauge": 100}
    os.close(alive)


def test_few_are_left_as_they_are(tmp_path: Path) -> None:
    for count in range(16):
        process(tmp_path, count)
    assert not tidy(tmp_path)
    assert len(list(tmp_path.glob("*.metrics"))) == 16


def test_whoever_ends_while_tidying_up_counts_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for count in range(20):
        process(tmp_path, count)
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.unlink", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            tidy(tmp_path)
    assert len(list(tmp_path.glob("*.metrics"))) == 21
    assert total(tmp_path) == {"the.counter": 190}
    tidy(tmp_path)
    assert len(list(tmp_path.glob("*.metrics"))) == 1
    assert total(tmp_path) == {"the.counter": 190}


def test_readers_see_the_same_sum_while_somebody_tidies_up(tmp_path: Path) -> None:
    for _ in range(40):
        process(tmp_path, 1)
    ended = threading.Event()
    seen: set[float] = set()

    def reading() -> None:
        while not ended.is_set():
            seen.add(total(tmp_path)["the.counter"])

    readers = [threading.Thread(target=reading) for _ in range(2)]
    for reader in readers:
        reader.start()
    for most in (30, 20, 10, 5, 0):
        tidy(tmp_path, most=most)
    ended.set()
    for reader in readers:
        reader.join()
    assert seen == {40}
    assert len(list(tmp_path.glob("*.metrics"))) == 1


def test_one_tidies_up_at_a_time(tmp_path: Path) -> None:
    import fcntl

    for count in range(20):
        process(tmp_path, count)
    with (tmp_path / "tidying").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert not tidy(tmp_path)
    assert tidy(tmp_path)


def test_a_directory_that_everybody_may_change_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(ConfigurationError, match=r"not everybody, got .*mode 777.*PERFLOOP_METRICS_DIR"):
        prepare(tmp_path)


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="Expected a directory for metrics"):
        prepare(tmp_path / "file")
    with pytest.raises(ConfigurationError, match="Expected a directory of metrics"):
        read_processes(tmp_path / "file")
