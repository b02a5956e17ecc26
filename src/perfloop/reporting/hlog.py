"""A run as an HdrHistogram log, version 1.3: what HistogramLogProcessor, HdrHistogramVisualizer and their like read.

Format: https://github.com/HdrHistogram/HdrHistogram, HistogramLogWriter. A record keeps the distributions of the whole
run and not of each second, so the log has one interval.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from perfloop.stats import Histogram

from .figures import clean

if TYPE_CHECKING:
    from perfloop.records import DiagnosisRecord, LoadRecord

__all__ = ["render_hlog"]


def render_hlog(record: LoadRecord | DiagnosisRecord) -> str:
    """The latency as one interval line, and the service time as one tagged `service_time`; values are microseconds."""
    summary, results = record.summary, record.results
    lines = [
        "#[Histogram log format version 1.3]",
        f"#[perfloop {clean(record.perfloop)}: values in microseconds, Interval_Max in milliseconds, one interval]",
    ]
    try:
        start = datetime.fromisoformat(record.created).timestamp() - summary.elapsed_seconds
    except ValueError:  # edited by hand; the times of a log without it count from the start
        pass
    else:
        lines.append(f"#[StartTime: {start:.3f} (seconds since epoch)]")
    lines.append('"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"')
    for tag, text in (("", results.latency_histogram), ("Tag=service_time,", results.service_time_histogram)):
        histogram = Histogram.decode(text)  # and encoded anew: base64 may hide line ends
        lines.append(f"{tag}0.000,{summary.elapsed_seconds:.3f},{histogram.max / 1000:.3f},{histogram.encode()}")
    return "\n".join(lines) + "\n"
