"""Any cutting of an event stream's bytes gives the same events."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from perfloop.loadtest.scenario.event_stream import EventParser

parts = st.sampled_from(
    [
        b"\xef\xbb\xbf",
        b"data",
        b"event",
        b"id",
        b"retry",
        b":",
        b" ",
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        b"12",
        b"\0",
        b"x",
    ]
)
streams = st.lists(parts | st.text(max_size=3).map(str.encode) | st.binary(max_size=2), max_size=60).map(b"".join)


@given(streams, st.data())
@example(b"\xef\xbb\xbfdata: \xc3\xa9\r\n\r\ndata: 2\r\r", None)
def test_any_cutting_gives_the_same_events(stream: bytes, data: st.DataObject | None) -> None:
    whole = EventParser().feed(stream)
    parser = EventParser()
    assert [event for byte in stream for event in parser.feed(bytes((byte,)))] == whole
    if data is not None:
        cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
        parser = EventParser()
        pieces = [stream[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
        assert [event for piece in pieces for event in parser.feed(piece)] == whole
