"""Event streams taken apart, with the examples of the HTML standard among them."""

from __future__ import annotations

import pytest

from perfloop.loadtest.scenario.event_stream import EventParser, EventTooLarge, ServerSentEvent


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", [ServerSentEvent("YHOO\n+2\n10")]),
        (
            b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
            [ServerSentEvent("first event", id="1"), ServerSentEvent("second event"), ServerSentEvent(" third event")],
        ),
        (b"data\n\ndata\ndata\n\ndata:", [ServerSentEvent(""), ServerSentEvent("\n")]),
        (b"data:test\n\ndata: test\n\n", [ServerSentEvent("test")] * 2),
        (b"event: add\rdata: 1\r\revent: x\r\r\ndata: 2\r\n\n", [ServerSentEvent("1", "add"), ServerSentEvent("2")]),
        (b"\xef\xbb\xbfdata: \xc3\xa9\n\n\xef\xbb\xbfdata: no field\n\n", [ServerSentEvent("é")]),
        (b"id: a\ndata: 1\n\nid: b\0\ndata: 2\n\n", [ServerSentEvent("1", id="a"), ServerSentEvent("2", id="a")]),
        (b"retry: 10\ndata: 1\n\nretry: 1s\ndata: 2\n\n", [ServerSentEvent(d, retry=10) for d in "12"]),
        (b"retry: " + b"9" * 5000 + b"\ndata: 1\n\n", [ServerSentEvent("1")]),
        (b"data: \xff\xe2\x82\n\n", [ServerSentEvent("��")]),
        (b"id: 1\n\nDATA: 1\nunknown: 2\n\n", []),
        (b"data: cut off\n", []),
    ],
)
def test_events(stream: bytes, events: list[ServerSentEvent]) -> None:
    assert EventParser().feed(stream) == events


def test_a_return_ends_an_event_before_its_line_feed_came() -> None:
    parser = EventParser()
    assert parser.feed(b"data: 1\r\n\r") == [ServerSentEvent("1")]
    assert parser.feed(b"\ndata: 2\r") == []
    assert parser.feed(b"\ndata: 3\r\n\r\n") == [ServerSentEvent("2\n3")]


@pytest.mark.parametrize("stream", [b"data: " + b"x" * 96, b"data: 123\n" * 12, b": " + b"x" * 99])
def test_an_event_that_does_not_end_is_given_up(stream: bytes) -> None:
    parser = EventParser(largest=100)
    for byte in stream[:100]:
        parser.feed(bytes((byte,)))
    with pytest.raises(EventTooLarge, match="more than 100 bytes"):
        parser.feed(stream[100:])


def test_a_long_stream_of_small_events_is_none() -> None:
    parser = EventParser(largest=100)
    assert sum(len(parser.feed(b": a comment\ndata: 123\n\n: another\n")) for _ in range(1000)) == 1000
