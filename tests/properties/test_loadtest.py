"""Properties of the load engine's pure parts."""

from __future__ import annotations

import itertools
import time

import httptools
from hypothesis import given, settings
from hypothesis import strategies as st

from perfloop.exceptions import InvalidValue
from perfloop.loadtest import Engine, LoadOptions, Request, Target
from perfloop.loadtest.checkpoints import Checkpoints
from perfloop.loadtest.connection import Connection
from perfloop.loadtest.recording import Recorder, figures
from perfloop.loadtest.request import prepare, smooth_order


@settings(deadline=None)
@given(weights=st.lists(st.integers(1, 20), min_size=1, max_size=6), seed=st.integers(0, 1000))
def test_weighted_requests_are_never_further_than_one_from_their_share(weights, seed) -> None:
    total = sum(weights)
    whole_cycles = list(itertools.islice(smooth_order(weights, seed), 2 * total))
    for index, weight in enumerate(weights):
        assert whole_cycles.count(index) == 2 * weight
    sent = [0] * len(weights)
    for turn, index in enumerate(itertools.islice(smooth_order(weights), total), 1):
        sent[index] += 1
        # Smooth weighted round robin keeps within less than the number of requests of the exact share.
        assert all(abs(sent[i] - turn * weights[i] / total) < len(weights) for i in range(len(weights)))


@settings(deadline=None)
@given(weights=st.lists(st.floats(0.01, 100), min_size=2, max_size=5))
def test_any_weights_come_in_proportion(weights) -> None:
    count = 2000
    picked = list(itertools.islice(smooth_order(weights), count))
    for index, weight in enumerate(weights):
        share = weight / sum(weights)
        assert abs(picked.count(index) - count * share) <= len(weights) + count * share * 0.06


class _Reader:
    """What a server would read."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.url = b""
        self.messages = 0

    def on_url(self, url):
        self.url += url

    def on_header(self, name, value):
        self.headers.append((name, value))

    def on_body(self, body):
        self.body += body

    def on_message_complete(self):
        self.messages += 1


@settings(deadline=None)
@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
    target=st.text(max_size=30).map(lambda text: "/" + text),
    headers=st.lists(st.tuples(st.text(max_size=12), st.text(max_size=20)), max_size=4),
    body=st.binary(max_size=200),
    traced=st.booleans(),
)
def test_a_request_is_refused_or_read_back_as_exactly_one_request(method, target, headers, body, traced) -> None:
    request = Request(method=method, target=target, headers=tuple(headers), body=body)
    try:
        request.validate()
    except InvalidValue:
        return
    prepared = prepare(request, Target.parse("http://localhost/"), "ab" * 16 if traced else None)
    message = prepared.prefix + (b"%016x" % 7 + prepared.suffix if traced else b"")
    reader = _Reader()
    httptools.HttpRequestParser(reader).feed_data(message)
    assert reader.messages == 1
    assert reader.url.decode() == target
    assert reader.body == body
    for name, value in headers:
        assert (name.encode(), value.strip().encode("latin-1")) in [(n, v.strip()) for n, v in reader.headers]


@settings(deadline=None)
@given(st.text(max_size=60))
def test_a_path_of_a_url_is_always_a_sound_target_or_refused(path) -> None:
    try:
        target = Target.parse(f"http://localhost/{path}")
    except InvalidValue:
        return
    Request(target=target.path).validate()


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(0, 5),  # due
            st.floats(0, 2),  # queue
            st.floats(0, 0.1),  # lag
            st.floats(0, 3),  # service
            st.sampled_from([200, 204, 404, 500, 0, -1]),
            st.integers(0, 10**6),
        ),
        max_size=60,
    )
)
def test_nothing_is_lost_between_entries_and_figures(entries) -> None:
    record = Recorder(["GET /"], None)
    record.start = 1000.0
    ordered = sorted(entries, key=lambda entry: sum(entry[:4]))
    for number, (due, queue, lag, service, status, received) in enumerate(ordered, 1):
        free = 1000.0 + due + queue
        record.put(1000.0 + due, free, free + lag, 0.0, free + lag + service, number, received, 0, status)
    record.finish()
    counted = [status for *_, status, _ in entries]
    assert record.requests == len(entries)
    assert record.errors == sum(status >= 400 or status <= 0 for status in counted)
    assert record.bytes_received == sum(received for *_, received in entries)
    assert sum(record.statuses.values()) == sum(status > 0 for status in counted)
    assert record.latency.count == sum(status != 0 for status in counted)
    assert record.send_lag.count == record.queue.count == len(entries)
    assert sum(point.requests for point in record.series) == len(entries)
    assert sum(point.errors for point in record.series) == record.errors
    if entries:
        assert [point.second for point in record.series] == list(range(len(record.series)))


def _counted(happenings, warm_up, gradual: bool):
    record = Recorder(["GET /a", "GET /b"], None)
    record.start, record.gradual = 1000.0, gradual
    record.checkpoints = Checkpoints(warm_up)
    now, told = 1000.0, []
    for happening in happenings:
        if isinstance(happening, tuple):
            count, within, status = happening
            for number in range(count):
                now += within / count
                record.put(now - 0.01, now - 0.009, now - 0.008, now, now, number, 50, number % 2, status)
        elif happening == "on":
            record.fold_on()
        elif happening == "begin":
            record.begin_fold(3, now - 1000.0, lambda: told.append(record.requests))
            if not gradual:
                record.finish_fold()
        elif happening == "fold":
            record.fold(3, now - 1000.0)
        else:
            record.full()
    record.finish()
    assert record.folding is None
    excluded = record.checkpoints.exclude(record, now - 1000.0)
    distributions = record.latency, record.service_time, record.queue, record.send_lag, record.first_byte, record.body
    return (
        *(record.requests, record.errors, record.bytes_received, record.statuses, excluded, told, record.series),
        *(each.encode() for each in distributions),
        record.endpoints.results(1.0, figures),
    )


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.integers(1, 700), st.floats(0, 0.3), st.sampled_from([200, 200, 200, 500, 0, -1])),
            st.sampled_from(["on", "begin", "fold", "full"]),
        ),
        max_size=30,
    ),
    st.sampled_from([None, 0.25]),
)
def test_a_fold_in_parts_counts_as_one_at_once(happenings, warm_up) -> None:
    """Entries, with calls of whatever may come between them."""
    assert _counted(happenings, warm_up, gradual=True) == _counted(happenings, warm_up, gradual=False)


_RESPONSES = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200),
    (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", 404),
    (b"HTTP/1.1 500 No\r\nX: 1\r\nContent-Length:2\r\n\r\n!!", 500),  # as long as the first
    (b"HTTP/1.1 204 No Content\r\n\r\n", 204),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200),
    (b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200),
]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(_RESPONSES), st.lists(st.integers(1, 60), max_size=3)), max_size=40),
    st.booleans(),
)
def test_responses_are_read_alike_whether_their_heads_are_known_or_not(responses, learning) -> None:
    engine = Engine(LoadOptions(url="http://localhost/"))
    answered: list[tuple[int, int]] = []
    engine.connection_free = lambda connection, now: None
    connection = Connection(engine)
    # Connections read the clock themselves: seconds of the series from its zero to now would be many.
    engine.recorder.start = now = time.monotonic()
    for number, ((response, status), cuts) in enumerate(responses, 1):
        if learning:
            engine.known_heads._next = 0.0  # learn each
        else:
            engine.known_heads.entries.clear()
        connection.write = lambda descriptor, message: len(message)
        connection.send(b"GET / HTTP/1.1\r\n\r\n", number, now, now, now)
        places = sorted({cut % len(response) for cut in cuts} | {0, len(response)})
        for begin, end in itertools.pairwise(places):
            assert connection.in_flight
            connection.data_received(response[begin:end])
        assert not connection.in_flight
        answered.append((status, len(response)))
    engine.recorder.finish()
    statuses = {status: sum(1 for each, _ in answered if each == status) for status, _ in answered}
    assert engine.recorder.statuses == statuses
    assert engine.recorder.bytes_received == sum(size for _, size in answered)
    assert engine.recorder.requests == len(responses)
    assert all(kind.startswith("status ") for kind in engine.recorder.failures.counts())
