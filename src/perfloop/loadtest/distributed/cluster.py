"""Workers on the machines of a Dask cluster. Dask carries messages; each worker is a process beside a Dask worker."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import re
import secrets
import time
from typing import TYPE_CHECKING, Any

import msgspec

from ..._version import __version__
from ...exceptions import ConfigurationError, InvalidValue, MissingExtra, UnreachableTarget, WorkerLost
from . import host
from .coordinator import run_on
from .local import how_it_ended
from .messages import decode_from_worker
from .plan import scenario_files

if TYPE_CHECKING:
    from ..options import LoadOptions
    from ..outcome import LoadOutcome, OnProgress
    from .messages import FromWorker, ToWorker

__all__ = ["run_on_cluster"]

_ADDRESS = re.compile(r"(?:(?:tcp|tls|wss?|ucx)://)?(?:\[[0-9A-Fa-f:.]+\]|[^:/\[\]\s]+):\d{1,5}")
_CONNECT_SECONDS = 5.0
_CALL_SECONDS = 10.0
_EXCHANGE_SECONDS = 3.0
_POLL_EVERY = 0.1
_GONE_AFTER = 10.0
"""Seconds of failing calls after which a worker is lost: a network may have hiccups."""
_CLOCK_LOOKS = 12
_LEAD = 0.5
"""Seconds that a message may take beside the time on the way."""
_HINT = "start one with `dask scheduler`, and workers with `dask worker ADDRESS`"


async def run_on_cluster(
    address: str,
    options: LoadOptions,
    *,
    workers: int | None = None,
    on_progress: OnProgress | None = None,
    stop: asyncio.Event | None = None,
) -> LoadOutcome:
    """Run a load test on the workers of a Dask cluster.

    Args:
        address: of its scheduler, `tcp://10.0.0.5:8786`.
        workers: how many of them; None: all.

    Raises:
        MissingExtra: Dask is not installed.
        UnreachableTarget: there is no scheduler, or it has no workers.
        ConfigurationError: the workers have another perfloop, or none.
    """
    options.validate()
    files = scenario_files(options.scenario)
    async with _client(address) as client:
        channels = [
            _ClusterChannel(client, worker, found) for worker, found in _chosen(await _found(client, address), workers)
        ]
        await asyncio.gather(*(channel.look_at_clock() for channel in channels))
        wait = _LEAD + 4 * max(channel.clock_error for channel in channels)
        return await run_on(channels, options, on_progress=on_progress, stop=stop, files=files, clock_wait=wait)


@contextlib.asynccontextmanager
async def _client(address: str) -> Any:
    if _ADDRESS.fullmatch(address) is None:
        raise InvalidValue(
            "Expected the address of a Dask scheduler, such as tcp://10.0.0.5:8786", got=address, where="dask"
        )
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingExtra(
            "Expected the library distributed, which is not installed", hint="pip install 'perfloop[distributed]'"
        ) from error
    # What becomes of connections to it is ours to say.
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = await Client(  # type: ignore[no-untyped-call]
            address, asynchronous=True, timeout=_CONNECT_SECONDS, set_as_default=False
        )
    except (OSError, TimeoutError, ValueError) as error:
        raise UnreachableTarget(
            f"Expected a Dask scheduler at {address}: {_told(error)}", where="dask", hint=_HINT
        ) from error
    try:
        yield client
    finally:
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(_CALL_SECONDS):
                await client.close()


async def _found(client: Any, address: str) -> dict[str, host.About]:
    """The cluster's workers, by their addresses."""
    try:
        async with asyncio.timeout(_CALL_SECONDS):
            found: dict[str, host.About] = await client.run(host.about)
    except OSError as error:
        raise UnreachableTarget(f"Expected workers that answer: {_told(error)}", where=address) from error
    except Exception as error:  # Dask raises what happened there, of any kind
        raise ConfigurationError(
            f"Expected perfloop {__version__} on the machines of the cluster: {_told(error)}",
            where=address,
            hint="install perfloop[distributed] where the Dask workers run",
        ) from error
    if not found:
        raise UnreachableTarget("Expected a Dask cluster with workers", got="none", where=address, hint=_HINT)
    others = {name: each.perfloop for name, each in found.items() if each.perfloop != __version__}
    if others:
        name, version = next(iter(others.items()))
        raise ConfigurationError(
            f"Expected perfloop {__version__} on the machines of the cluster", got=version, where=name
        )
    return found


def _chosen(found: dict[str, host.About], count: int | None) -> list[tuple[str, host.About]]:
    """So many of the workers, of as many hosts as can be."""
    if count is not None and count > len(found):
        raise InvalidValue(f"Expected no more workers than the cluster has, {len(found)}", got=count, where="workers")
    hosts: dict[str, list[tuple[str, host.About]]] = {}
    for name, each in sorted(found.items()):
        hosts.setdefault(each.host, []).append((name, each))
    rounds = itertools.zip_longest(*hosts.values())
    return [one for each in rounds for one in each if one is not None][:count]


class _ClusterChannel:
    """One worker beside a Dask worker: a `Channel`."""

    def __init__(self, client: Any, address: str, about: host.About) -> None:
        self.name = f"{address} ({about.host})"
        self.clock_offset = self.clock_error = 0.0
        self._client = client
        self._address = address
        self._token = secrets.token_hex(8)
        self._outgoing: list[bytes] = []
        self._gone = False
        self._wake = asyncio.Event()
        self._incoming: asyncio.Queue[bytes | WorkerLost] = asyncio.Queue()
        self._polling: asyncio.Task[None] | None = None

    async def _call(self, function: Any, *arguments: Any, seconds: float = _CALL_SECONDS) -> Any:
        async with asyncio.timeout(seconds):
            answers = await self._client.run(function, *arguments, workers=[self._address])
        return answers[self._address]

    async def look_at_clock(self) -> None:
        """Measure how far its clock is ahead, by the quickest of some looks at it (Cristian's algorithm).

        Raises:
            UnreachableTarget: it does not answer.
        """
        best = float("inf")
        try:
            for _ in range(_CLOCK_LOOKS):
                asked = time.monotonic()
                theirs = await self._call(host.clock)
                answered = time.monotonic()
                if answered - asked < best:
                    best = answered - asked
                    self.clock_offset, self.clock_error = theirs - (asked + answered) / 2, best / 2
        except Exception as error:
            raise UnreachableTarget(f"Expected a worker that answers: {_told(error)}", where=self.name) from error

    async def start(self, plan: bytes) -> None:
        try:
            await self._call(host.start, self._token, host.Plan(plan))
        except Exception as error:
            raise UnreachableTarget(f"Expected to start a worker: {_told(error)}", where=self.name) from error
        self._polling = asyncio.ensure_future(self._poll())

    async def receive(self) -> FromWorker:
        said = await self._incoming.get()
        if isinstance(said, WorkerLost):
            raise said
        return decode_from_worker(said)

    def send(self, message: ToWorker) -> None:
        self._outgoing.append(msgspec.msgpack.encode(message))
        self._wake.set()

    async def _poll(self) -> None:
        expected, answered = 0, time.monotonic()
        while True:
            outgoing, self._outgoing = self._outgoing, []
            try:
                said = host.Exchange(
                    *await self._call(host.exchange, self._token, outgoing, expected, seconds=_EXCHANGE_SECONDS)
                )
            except Exception as error:  # Dask raises what happened there, of any kind
                self._outgoing = outgoing + self._outgoing
                left = await self._has_left()
                if left or time.monotonic() - answered > _GONE_AFTER:
                    self._gone = True
                    told = "the scheduler is gone" if self._client.status == "closed" else _told(error)
                    why = "it left the cluster" if left else f"it cannot be reached: {told}"
                    self._incoming.put_nowait(WorkerLost(why, where=self.name))
                    return
                await asyncio.sleep(_POLL_EVERY)
                continue
            answered = time.monotonic()
            for payload in said.payloads[expected - said.first :]:
                self._incoming.put_nowait(payload)
            expected = said.first + len(said.payloads)
            if said.status is not None:
                self._incoming.put_nowait(WorkerLost(how_it_ended(said.status), where=self.name))
                return
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_EVERY):
                    await self._wake.wait()

    async def _has_left(self) -> bool:
        """The scheduler does not know its Dask worker any more."""
        try:
            async with asyncio.timeout(_EXCHANGE_SECONDS):
                return self._address not in await self._client.run(host.clock)
        except Exception:  # nor does it answer
            return False

    async def close(self) -> None:
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.gather(self._polling, return_exceptions=True)
        if not self._gone:
            with contextlib.suppress(Exception):  # it may be gone by now
                await self._call(host.close, self._token)


def _told(error: BaseException) -> str:
    return "no answer" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
