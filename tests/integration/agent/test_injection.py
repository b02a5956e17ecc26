"""Whatever the service's processes and environment look like, the agent gets in or stays out of the way."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import perfloop.agent
from perfloop.monitoring import Service

from .conftest import SERVICES, get, of_route

if TYPE_CHECKING:
    from collections.abc import Callable

    Start = Callable[..., Service]

UVICORN = ("--port", "0", "--log-level", "warning")

OTHER_PYTHONS = [
    path
    for version in ("3.12.1", "3.13.0")
    if (path := Path.home() / ".pyenv" / "versions" / version / "bin" / "python").exists()
] or [Path(sys.executable)]


async def test_worker_processes_each_report(service: Start) -> None:
    async with service("uvicorn", "fastapi_app:app", "--workers", "2", *UVICORN) as running:
        pids: set[int] = set()
        for _ in range(200):
            await asyncio.gather(*(get(running, "/orders/1") for _ in range(4)))
            observations = await running.observations()
            pids = {request.pid for request in observations.requests}
            if len(pids) == 2:
                break
    assert len(pids) == 2
    assert running.pid not in pids
    assert {observations.processes[pid].parent for pid in pids} == {running.pid}


async def test_forked_workers_connect_for_themselves(service: Start) -> None:
    # Preloaded: the application, and with it the agent's hooks, were at work before the fork.
    command = ("gunicorn", "flask_app:app", "--workers", "2", "--preload", "--bind", "127.0.0.1:0")
    async with service(*command, "--log-level", "warning") as running:
        pids: set[int] = set()
        for _ in range(200):
            await asyncio.gather(*(get(running, "/purchases/2") for _ in range(4)))
            observations = await running.observations()
            pids = {request.pid for request in observations.requests}
            if len(pids) == 2:
                break
    assert len(pids) == 2
    assert all(request.statements for request in observations.requests if request.route.startswith("/purchases"))


@pytest.mark.parametrize("python", OTHER_PYTHONS, ids=lambda path: path.parent.parent.name)
async def test_an_interpreter_without_perfloop(python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    environment = tmp_path / "venv"
    create = await asyncio.create_subprocess_exec(str(python), "-m", "venv", "--without-pip", str(environment))
    assert await create.wait() == 0
    interpreter = environment / "bin" / "python"
    alone = await asyncio.create_subprocess_exec(str(interpreter), "-c", "import perfloop", stderr=-3)
    assert await alone.wait() != 0
    async with Service([str(interpreter), "plain_wsgi.py"], cwd=SERVICES) as running:
        answers = await get(running, "/", number=5)
        observations = await running.observations()
    assert answers == [(200, b"[(2,)]")]
    request = next((each for each in observations.requests if each.span == 5), None)
    assert request is not None
    assert [observations.statements[call.statement] for call in request.statements] == ["SELECT ? + ?"]
    assert observations.sites[request.statements[0].site][0].function == "query"
    assert sum(request.parts.values()) == pytest.approx(request.ended - request.started, abs=1e-8)


async def test_the_services_own_sitecustomize_runs_and_is_what_import_finds(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("OWN = 'here'\n")
    command = [sys.executable, "plain_wsgi.py", "import-sitecustomize"]
    async with Service(command, cwd=SERVICES, env={"PYTHONPATH": str(tmp_path)}) as running:
        await get(running, "/", number=6)
        observations = await running.observations()
        assert "own sitecustomize: here" in running.output_tail()
    assert [each.status for each in observations.requests if each.span == 6] == [200]


def test_an_agent_that_cannot_be_loaded_says_so_once_and_the_service_goes_on(tmp_path: Path) -> None:
    agent = Path(perfloop.agent.__file__).parent
    shutil.copytree(agent / "inject", tmp_path / "inject")
    (tmp_path / "__init__.py").write_text("raise PermissionError('of this test')")
    program = "import subprocess, sys; print('served', subprocess.call([sys.executable, '-c', 'pass']))"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "inject"), "PERFLOOP_AGENT_SOCKET": "/nowhere"}

    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)

    assert ran.stdout == "served 0\n"
    assert ran.stderr == "perfloop: the agent cannot be loaded: PermissionError: of this test\n"


async def test_greenlets_keep_running(service: Start) -> None:
    # gevent replaces threads, locks and sleep: the agent's own must stay real, or the hub would wait for them.
    command = ("gunicorn", "flask_app:app", "-k", "gevent", "--bind", "127.0.0.1:0", "--log-level", "warning")
    async with service(*command) as running:
        answers = await asyncio.gather(*(get(running, "/slow", "/purchases/2") for _ in range(4)))
        observations = await running.observations()
    assert [status for pair in answers for status, _ in pair] == [200] * 8
    routes = [request.route for request in observations.requests]
    assert (routes.count("/slow"), routes.count("/purchases/<int:count>")) == (4, 4)


async def test_without_the_agent_nothing_is_injected(service: Start) -> None:
    async with service("uvicorn", "raw_asgi:app", *UVICORN, agent=False) as running:
        assert (await get(running, "/"))[0][0] == 204
        environment = Path(f"/proc/{running.pid}/environ").read_bytes().split(b"\0")
        observations = await running.observations()
    names = {variable.partition(b"=")[0].decode() for variable in environment if variable}
    # The run's mark lets perfloop find what the service leaves behind.
    assert names - set(os.environ) == {"TEST_DATABASE", "PERFLOOP_RUN"}
    assert not any(b"perfloop/agent/inject" in variable for variable in environment)
    assert observations.requests == []


async def test_the_service_outlives_the_agents_socket(service: Start) -> None:
    async with service("uvicorn", "fastapi_app:app", *UVICORN) as running:
        await get(running, "/orders/1")
        assert running._collector is not None
        running._collector.close()
        for _ in range(3):
            assert (await get(running, "/orders/2", "/blocking"))[1] == (200, b'"late"')
        running.check_alive()
        assert running.output_tail() == ""


async def test_the_service_starts_when_the_socket_is_not_there(service: Start) -> None:
    # The variable names nothing: as when perfloop has ended, and something it started starts again.
    env = {
        "PERFLOOP_AGENT_SOCKET": "/nonexistent/agent.sock",
        "PYTHONPATH": str(Path(sys.modules["perfloop"].__path__[0]) / "agent" / "inject"),
    }
    async with service("uvicorn", "fastapi_app:app", *UVICORN, agent=False, env=env) as running:
        assert [status for status, _ in await get(running, "/orders/2", "/async-orders", "/child")] == [200] * 3
        assert running.output_tail() == ""


async def test_a_hook_that_fails_is_reported_and_the_service_goes_on(service: Start, tmp_path: Path) -> None:
    # A library that looks like the one the hook is for, but is not.
    (tmp_path / "aiosqlite").mkdir()
    (tmp_path / "aiosqlite" / "__init__.py").write_text("from . import core\n")
    (tmp_path / "aiosqlite" / "core.py").write_text("")
    async with service("uvicorn", "fastapi_app:app", *UVICORN, env={"PYTHONPATH": str(tmp_path)}) as running:
        assert [status for status, _ in await get(running, "/orders/2")] == [200]
        observations = await running.observations()
    (info,) = observations.processes.values()
    assert len(info.hooks_failed) == 1
    assert info.hooks_failed["aiosqlite"].startswith("aiosqlite: AttributeError")
    assert any(request.route == "/orders/{count}" for request in observations.requests)


async def test_a_stopped_agent_does_not_stop_us(service: Start) -> None:
    async with service("uvicorn", "fastapi_app:app", *UVICORN) as running:
        await get(running, "/orders/1")
        await running.observations()
        os.kill(running.pid, signal.SIGSTOP)
        observations = await running.observations()
        os.kill(running.pid, signal.SIGCONT)
    assert of_route(observations, "/orders/{count}").status == 200


async def test_only_what_ended_since_is_decoded(service: Start) -> None:
    async with service("uvicorn", "fastapi_app:app", *UVICORN) as running:
        await get(running, "/orders/1")
        first = await running.observations()
        since = first.requests[-1].ended + 1e-6
        await get(running, "/orders/2")
        later = await running.observations(since=since)
    assert [len(request.statements) for request in later.requests] == [2]
    assert "SELECT * FROM item WHERE order_id = ?" in later.statements


async def test_slow_statements_are_explained_on_their_own_connection(service: Start, tmp_path: Path) -> None:
    async with service("uvicorn", "fastapi_app:app", *UVICORN) as running:
        # Slow by count or by time: a scan of 6,000 rows takes a good part of a millisecond; ask until one is slow.
        for _ in range(40):
            await get(running, "/orders/60", number=1)
            observations = await running.observations()
            if observations.explains:
                break
            await asyncio.to_thread(_grow, Path(running._env["TEST_DATABASE"]))
    explained = {observations.statements[each.statement]: each for each in observations.explains}
    plan = explained["SELECT * FROM item WHERE order_id = ?"]
    assert plan.plan == ["SCAN item"]
    assert plan.database == running._env["TEST_DATABASE"]
    assert plan.sql == "SELECT * FROM item WHERE order_id = ?"
    assert plan.parameters is not None
    assert plan.parameters.startswith("[")


def _grow(path: Path) -> None:
    import sqlite3

    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO item (order_id, name) SELECT -1, name FROM item")
    connection.commit()
    connection.close()


async def test_a_light_agent_sends_requests_and_resources_alone_and_each_is_taken_once(service: Start) -> None:
    async with service("uvicorn", "fastapi_app:app", *UVICORN, light=True) as running:
        taken = []
        for _ in range(200):
            if not any(each.statements for found in taken for each in found.requests):
                await get(running, "/orders/1", "/orders/2")
            elif any(found.resources for found in taken):
                break
            await asyncio.sleep(0.05)
            taken.append(await running.take_observations())
        rest = await running.take_observations()
    seen = [request for found in taken for request in found.requests if request.statements]
    assert seen
    assert len({(request.pid, request.started) for request in seen}) == len(seen)
    assert not {request.started for request in rest.requests} & {request.started for request in seen}
    assert [found.stacks or found.explains for found in taken] == [[]] * len(taken)
