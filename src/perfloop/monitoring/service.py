"""A service under observation: started with the agent inside, watched while needed, ended with all its children."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..agent import DETAIL_KEY, ENVIRONMENT_KEY, PARAMETERS_KEY
from ..exceptions import ConfigurationError, NoServer, PortInUse, ServiceDied, ServiceNotReady
from .addresses import is_server_program, named_addresses
from .collector import Collector
from .listening import Listener, listeners
from .observations import Observations
from .process import ChildProcess
from .readiness import Endpoint, endpoint_of, server_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

__all__ = ["Service"]

_INJECTED = Path(__file__).resolve().parent.parent / "agent" / "inject"
_GRACE_SECONDS = 5.0
_NO_SERVER = "for a command that computes and ends use `perfloop profile`, planned and not in this version yet"
_POLL_SECONDS = 0.05
_AGENT_SECONDS = 0.5
_LIGHT_LIMIT = 64 * 1024 * 1024
"""Bytes of records that may wait to be taken."""
_LONGEST_SOCKET_PATH = 90
_LONGEST_ANSWER = 10.0
# Part of the startup timeout for which the port that the command names, or its server's, is waited for.
_PATIENCE = 0.5
# Servers of the standard library, as `Server` headers have them: what metrics and debug pages are served with.
_ASIDE = re.compile(r"(?:WSGIServer|BaseHTTP|SimpleHTTP)/")
_IN_USE = re.compile(
    r"address already in use|that port is already in use|connection in use|errno (?:98|48)\b", re.IGNORECASE
)


class Service:
    """Any command that serves HTTP, started unmodified; an async context manager.

    Args:
        command: program and arguments, run without a shell.
        cwd: its working directory; by default this process'.
        env: variables added to this process' environment.
        agent: inject the agent; False runs the service bare and observes nothing.
        light: have the agent leave out what only a diagnosis needs: stack samples and plans of statements. For services
            that are watched for long: take what is new with `take_observations`.
        parameters: have the agent tell type and size of some executions' parameters (`shapes`), or the values, too.
        ready_url: ask this URL whether the service is up; by default `/` on the port that the command names, else the
            one it is found listening on.
        startup_timeout: seconds until it must have answered.
        cpus: the processors it may use; None: all.
        echo: pass the service's output on to standard error.

    Raises (on entering):
        ConfigurationError: the command cannot be started, there is no place for the agent's socket, or several ports
            answer and none is clearly the service's.
        NoServer: it ended without ever listening.
        PortInUse: it could not bind its port.
        ServiceNotReady: it did not answer within `startup_timeout`.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        agent: bool = True,
        light: bool = False,
        parameters: Literal["", "shapes", "values"] = "",
        ready_url: str | None = None,
        startup_timeout: float = 30.0,
        cpus: frozenset[int] | None = None,
        echo: bool = False,
    ) -> None:
        self.command = tuple(command)
        self.startup_seconds = 0.0
        """From the start of the command to its first answer."""
        self._cwd = Path(cwd) if cwd is not None else None
        self._env = dict(env or {})
        self._agent = agent
        self._light = light
        self._parameters = parameters
        self._ready = endpoint_of(ready_url) if ready_url is not None else None
        self._startup_timeout = startup_timeout
        self._cpus = cpus
        self._echo = echo
        self._child: ChildProcess | None = None
        self._collector: Collector | None = None
        self._directory: Path | None = None
        self._named = named_addresses(self.command)
        self._endpoint: Endpoint | None = None
        self._listened = False

    async def __aenter__(self) -> Service:
        try:
            await self._start()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """Where it listens, without a path: `http://127.0.0.1:8000` or `http+unix://%2Ftmp%2Fx.sock`."""
        assert self._endpoint is not None, "the service has not been started"
        return self._endpoint.url

    @property
    def pid(self) -> int:
        """The process started; its workers are in `processes`."""
        assert self._child is not None, "the service has not been started"
        return self._child.pid

    @property
    def notes(self) -> list[str]:
        """What went wrong between the agents and us, in words; empty when all is well."""
        return list(self._collector.notes) if self._collector is not None else []

    def processes(self) -> list[int]:
        """The service's processes that run now."""
        return self._child.processes() if self._child is not None else []

    def output_tail(self, lines: int = 30) -> str:
        """The last lines the service has written."""
        return self._child.output_tail(lines) if self._child is not None else ""

    @property
    def alive(self) -> bool:
        """The command has been started and has not ended."""
        return self._child is not None and self._child.returncode is None

    def check_alive(self) -> None:
        """Raise ServiceDied, with its last output, when the command has ended."""
        assert self._child is not None, "the service has not been started"
        status = self._child.returncode
        if status is not None:
            self._child.wait_output()
            raise ServiceDied(
                f"The service ended while it was needed: {_ended_how(status)}",
                output=self.output_tail(),
                hint="its last output says why",
            )

    async def observations(self, since: float = 0.0) -> Observations:
        """What the agents saw of requests that ended at or after `since` (seconds of the monotonic clock).

        Asks the agents for what they have gathered first, and decodes in a thread. Empty without the agent.
        """
        collector = self._collector
        if collector is None:
            return Observations()
        await asyncio.to_thread(collector.flush)
        return await asyncio.to_thread(collector.observations, since)

    async def take_observations(self) -> Observations:
        """What the agents have sent since the last call, each record once; `observations` has it no more.

        Agents send by themselves within a quarter of a second. Decodes in a thread.
        """
        return await asyncio.to_thread(self._collector.take) if self._collector is not None else Observations()

    async def stop(self) -> None:
        """End the service and all its processes: SIGTERM, after 5 s SIGKILL. Doing it twice does nothing."""
        await self._end()

    async def _start(self) -> None:
        env = {**os.environ, **self._env}
        if self._agent:
            path = self._listen()
            env[ENVIRONMENT_KEY] = str(path)
            env[DETAIL_KEY] = "light" if self._light else "full"
            env[PARAMETERS_KEY] = self._parameters
            env["PYTHONPATH"] = os.pathsep.join([str(_INJECTED), *filter(None, [env.get("PYTHONPATH")])])
        started = time.monotonic()
        self._child = ChildProcess(
            self.command, cwd=self._cwd, env=env, cpus=self._cpus, echo=self._echo, private=self._directory
        )
        deadline = started + self._startup_timeout
        while True:
            self._check_starting(self._child)
            self._endpoint = await self._find_endpoint(self._child, deadline)
            if self._endpoint is not None:
                break
            if time.monotonic() >= deadline:
                raise self._not_ready()
            await asyncio.sleep(_POLL_SECONDS)
        self.startup_seconds = time.monotonic() - started
        if self._collector is not None:
            # Its first request was ours; a command that is no Python, or an old one, has no agent to wait for.
            await asyncio.to_thread(self._collector.wait_agent, _AGENT_SECONDS)

    def _listen(self) -> Path:
        """Open the private socket that the agents connect to."""
        try:
            self._directory = _private_directory()
            path = self._directory / "agent.sock"
            self._collector = Collector(path, limit=_LIGHT_LIMIT) if self._light else Collector(path)
        except OSError as error:
            raise ConfigurationError(
                f"Expected a place for the agent's socket among the temporary files: {error.strerror or error}",
                where=None if self._directory is None else str(self._directory.parent),
                hint="set TMPDIR to a directory that can be written to and has room",
            ) from error
        return path

    async def _find_endpoint(self, child: ChildProcess, deadline: float) -> Endpoint | None:
        # Of a daemon, which the command has let go of, nothing could be known: it is only ended.
        found = listeners(child.tree(), exclude=str(self._collector.path) if self._collector else None)
        self._listened = self._listened or bool(found)
        if self._ready is not None:
            return self._ready if found and await self._ask(self._ready, deadline) is not None else None
        named = [each for each in found if self._named.holds(each)]
        for each in named:
            endpoint, _ = await self._answering(each, deadline)
            if endpoint is not None:
                return endpoint
        # Metrics and debug pages may listen before the service does: give what the command names the time it needs.
        late = time.monotonic() > deadline - _PATIENCE * self._startup_timeout
        if named or (self._named and not late):
            return None
        answering = [
            (endpoint, server) for each in found for endpoint, server in [await self._answering(each, deadline)]
        ]
        proper = [endpoint for endpoint, server in answering if endpoint and not _ASIDE.match(server)]
        aside = [endpoint for endpoint, server in answering if endpoint and _ASIDE.match(server)]
        if not proper and not late and (is_server_program(self.command) or await self._runs_a_server()):
            return None
        return _only(proper or aside)

    async def _answering(self, listener: Listener, deadline: float) -> tuple[Endpoint | None, str]:
        """How the listener is asked, and what server it is; None when it does not answer."""
        for scheme in ("http", "https"):
            endpoint = Endpoint.of_listener(listener, scheme, "/")
            server = await self._ask(endpoint, deadline)
            if server is not None:
                return endpoint, server
        return None, ""

    async def _ask(self, endpoint: Endpoint, deadline: float) -> str | None:
        return await server_of(endpoint, min(max(deadline - time.monotonic(), 0.05), _LONGEST_ANSWER))

    async def _runs_a_server(self) -> bool:
        """An agent sees one of the known servers imported."""
        names = (name for info in (await self.observations()).processes.values() for name in info.frameworks)
        return any(name.partition(" ")[0] in ("uvicorn", "gunicorn") for name in names)

    def _check_starting(self, child: ChildProcess) -> None:
        status = child.returncode
        if status is None:
            return
        child.wait_output()
        output = child.output_tail()
        if _IN_USE.search(output):
            raise PortInUse(
                "The service could not bind its port: another process has it",
                output=output,
                hint="stop the other process, or give the service another port",
            )
        if self._listened:
            raise ServiceDied(f"The service ended before it answered: {_ended_how(status)}", output=output)
        if status == 0 and child.processes():
            raise NoServer(
                "The command ended, and what it started went on in the background, where it cannot be measured",
                output=output,
                hint="run the service in the foreground, without --daemon, -D or &",
            )
        hint = f"perfloop measures servers; {_NO_SERVER}" if status == 0 else f"its output says why; {_NO_SERVER}"
        raise NoServer(f"The command ended without ever listening: {_ended_how(status)}", output=output, hint=hint)

    def _not_ready(self) -> ServiceNotReady:
        did = "listens but gave no HTTP answer" if self._listened else "listens on no port"
        return ServiceNotReady(
            f"The service {did} within {self._startup_timeout:g} s",
            output=self.output_tail(),
            hint="give it longer with --startup-timeout, or say where it answers with --ready URL"
            + ("" if self._listened else "; " + _NO_SERVER),
        )

    async def _end(self) -> None:
        child = self._child
        try:
            if child is not None:
                child.terminate()
                deadline = time.monotonic() + _GRACE_SECONDS
                while child.processes() and time.monotonic() < deadline:  # noqa: ASYNC110 - only the kernel knows
                    await asyncio.sleep(0.02)
        finally:
            # Also when we are cancelled while waiting.
            if child is not None:
                child.kill()
                child.close()
            if self._collector is not None:
                self._collector.close()
            if self._directory is not None:
                shutil.rmtree(self._directory, ignore_errors=True)
                self._directory = None


def _only(endpoints: Sequence[Endpoint]) -> Endpoint | None:
    """The one endpoint; the first of several on one port, which differ in the address only.

    Raises:
        ConfigurationError: they are on different ports.
    """
    if len({endpoint.path or endpoint.port for endpoint in endpoints}) > 1:
        raise ConfigurationError(
            "The service listens on several ports, and none is clearly the one to measure",
            got=", ".join(endpoint.url for endpoint in endpoints),
            hint=f"say which with --ready {endpoints[0].url}/",
        )
    return endpoints[0] if endpoints else None


def _private_directory() -> Path:
    """A new directory only this user can enter, short enough for a unix socket's address."""
    directory = tempfile.mkdtemp(prefix="perfloop-")
    if len(directory) > _LONGEST_SOCKET_PATH:
        Path(directory).rmdir()
        directory = tempfile.mkdtemp(prefix="perfloop-", dir="/tmp")
    return Path(directory)


def _ended_how(status: int) -> str:
    return f"exit status {status}" if status >= 0 else f"killed by signal {-status}"
