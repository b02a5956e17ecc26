"""What goes wrong in the agent is counted, and told to the parent once."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from perfloop.agent import protocol
from perfloop.agent.channel import Channel
from perfloop.agent.tables import Tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Parent:
    """The other end of a channel."""

    def __init__(self, path: Path) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._reader = protocol.FrameReader()
        self.frames: list[tuple[int, bytes]] = []

    def accept(self) -> None:
        self._connection, _ = self._listener.accept()
        self._connection.settimeout(10)

    def flush(self) -> None:
        """Ask for everything, and wait for it."""
        self._connection.sendall(protocol.FLUSH)
        self.read(protocol.ACKNOWLEDGE)

    def read(self, until: int | None) -> None:
        """Read on to a frame of that kind; None: to the end."""
        while data := self._connection.recv(65_536):
            self.frames += (found := self._reader.feed(data))
            if any(kind == until for kind, _ in found):
                return

    def failed(self) -> list[Any]:
        return [json.loads(payload) for kind, payload in self.frames if kind == protocol.FAILED]

    def close(self) -> None:
        self._connection.close()
        self._listener.close()


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> Tables:
    found = Tables()
    monkeypatch.setattr("perfloop.agent.channel.TABLES", found)
    return found


@pytest.fixture
def ends(tmp_path: Path, tables: Tables) -> Iterator[tuple[Channel, Parent]]:
    """A channel and its parent."""
    parent = Parent(tmp_path / "agent.sock")
    channel = Channel(str(tmp_path / "agent.sock"))
    # Not the sampler of this process.
    channel.at_connect.append(lambda: None)
    channel.begin()
    parent.accept()
    yield channel, parent
    channel.close()
    parent.close()


def test_a_part_that_raises_is_told_with_how_often_it_has(ends: tuple[Channel, Parent]) -> None:
    channel, parent = ends
    for number in range(3):
        channel.hook_failed("sqlite3", ValueError(f"number {number}"))
    parent.flush()
    channel.hook_failed("sqlite3", ValueError("again"))
    parent.flush()
    parent.flush()
    told = {"hook": "sqlite3", "error": "sqlite3: ValueError: number 0"}
    assert parent.failed()[-1] == {**told, "count": 4}
    assert all(each | {"count": 0} == {**told, "count": 0} for each in parent.failed())
    # What is told already is not told again.
    assert len({each["count"] for each in parent.failed()}) == len(parent.failed())


def test_a_callback_that_raises_ends_nothing(ends: tuple[Channel, Parent]) -> None:
    channel, parent = ends

    def broken() -> None:
        raise RuntimeError("of a callback")

    channel.before_acknowledge.append(broken)
    parent.flush()
    parent.flush()
    assert channel.open
    assert parent.failed()[-1]["error"].endswith("RuntimeError: of a callback")


def test_a_channel_that_breaks_says_why_and_what_is_lost(ends: tuple[Channel, Parent], tables: Tables) -> None:
    channel, parent = ends
    endless: list[Any] = []
    endless.append(endless)
    tables.pending.append(("text", 1, endless))
    channel.put(protocol.REQUEST, b"")
    parent.read(None)
    (told,) = parent.failed()
    assert (told["hook"], told["count"]) == ("channel", 1)
    assert "ValueError" in told["error"]
    (lost,) = [payload for kind, payload in parent.frames if kind == protocol.DROPPED]
    assert list(protocol.decode_integers(lost, 1)) == [1]
    assert not channel.open


def test_what_goes_wrong_at_exit_is_told_too(ends: tuple[Channel, Parent], tables: Tables) -> None:
    channel, parent = ends
    endless: list[Any] = []
    endless.append(endless)
    with channel._sending:
        tables.pending.append(("text", 1, endless))
    channel.close()
    parent.read(None)
    (told,) = parent.failed()
    assert (told["hook"], told["count"]) == ("channel", 1)
    assert not channel.open
