"""What is written by hand is read by Google's library, after the messages of Prometheus' metrics.proto."""

from __future__ import annotations

import math
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given
from hypothesis import strategies as st

from perfloop.telemetry import Histogram, Registry
from perfloop.telemetry.exporters.prometheus import render
from perfloop.telemetry.exporters.protobuf import CONTENT_TYPE, native

# name → (field, number, type); of io/prometheus/client/metrics.proto what is used here.
MESSAGES = {
    "LabelPair": [("name", 1, "string"), ("value", 2, "string")],
    "Gauge": [("value", 1, "double")],
    "Counter": [("value", 1, "double")],
    "Bucket": [("cumulative_count", 1, "uint64"), ("upper_bound", 2, "double")],
    "BucketSpan": [("offset", 1, "sint32"), ("length", 2, "uint32")],
    "Histogram": [
        ("sample_count", 1, "uint64"),
        ("sample_sum", 2, "double"),
        ("bucket", 3, "*Bucket"),
        ("schema", 5, "sint32"),
        ("zero_threshold", 6, "double"),
        ("zero_count", 7, "uint64"),
        ("positive_span", 12, "*BucketSpan"),
        ("positive_delta", 13, "*sint64"),
    ],
    "Metric": [
        ("label", 1, "*LabelPair"),
        ("gauge", 2, "Gauge"),
        ("counter", 3, "Counter"),
        ("histogram", 7, "Histogram"),
    ],
    "MetricFamily": [("name", 1, "string"), ("help", 2, "string"), ("type", 3, "int32"), ("metric", 4, "*Metric")],
}


def message_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="metrics.proto", package="io.prometheus.client", syntax="proto3")
    field = descriptor_pb2.FieldDescriptorProto
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for each, number, kind in fields:
            bare = kind.removeprefix("*")
            added = message.field.add(name=each, number=number)
            added.label = field.LABEL_REPEATED if kind != bare else field.LABEL_OPTIONAL
            if bare in MESSAGES:
                added.type, added.type_name = field.TYPE_MESSAGE, f".io.prometheus.client.{bare}"
            else:
                added.type = getattr(field, f"TYPE_{bare.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("io.prometheus.client.MetricFamily"))


FAMILY = message_class()


def families(registry: Registry) -> dict[str, Any]:
    data, content_type = render(registry, accept=CONTENT_TYPE)
    assert content_type == CONTENT_TYPE
    found = {}
    while data:
        head = next(index for index, byte in enumerate(data, start=1) if byte < 0x80)
        length = sum((byte & 0x7F) << 7 * index for index, byte in enumerate(data[:head]))
        family = FAMILY.FromString(data[head : head + length])
        found[family.name] = family
        data = data[head + length :]
    return found


def native_buckets(histogram: Any) -> dict[int, int]:
    """Count by index, as Prometheus reads spans and deltas."""
    counts: dict[int, int] = {}
    index = count = 0
    deltas = list(histogram.positive_delta)
    for span in histogram.positive_span:
        index += span.offset
        for _ in range(span.length):
            count += deltas.pop(0)
            counts[index] = count
            index += 1
    assert not deltas
    return counts


def test_every_kind_is_read_back() -> None:
    registry = Registry()
    registry.counter("http.requests", "Requests. é", labels=["route"]).labels('/"a"').inc(300)
    registry.gauge("in.flight", "In flight.").set(-2.5)
    registry.event("opened", "Opened.").record()
    registry.histogram("duration", "Duration.").observe(0.3)
    found = families(registry)
    assert {name: family.type for name, family in found.items()} == {
        "http_requests_total": 0,
        "in_flight": 1,
        "opened_total": 0,
        "duration_seconds": 4,
    }
    [requests] = found["http_requests_total"].metric
    assert [(pair.name, pair.value) for pair in requests.label] == [("route", '/"a"')]
    assert requests.counter.value == 300
    assert found["http_requests_total"].help == "Requests. é"
    assert found["in_flight"].metric[0].gauge.value == -2.5
    assert found["opened_total"].metric[0].counter.value == 1


def test_a_native_histogram_has_its_classic_buckets_beside_it() -> None:
    registry = Registry()
    histogram = registry.histogram("duration", "Duration.", buckets=(0.1, 1.0))
    for seconds in (0, 0.05, 0.3, 0.3, 0.31, 5, 1e6):
        histogram.observe(seconds)
    [metric] = families(registry)["duration_seconds"].metric
    read = metric.histogram
    assert (read.sample_count, read.schema, read.zero_count) == (7, 5, 1)
    assert [(bucket.upper_bound, bucket.cumulative_count) for bucket in read.bucket] == [
        (0.1, 2),
        (1.0, 5),
        (math.inf, 7),
    ]
    assert native_buckets(read)[math.ceil(math.log2(0.3) * 32)] == 2
    assert sum(native_buckets(read).values()) == 6


def test_without_observations_it_is_a_native_histogram_all_the_same() -> None:
    registry = Registry()
    registry.histogram("duration", "Duration.")
    read = families(registry)["duration_seconds"].metric[0].histogram
    assert [(span.offset, span.length) for span in read.positive_span] == [(0, 0)]
    assert (read.schema, read.sample_count) == (5, 0)


def test_buckets_below_zero_stay_classic() -> None:
    registry = Registry()
    registry.histogram("balance", "Balance.", unit="", buckets=(-1.0, 1.0)).observe(0.5)
    read = families(registry)["balance"].metric[0].histogram
    assert (read.schema, list(read.positive_span), len(read.bucket)) == (0, [], 3)


@given(
    st.lists(st.floats(1e-6, 3500), max_size=50),
    st.lists(st.floats(0.001, 10), min_size=1, max_size=8, unique=True).map(sorted),
)
def test_every_value_is_in_the_native_bucket_prometheus_would_put_it_in(
    values: list[float], bounds: list[float]
) -> None:
    histogram = Histogram(bounds)
    for value in values:
        histogram.observe(value)
    found = native(histogram.snapshot())
    assert found is not None
    assert found.zero_count == sum(value <= found.zero_threshold for value in values)
    exact: dict[int, int] = {}
    for value in values:
        if value > found.zero_threshold:
            # Nudged, as a value at a bound may be rounded to either side of it.
            index = math.ceil(math.log2(value) * 32 - 1e-9)
            exact[index] = exact.get(index, 0) + 1
    highest = math.floor(math.log2(histogram.snapshot().bounds[-1]) * 32)
    if all(value <= histogram.snapshot().bounds[-1] for value in values):
        assert found.buckets == dict(sorted(exact.items()))
    else:
        assert sum(found.buckets.values()) == sum(exact.values())
        assert max(found.buckets) <= highest + 2


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "text/plain"),
        ("*/*", "text/plain"),
        ("text/html,*/*;q=0.8", "text/plain"),
        ("application/json", "text/plain"),
        ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5", "application/openmetrics-text"),
        ("application/openmetrics-text;version=0.0.1", "text/plain"),
        ("text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;q=0.4", "text/plain"),
        ("*/*;q=0.9,application/openmetrics-text;q=0.1", "text/plain"),
        (CONTENT_TYPE + ";q=0.6,application/openmetrics-text;q=0.5", "application/vnd.google.protobuf"),
        ("application/vnd.google.protobuf;proto=other;encoding=delimited", "text/plain"),
        ("application/openmetrics-text;q=2,,;;q=x", "text/plain"),
    ],
)
def test_the_format_is_the_one_the_scraper_likes_best(accept: str, expected: str) -> None:
    assert render(Registry(), accept=accept)[1].partition(";")[0] == expected
