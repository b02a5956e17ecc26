"""A shared directory in which somebody, or something, has left what no process of the service would."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perfloop.telemetry import Registry
from perfloop.telemetry.exporters.prometheus import render
from perfloop.telemetry.multiprocess import directory as directory_module
from perfloop.telemetry.multiprocess import merge, read_processes
from perfloop.telemetry.multiprocess.cells import CellWriter, Definition, encode
from perfloop.telemetry.multiprocess.directory import create, tidy
from perfloop.telemetry.multiprocess.merging import MOST_SERIES

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKETS = (0.1, 1.0)


@pytest.fixture(autouse=True)
def complaints_anew() -> Iterator[None]:
    directory_module._complained.clear()
    yield
    directory_module._complained.clear()


def definition(**more: Any) -> Definition:
    fields = {"name": "theirs", "kind": "counter", "description": "", "unit": "", "label_names": ()}
    return Definition(**{**fields, "merge": "sum", "labels": (), **more})


def page(registry: Registry) -> str:
    for accept in ("application/openmetrics-text; version=1.0.0", "application/vnd.google.protobuf"):
        render(registry, accept=accept)
    return render(registry)[0].decode()


def service(directory: Path, *, count: int = 5) -> Registry:
    """This process, which has counted, and another one that did, and ended."""
    ended = Registry(directory=directory)
    ended.counter("ours", "Ours.").inc(count)
    registry = Registry(directory=directory)
    registry.counter("ours", "Ours.").inc(count)
    return registry


@pytest.mark.parametrize(
    ("series", "why"),
    [
        ((definition(name="x 1\nfaked"), {0: 1.0}), "Expected a metric name"),
        ((definition(name=""), {0: 1.0}), "Expected a metric name"),
        ((definition(label_names=("le",), labels=("1",)), {0: 1.0}), "Expected a label name that is not reserved"),
        ((definition(label_names=("a", "b"), labels=("1",)), {0: 1.0}), "Expected a value for each label"),
        ((definition(), {0: -5.0}), "Expected counts of 0 or more"),
        ((definition(), {0: float("nan")}), "Expected counts of 0 or more"),
        ((definition(kind="event"), {0: float("inf")}), "Expected counts of 0 or more"),
        ((definition(kind="histogram", buckets=BUCKETS), {5: float("nan")}), "Expected counts of 0 or more"),
        ((definition(kind="histogram", buckets=BUCKETS), {99_999: 1.0}), "Expected cells within the histogram"),
        ((definition(kind="histogram", buckets=BUCKETS), {-7: 1.0}), "Expected cells within the histogram"),
        ((definition(kind="histogram"), {0: 1.0}), "Expected a histogram with buckets"),
        ((definition(kind="histogram", buckets=(1.0, 0.1)), {1: 1.0}), "Expected buckets that rise"),
    ],
)
def test_what_no_instrument_counts_is_left_out_and_said_once(
    series: tuple[Definition, dict[int, float]], why: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registry = service(tmp_path)
    (tmp_path / "0-bad.metrics").write_bytes(encode([series, (definition(name="ours"), {0: 1000.0})], []))
    for _ in range(2):
        assert "ours_total 10\n" in page(registry)
    assert "faked" not in page(registry)
    (record,) = caplog.records
    assert record.message.startswith("a file is left out of the service's metrics: '0-bad.metrics': ")
    assert why in record.message


def test_other_kinds_of_files_neither_stop_nor_end_a_scrape(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    registry = service(tmp_path)
    os.mkfifo(tmp_path / "1-pipe.metrics")
    (tmp_path / "2-directory.metrics").mkdir()
    (tmp_path / "3-link.metrics").symlink_to(next(tmp_path.glob("*.metrics")))
    (tmp_path / "4-loop.metrics").symlink_to(tmp_path / "4-loop.metrics")
    (tmp_path / "5-version.metrics").write_bytes(b"perfloop METRICS" + b"\0" * 100)
    (tmp_path / "6-huge.metrics").write_bytes(b"perfloop metrics" + b"\x01" * (65 << 20))
    os.mkfifo(tmp_path / "7-pipe.notes")
    assert "ours_total 10\n" in page(registry)
    assert registry.notes() == []
    told = "".join(record.message for record in caplog.records)
    assert all(f"'{number}-" in told for number in range(1, 8))
    assert not tidy(tmp_path)


def test_files_of_another_user_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    registry = service(tmp_path)
    monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)
    assert "ours_total 5\n" in page(registry)
    assert "owns it" in caplog.text


def test_nobody_has_the_counts_of_a_living_process_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    registry = service(tmp_path)
    living, path = create(tmp_path)
    writer = CellWriter(living)
    writer.values[writer.cell(writer.define(definition(name="ours")), 0)] = 7
    claim = encode([(definition(name="ours"), {0: 1000.0})], [path.name])
    (tmp_path / "9-claims.metrics").write_bytes(claim)
    assert "ours_total 17\n" in page(registry)
    assert "it says that it holds the counts of a process that lives" in caplog.text
    writer.close()
    os.close(living)


def test_a_metric_that_is_written_like_another_is_left_out(tmp_path: Path) -> None:
    registry = service(tmp_path)
    for name in ("ours_total", "ours"):  # another version called it so; two of one name would spoil the whole page
        (tmp_path / f"1-{name}.metrics").write_bytes(encode([(definition(name=name), {0: 3.0})], []))
    text = page(registry)
    assert "ours_total 13\n" in text
    assert text.count("\nours_total ") == 1


def test_a_million_labels_of_many_processes_are_bounded_and_none_is_lost(tmp_path: Path) -> None:
    registry = service(tmp_path)
    for process in range(17):
        series = [
            (definition(label_names=("path",), labels=(f"/{process}/{number}",)), {0: 1.0}) for number in range(1_000)
        ]
        (tmp_path / f"{process:02}-old.metrics").write_bytes(encode(series, []))
    (before,) = (each for each in merge([each.families for each in read_processes(tmp_path)]) if each.name == "theirs")
    lines = [line for line in page(registry).splitlines() if line.startswith("theirs_total{")]
    assert len(list(tmp_path.glob("*-old.metrics"))) == 0, "they have been made one"
    assert len(lines) == len(before.series) == MOST_SERIES + 1
    assert f'theirs_total{{path="_overflow"}} {17_000 - MOST_SERIES}' in lines
    assert [each.value for each in before.series if each.labels == ("_overflow",)] == [17_000 - MOST_SERIES]


@given(
    st.lists(
        st.tuples(
            st.builds(
                definition,
                name=st.sampled_from(["a", "b.total", "ours", "http.server.request.duration"]),
                kind=st.sampled_from(["counter", "gauge", "histogram", "event"]),
                unit=st.text(max_size=3),
                description=st.text(max_size=5),
                labels=st.tuples(st.text(max_size=5)),
                label_names=st.just(("path",)),
                buckets=st.sampled_from([(), BUCKETS]),
            ),
            st.dictionaries(st.integers(-1, 3), st.floats(), max_size=3),
        ),
        max_size=4,
    )
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_definitions_say_a_page_comes_of_it(
    tmp_path: Path, series: list[tuple[Definition, dict[int, float]]]
) -> None:
    directory = Path(mkdtemp(dir=tmp_path))
    registry = Registry(directory=directory)
    registry.counter("ours", "Ours.").inc()
    (directory / "1-any.metrics").write_bytes(encode(series, []))
    lines = page(registry).split("\n")
    samples = [line.rpartition(" ")[0] for line in lines if line and not line.startswith("#")]
    assert len(set(samples)) == len(samples)


def test_a_file_that_does_not_agree_with_itself_counts_by_its_first_word(tmp_path: Path) -> None:
    registry = Registry(directory=tmp_path)
    shapes = [
        definition(),
        definition(label_names=("path",), labels=("/",)),
        definition(kind="histogram", buckets=(1.0,)),
    ]
    (tmp_path / "1-two.metrics").write_bytes(encode([(shape, {0: 3.0}) for shape in shapes], []))
    lines = page(registry).split("\n")
    assert [line for line in lines if line.startswith("theirs")] == ["theirs_total 3"]


@pytest.mark.parametrize("step", [1, 7])
def test_a_file_that_is_cut_off_anywhere_costs_at_most_its_own_counts(step: int, tmp_path: Path) -> None:
    registry = service(tmp_path)
    whole = encode([(definition(), {0: 3.0}), (definition(kind="histogram", buckets=BUCKETS, name="h"), {2: 1.0})], [])
    for length in range(0, len(whole), step):
        (tmp_path / "1-cut.metrics").write_bytes(whole[:length])
        assert "ours_total 10\n" in page(registry)


def test_a_definition_that_is_no_definition_is_damage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    registry = service(tmp_path)
    text = msgspec.json.encode({"name": 7})
    head = struct.pack("=Iid", 0xFFFF_FFFF, 1, 1.0)
    (tmp_path / "1-odd.metrics").write_bytes(b"perfloop metrics" + head + text.ljust(16))
    assert "ours_total 10\n" in page(registry)
    assert "Expected a whole file of perfloop's metrics" in caplog.text
