"""From frames to observations; whatever the bytes, an answer or a note, never a crash."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from perfloop.agent import events as ev
from perfloop.agent import protocol
from perfloop.agent.protocol import FrameReader, encode, encode_json
from perfloop.monitoring import decoding
from perfloop.monitoring.decoding import ServiceDecoder, merge_processes
from perfloop.monitoring.observations import CacheLoad, CacheSample, Frame, PartSample, Sample
from perfloop.records import Parameter
from perfloop.telemetry.caches import CacheAbout, CacheReport
from perfloop.telemetry.resilience import PartReport, Transition

if TYPE_CHECKING:
    import pytest

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
    statement = (ev.STATEMENT, 1, 2 * MS, 3 * MS, 3 * MS, pid, 4, 5 * 2 + 1 | ev.TRANSACTION_OPEN)
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
        integers(protocol.RESOURCE, MS, MS, 5000, 3, -1, 6, 70),
        integers(protocol.DROPPED, 2),
        encode_json(
            protocol.EXPLAIN,
            {"statement": pid, "plan": ["SCAN t"], "database": "/x.db", "parameters": "[1]", "sql": "s"},
        ),
        encode_json(
            protocol.PARAMETERS, {"statement": pid, "parameters": [["int", None], ["str", 2, "ab"]], "sql": "s"}
        ),
        encode_json(protocol.FAILED, {"hook": "h", "error": "h: broke", "count": 1}),
        encode_json(protocol.FAILED, {"hook": "h", "error": "h: broke", "count": 3}),
    )


def test_caches_are_told_and_what_a_request_waited_for_them() -> None:
    report = CacheReport([("loads", ["users"], 3.0)], [CacheAbout(name="users", keys=["user:{id}"])])
    told = array("q", [5 * MS]).tobytes() + msgspec.json.encode(report)
    head = (0, 9 * MS, 10 * MS, 7, 1, 2, 200, 3, 1, 0)
    load, look_up = (ev.CACHE, 1, 2 * MS, 3 * MS, 0, 1, 2, 0), (ev.CACHE, 1, MS, MS, 0, 1, 0, 0)
    sent = frames(
        encode_json(protocol.HELLO, {"pid": 11, "parent": 1, "python": "3.11.7", "argv": ["a"], "frameworks": ["F 1"]}),
        encode_json(protocol.NAMES, [["text", 1, "users"]]),
        encode(protocol.CACHES, told),
        integers(protocol.REQUEST, *head, *load, *look_up),
    )
    # What was counted before a moment is needed to know what was counted after it.
    found, notes = merge_processes([sent], 8 * MS)
    assert notes == []
    assert found.caches == [CacheSample(pid=11, at=0.005, report=report)]
    assert found.requests[0].cache_loads == [CacheLoad("users", 0.002, 0.003, 2), CacheLoad("users", 0.001, 0.001, 0)]
    for damaged in (told[:4], told[:-1], array("q", [0]).tobytes() + b'{"counts":[[1]],"about":[]}'):
        found, notes = merge_processes([frames(encode(protocol.CACHES, damaged))], 0)
        assert found.caches == []
        assert len(notes) == 1


def test_parts_of_policies_are_told() -> None:
    report = PartReport([("retry", "pay", "calls", "failed", 3.0, "sum")], [Transition(0.5, "x", "pay", "open")])
    told = array("q", [5 * MS]).tobytes() + msgspec.json.encode(report)
    sent = frames(
        encode_json(protocol.HELLO, {"pid": 11, "parent": 1, "python": "3.11.7", "argv": ["a"], "frameworks": ["F 1"]}),
        encode(protocol.PARTS, told),
    )
    found, notes = merge_processes([sent], 8 * MS)
    assert notes == []
    assert found.parts == [PartSample(pid=11, at=0.005, report=report)]
    for damaged in (told[:4], told[:-1], array("q", [0]).tobytes() + b'{"values":[[1]],"transitions":[]}'):
        found, notes = merge_processes([frames(encode(protocol.PARTS, damaged))], 0)
        assert found.parts == []
        assert len(notes) == 1


def test_two_processes_share_statements_and_sites() -> None:
    found, notes = merge_processes([process(11), process(12, span=-1)], 0)
    assert notes == []
    assert found.statements == ["SELECT ?"]
    assert found.sites == [[Frame("/app.py", 3, "handler")]]
    assert sorted(found.processes) == [11, 12]
    assert found.processes[11].hooks_failed == {"h": "h: broke (3 times)"}
    first, second = found.requests
    assert (first.pid, first.span, first.method, first.route, first.status) == (11, 7, "GET", "/orders", 200)
    assert second.span == 2**64 - 1
    assert (first.is_async, first.handler) == (True, Frame("/app.py", 3, "handler"))
    assert first.parts == {"cpu": 0.005, "database": 0.003, "unaccounted": 0.002}
    (call,) = first.statements
    assert (call.rows, call.on_loop, call.started, call.duration) == (5, True, 0.002, 0.003)
    assert call.in_transaction
    assert found.samples[0] == Sample(0, [Parameter(type="int"), Parameter(type="str", size=2, value="ab")], "s")
    assert found.long_steps[0].route == "/orders"
    # Two numbers for the same lines are one stack.
    assert [(stack.samples, len(stack.frames)) for stack in found.stacks] == [(7, 2), (7, 2)]
    assert found.gc_pauses[0].duration == 0.002
    assert (found.resources[0].loop_lag, found.resources[0].allocated_blocks) == (None, 70)
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


@given(st.lists(st.tuples(st.integers(protocol.HELLO, protocol.PARAMETERS), PAYLOAD), max_size=10))
def test_any_frames_are_observations_or_a_note(received: list[tuple[int, bytes]]) -> None:
    found, notes = merge_processes([[*process(11), *received]], 0)
    assert len(notes) <= 1
    assert any(request.pid == 11 for request in found.requests)


def test_what_is_decoded_in_batches_is_what_is_decoded_at_once() -> None:
    whole, _ = merge_processes([process(11), process(12)], 0)
    decoder = ServiceDecoder()
    batches = [
        decoder.decode([("a", [one]), ("b", [other])]) for one, other in zip(process(11), process(12), strict=True)
    ]
    assert [notes for _, notes in batches] == [[]] * len(batches)
    said = [observations for observations, _ in batches]
    assert [request for each in said for request in each.requests] == whole.requests
    assert [sample for each in said for sample in each.resources] == whole.resources
    assert [stack for each in said for stack in each.stacks] == whole.stacks
    assert sum(each.dropped for each in said) == whole.dropped
    last = said[-1]
    assert (last.statements, last.sites, last.processes) == (whole.statements, whole.sites, whole.processes)


def test_who_waited_for_a_step_of_an_earlier_batch_waited_for_the_loop() -> None:
    """The second request came while the first held the loop, which ended in the batch before."""

    def request(started: int, ended: int, *steps: tuple[int, int]) -> bytes:
        head = (started * MS, ended * MS, ended * MS, 0, 1, 2, 200, 2, 0, 0)
        events = [(ev.STEP, 1, start * MS, (end - start) * MS, (end - start) * MS, 0, 0, 0) for start, end in steps]
        return integers(protocol.REQUEST, *head, *(number for event in events for number in event))

    decoder = ServiceDecoder()
    hello, *_ = process(11)
    decoder.decode([(1, [hello, *frames(request(0, 50, (0, 50)))])])
    later, _ = decoder.decode([(1, frames(request(10, 51, (50, 51))))])
    assert later.requests[0].parts == {"event_loop_wait": 0.04, "cpu": 0.001}


def test_a_damaged_stream_stays_silent_and_is_told_of_once() -> None:
    decoder = ServiceDecoder()
    assert len(decoder.decode([(1, [*process(11), (protocol.NAMES, b"{")])])[1]) == 1
    found, notes = decoder.decode([(1, process(11))])
    assert (found.requests, notes) == ([], [])


def test_names_are_forgotten_with_the_last_process() -> None:
    decoder = ServiceDecoder()
    first, _ = decoder.decode([(1, process(11)), (2, process(12))])
    decoder.forget(1)
    assert decoder.decode([])[0].statements == ["SELECT ?"]
    decoder.forget(2)
    assert decoder.decode([])[0].statements == []
    assert first.statements == ["SELECT ?"]  # what was handed out is not taken back


def test_tables_of_names_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "_MOST_STATEMENTS", 3)
    monkeypatch.setattr(decoding, "_MOST_SITES", 3)
    decoder = ServiceDecoder()
    for number in range(20):
        names = [["statement", number, f"SELECT {number}"], ["frame", number, ["/a.py", number, "f", True]]]
        names.append(["site", number, [number]])
        found, _ = decoder.decode([(1, frames(encode_json(protocol.NAMES, names)))])
    assert found.statements == ["SELECT 0", "SELECT 1", "SELECT 2", "(other statements)"]
    assert len(found.sites) == 4
    assert found.sites[-1] == []
