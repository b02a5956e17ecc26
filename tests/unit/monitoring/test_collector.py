"""The receiving end of the agents' socket."""

from __future__ import annotations

import contextlib
import socket
import time
from array import array
from typing import TYPE_CHECKING

import pytest

from perfloop.agent.protocol import ACKNOWLEDGE, DROPPED, FLUSH, HELLO, RESOURCE, encode, encode_json
from perfloop.monitoring.collector import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SAMPLE = encode(RESOURCE, array("q", (1, 1, 1, 1, -1, 0, -1)).tobytes())


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    made = Collector(tmp_path / "s")
    yield made
    made.close()


def connect(collector: Collector, pid: int = 1) -> socket.socket:
    agent = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    agent.connect(str(collector.path))
    agent.sendall(encode_json(HELLO, {"pid": pid}))
    assert collector.wait_agent(5.0)
    return agent


def flushed(collector: Collector, agent: socket.socket) -> None:
    """Answer the collector's flush from the agent's side."""
    import threading

    def answer() -> None:
        assert agent.recv(1) == FLUSH
        agent.sendall(encode(ACKNOWLEDGE, b""))

    thread = threading.Thread(target=answer)
    thread.start()
    assert collector.flush(5.0)
    thread.join()


def test_what_was_sent_before_the_acknowledgement_is_there(collector: Collector) -> None:
    agent = connect(collector)
    agent.sendall(SAMPLE * 3)
    flushed(collector, agent)
    assert len(collector.observations().resources) == 3
    agent.close()


def test_an_agent_that_does_not_answer_is_not_waited_for_long(collector: Collector) -> None:
    agent = connect(collector)
    assert not collector.flush(0.05)
    agent.close()


def test_an_agent_that_went_is_not_waited_for(collector: Collector) -> None:
    connect(collector).close()
    began = time.monotonic()
    assert collector.flush(30.0)
    assert time.monotonic() - began < 20


def test_a_damaged_stream_is_closed_with_a_note_and_the_others_go_on(collector: Collector) -> None:
    damaged, sound = connect(collector, 1), connect(collector, 2)
    damaged.sendall(b"\xff" * 100)
    assert damaged.recv(1) == b""
    sound.sendall(SAMPLE)
    flushed(collector, sound)
    observations = collector.observations()
    assert [sample.pid for sample in observations.resources] == [2]
    assert len(collector.notes) == 1
    assert "damaged" in collector.notes[0]
    damaged.close()
    sound.close()


def test_memory_is_bounded_and_what_is_lost_is_counted(tmp_path: Path) -> None:
    collector = Collector(tmp_path / "s", limit=1_000)
    agent = connect(collector)
    agent.sendall(SAMPLE * 100 + encode(DROPPED, array("q", [5]).tobytes()))
    flushed(collector, agent)
    observations = collector.observations()
    assert 0 < len(observations.resources) < 20
    assert observations.dropped + len(observations.resources) >= 100
    agent.close()
    collector.close()


def test_closing_ends_the_thread_and_removes_the_socket(collector: Collector) -> None:
    agent = connect(collector)
    collector.close()
    assert not collector.path.exists()
    # What it had not read yet makes it a reset: over either way.
    with contextlib.suppress(ConnectionResetError):
        assert agent.recv(1) == b""
    agent.close()


def test_what_was_taken_is_given_once_and_room_is_made(tmp_path: Path) -> None:
    collector = Collector(tmp_path / "s", limit=1_000)
    agent = connect(collector, 7)
    for _ in range(5):  # more in all than there is room for
        agent.sendall(SAMPLE * 5)
        flushed(collector, agent)
        taken = collector.take()
        assert (len(taken.resources), taken.dropped, [*taken.processes]) == (5, 0, [7])
    assert collector.take().resources == []
    assert collector.observations().resources == []
    agent.close()
    collector.close()


def test_a_process_that_has_ended_is_forgotten_when_all_it_said_is_taken(collector: Collector) -> None:
    agent = connect(collector, 7)
    agent.sendall(SAMPLE)
    agent.close()
    assert collector.flush(30.0)
    deadline = time.monotonic() + 30
    taken = collector.take()
    while not taken.resources and time.monotonic() < deadline:
        taken = collector.take()
    assert [sample.pid for sample in taken.resources] == [7]
    while collector.take().processes and time.monotonic() < deadline:
        pass
    assert collector.take().processes == {}
    assert collector.agents == 1
