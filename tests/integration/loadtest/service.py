"""A small HTTP service in a process of its own, to be stopped, continued and asked what it saw.

Run with a distribution of delays: `none`, `constant`, `bimodal`, `pareto`. `GET /seen` answers with the arrival time of
every other request and how long it really took to answer, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from typing import ClassVar

DELAYS = {
    "none": lambda _rng: 0.0,
    "constant": lambda _rng: 0.02,
    "bimodal": lambda rng: 0.01 if rng.random() < 0.8 else 0.06,
    "pareto": lambda rng: min(0.008 * rng.paretovariate(1.5), 0.5),
}


class Service(asyncio.Protocol):
    seen: ClassVar[list[list[float]]] = []
    rng = random.Random(1)
    delay = staticmethod(DELAYS[sys.argv[1] if len(sys.argv) > 1 else "none"])

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        if data.startswith(b"GET /seen"):
            self.answer(json.dumps(self.seen).encode())
            return
        delay = self.delay(self.rng)
        served = [time.monotonic(), 0.0]
        self.seen.append(served)
        if delay:
            asyncio.get_running_loop().call_later(delay, self.serve, served)
        else:
            self.serve(served)

    def serve(self, served):
        served[1] = time.monotonic() - served[0]
        self.answer(b"ok")

    def answer(self, body):
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Service, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
