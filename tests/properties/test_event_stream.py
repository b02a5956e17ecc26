"""Any cutting of an event stream's bytes gives the same events."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from perfloop.loadtest.scenario.event_stream import EventParser

fields = st.sampled_from(
    [b"data: 1", b"data", b"data:\xc3\xa9", b"event: add", b"id: 2", b"id: \0", b"retry: 3", b": ping"]
)
lines = fields | st.just(b"") | st.text(max_size=3).map(str.encode) | st.binary(max_size=3)
marks = st.sampled_from([b"", b"\xef\xbb\xbf"])
bodies = st.lists(st.tuples(marks, lines, st.sampled_from([b"\n", b"\r", b"\r\n"])).map(b"".join), max_size=30).map(
    b"".join
)
streams = st.tuples(bodies, lines).map(b"".join)


@given(streams, st.data())
@example(b"data: 1\r\ndata: 2\r\n\r\n", None)
def test_any_cutting_gives_the_same_events(stream: bytes, data: st.DataObject | None) -> None:
    whole = EventParser().feed(stream)
    parser = EventParser()
    assert [event for byte in stream for event in parser.feed(bytes((byte,)))] == whole
    if data is not None:
        cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
        parser = EventParser()
        pieces = [stream[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
        assert [event for piece in pieces for event in parser.feed(piece)] == whole
