"""From frames to observations; whatever the bytes, an answer or a note, never a crash."""

from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st

from perfloop.agent import events as ev
from perfloop.agent import protocol
from perfloop.agent.protocol import FrameReader, encode, encode_json
from perfloop.monitoring.decoding import merge_processes
from perfloop.monitoring.observations import Frame

MS = 1_000_000


def frames(*encoded: bytes) -> list[tuple[int, bytes]]:
    return FrameReader().feed(b"".join(encoded))


def integers(kind: int, *numbers: int) -> bytes:
    return encode(kind, array("q", numbers).tobytes())


def process(pid: int, span: int = 7) -> list[tuple[int, bytes]]:
    """One process with one request of one statement; it numbers things as it likes."""
    names = [
        ["text", 1, "GET"],
        ["text", 2, "/orders"],
        ["statement", pid, "SELECT ?"],
        ["frame", 1, ["/app.py", 3, "handler", True]],
        ["frame", 2, ["/lib.py", 9, "run", False]],
        ["site", 4, [1]],
        ["stack", 1, [1, 2]],
        ["stack", 2, [1, 2]],
    ]
    statement = (ev.STATEMENT, 1, 2 * MS, 3 * MS, 3 * MS, pid, 4, 5 * 2 + 1)
    step = (ev.STEP, 1, 0, 10 * MS, 8 * MS, 0, 0, 0)
    head = (0, 9 * MS, 10 * MS, span, 1, 2, 200, 3, 1, 0)
    return frames(
        encode_json(
            protocol.HELLO, {"pid": pid, "parent": 1, "python": "3.11.7", "argv": ["a"], "frameworks": ["F 1"]}
        ),
        encode_json(protocol.NAMES, names),
        integers(protocol.REQUEST, *head, *step, *statement),
        integers(protocol.LONG_STEP, MS, 30 * MS, 4 * MS, 1, 2),
        integers(protocol.STACK, 0, MS, 1, 2, 3, MS, 2, 2, 4, MS),
        integers(protocol.GC_PAUSE, MS, 2 * MS, 2),
        integers(protocol.RESOURCE, MS, MS, 5000, 3, -1, 6),
        integers(protocol.DROPPED, 2),
        encode_json(
            protocol.EXPLAIN,
            {"statement": pid, "plan": ["SCAN t"], "database": "/x.db", "parameters": "[1]", "sql": "s"},
        ),
        encode_json(protocol.FAILED, {"hook": "h", "error": "h: broke"}),
    )


def test_two_processes_share_statements_and_sites() -> None:
    found, notes = merge_processes([process(11), process(12, span=-1)], 0)
    assert notes == []
    assert found.statements == ["SELECT ?"]
    assert found.sites == [[Frame("/app.py", 3, "handler")]]
    assert sorted(found.processes) == [11, 12]
    assert found.processes[11].hooks_failed == ["h: broke"]
    first, second = found.requests
    assert (first.pid, first.span, first.method, first.route, first.status) == (11, 7, "GET", "/orders", 200)
    assert second.span == 2**64 - 1
    assert (first.is_async, first.handler) == (True, Frame("/app.py", 3, "handler"))
    assert first.parts == {"cpu": 0.005, "database": 0.003, "unaccounted": 0.002}
    (call,) = first.statements
    assert (call.rows, call.on_loop, call.started, call.duration) == (5, True, 0.002, 0.003)
    assert found.long_steps[0].route == "/orders"
    # Two numbers for the same lines are one stack.
    assert [(stack.samples, len(stack.frames)) for stack in found.stacks] == [(7, 2), (7, 2)]
    assert found.gc_pauses[0].duration == 0.002
    assert found.resources[0].loop_lag is None
    assert found.explains[0].plan == ["SCAN t"]
    assert found.dropped == 4


def test_what_ended_before_is_left_out() -> None:
    found, _ = merge_processes([process(11)], 11 * MS)
    assert (found.requests, found.resources, found.gc_pauses, found.stacks) == ([], [], [], [])
    assert len(found.long_steps) == 1
    assert found.statements == ["SELECT ?"]


def test_numbers_nobody_named() -> None:
    good = process(11)
    found, notes = merge_processes([[frame for frame in good if frame[0] != protocol.NAMES]], 0)
    assert notes == []
    (request,) = found.requests
    assert (request.route, request.method, request.handler) == ("(unmatched)", "", None)
    assert found.statements == ["(other statements)"]
    assert found.sites == [[]]


def test_damage_ends_a_stream_with_a_note_and_keeps_the_rest() -> None:
    damaged = [*process(11), (protocol.NAMES, b"{"), *process(13)]
    found, notes = merge_processes([damaged, process(12)], 0)
    assert len(notes) == 1
    assert {request.pid for request in found.requests} == {11, 12}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["pid", "plan", "statement"]), inner),
    max_leaves=8,
)
INTEGERS = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=30).map(lambda numbers: array("q", numbers).tobytes())
PAYLOAD = st.binary(max_size=60) | INTEGERS | JSON.map(lambda value: encode_json(1, value)[5:])


@given(st.lists(st.tuples(st.integers(protocol.HELLO, protocol.ACKNOWLEDGE), PAYLOAD), max_size=10))
def test_any_frames_are_observations_or_a_note(received: list[tuple[int, bytes]]) -> None:
    found, notes = merge_processes([[*process(11), *received]], 0)
    assert len(notes) <= 1
    assert any(request.pid == 11 for request in found.requests)
