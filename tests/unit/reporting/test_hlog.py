"""The log as the HdrHistogram library reads it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from perfloop.records import DiagnosisRecord, LoadRecord
from perfloop.reporting import render_hlog
from perfloop.stats import Histogram

from .sample_loads import load
from .sample_records import SAMPLES

if TYPE_CHECKING:
    from pathlib import Path

RUNS = {name: record for name, record in SAMPLES.items() if isinstance(record, LoadRecord | DiagnosisRecord)}


@pytest.mark.parametrize("record", RUNS.values(), ids=RUNS)
def test_the_library_reads_both_distributions(record: LoadRecord | DiagnosisRecord, tmp_path: Path) -> None:
    path = tmp_path / "run.hlog"
    path.write_text(render_hlog(record))
    reader = HistogramLogReader(str(path), HdrHistogram(1, 3_600_000_000, 3))
    latency, service_time = reader.get_next_interval_histogram(), reader.get_next_interval_histogram()
    assert reader.get_next_interval_histogram() is None
    reader.close()

    kept = Histogram.decode(record.results.latency_histogram)
    assert latency.get_tag() is None
    assert latency.get_total_count() == kept.count
    if kept.count:
        assert latency.get_value_at_percentile(99) == kept.percentile(99)
    assert service_time.get_tag() == "service_time"
    created = datetime.fromisoformat(record.created).timestamp()
    assert latency.get_end_time_stamp() == pytest.approx(1000 * created, abs=2)
    assert latency.get_start_time_stamp() == pytest.approx(1000 * (created - record.summary.elapsed_seconds), abs=2)


def test_a_record_without_a_time_has_a_log_without_one() -> None:
    text = render_hlog(msgspec.structs.replace(load(), created="\n#[StartTime: 1 evil"))
    assert "StartTime:" not in text
    assert text.splitlines()[0] == "#[Histogram log format version 1.3]"
