"""A server whose capacity is known: k slots of a fixed service time, first come, first served.

`python -m benchmarks.slots K SECONDS` prints the port it listens on and answers any GET when a slot has worked on it
for that long. `/truth` is answered at once, with what the slots really did: `{"served": …, "busy_seconds": …}`, so
that the capacity is k ÷ (busy_seconds ÷ served), measured.

Nothing here waits for a timer of an event loop, whose resolution is a millisecond: the loop sleeps until shortly before
the next answer is due and spins for the rest.
"""

from __future__ import annotations

import contextlib
import heapq
import json
import select
import socket
import subprocess
import sys
import time
import urllib.request
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from .machine import on_core

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SlotServer", "slot_server"]

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
_HEAD_END = b"\r\n\r\n"
# epoll waits whole milliseconds, rounded up, and may oversleep.
_SPIN_SECONDS = 2e-3


class SlotServer:
    """A running slot server."""

    def __init__(self, slots: int, url: str) -> None:
        self.slots = slots
        self.url = url

    def capacity(self) -> float:
        """Requests a second that the slots can do, from the service time they really took."""
        with urllib.request.urlopen(f"{self.url}truth", timeout=10) as response:
            truth = json.load(response)
        return float(self.slots * truth["served"] / truth["busy_seconds"])


@contextlib.contextmanager
def slot_server(slots: int, seconds: float, core: int | None = None) -> Iterator[SlotServer]:
    """A slot server in a process of its own.

    Args:
        core: that it is pinned to, ahead of other work where that is permitted.
    """
    command = [sys.executable, "-m", __name__, str(slots), str(seconds)]
    process = subprocess.Popen(
        command if core is None else on_core(core, command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    try:
        assert process.stdout is not None
        yield SlotServer(slots, f"http://127.0.0.1:{int(process.stdout.readline())}/")
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


class _Slots:
    """The slots and the queue before them."""

    def __init__(self, slots: int, seconds: float) -> None:
        self._free = slots
        self._seconds = seconds
        self._working: list[tuple[float, int, float, socket.socket]] = []
        self._queue: deque[socket.socket] = deque()
        self._begun = 0
        self.served = 0
        self.busy_seconds = 0.0

    def arrive(self, client: socket.socket, now: float) -> None:
        """A request of that client takes a free slot, or its place in the queue."""
        if self._free:
            self._free -= 1
            self._begin(client, now)
        else:
            self._queue.append(client)

    def _begin(self, client: socket.socket, now: float) -> None:
        self._begun += 1
        heapq.heappush(self._working, (now + self._seconds, self._begun, now, client))

    def next_done(self) -> float | None:
        """When the next answer is due; None while nothing is worked on."""
        return self._working[0][0] if self._working else None

    def done(self, now: float) -> socket.socket | None:
        """The client whose answer is due, its slot given to the next in the queue; None before it is time."""
        if not self._working or self._working[0][0] > now:
            return None
        _, _, began, client = heapq.heappop(self._working)
        self.served += 1
        self.busy_seconds += now - began
        if self._queue:
            self._begin(self._queue.popleft(), now)
        else:
            self._free += 1
        return client


def _serve(slots: int, seconds: float) -> None:
    work = _Slots(slots, seconds)
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    listener.setblocking(False)
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    clients: dict[int, socket.socket] = {}
    print(listener.getsockname()[1], flush=True)
    while True:
        due = work.next_done()
        rest = None if due is None else due - time.monotonic() - _SPIN_SECONDS
        for number, _ in poll.poll(rest if rest is None else max(rest, 0)):
            if number != listener.fileno():
                _read(clients, number, work)
                continue
            client, _ = listener.accept()
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            clients[client.fileno()] = client
            poll.register(client, select.EPOLLIN)
        while (answered := work.done(time.monotonic())) is not None:
            with contextlib.suppress(OSError):  # it has left: its request was worked on all the same
                answered.send(_ANSWER)


def _read(clients: dict[int, socket.socket], number: int, work: _Slots) -> None:
    client = clients[number]
    try:
        received = client.recv(65536)
    except OSError:
        received = b""
    if not received:
        clients.pop(number).close()  # which takes it out of the poll
    elif received.startswith(b"GET /truth "):
        body = json.dumps({"served": work.served, "busy_seconds": work.busy_seconds}).encode()
        client.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    else:
        now = time.monotonic()
        for _ in range(received.count(_HEAD_END)):
            work.arrive(client, now)


if __name__ == "__main__":
    _serve(int(sys.argv[1]), float(sys.argv[2]))
