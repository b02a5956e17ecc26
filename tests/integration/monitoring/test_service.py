"""Starting, watching and ending real processes."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import sys
import textwrap
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from perfloop.exceptions import ConfigurationError, NoServer, PortInUse, ServiceDied, ServiceNotReady
from perfloop.monitoring import Service

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Script = Callable[[str], list[str]]


async def ask(service: Service, target: str) -> None:
    """GET without looking at the answer."""
    host, _, port = service.url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    await reader.read()
    writer.close()


async def gone(pids: list[int], seconds: float = 10.0) -> bool:
    """Whether all processes end within `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        alive = [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]
        if not alive:
            return True
        await asyncio.sleep(0.05)
    return False


async def test_the_port_is_found_and_any_status_counts(script: Script) -> None:
    async with Service(script("serve()"), agent=False) as service:
        assert service.url.startswith("http://127.0.0.1:")
        assert service.startup_seconds > 0
        assert service.processes() == [service.pid]
        service.check_alive()
    assert service.processes() == []


@pytest.mark.parametrize(("host", "shown"), [("0.0.0.0", "http://127.0.0.1:"), ("::1", "http://[::1]:")])
async def test_addresses(script: Script, host: str, shown: str) -> None:
    async with Service(script("serve()"), agent=False, env={"HOST": host}) as service:
        assert service.url.startswith(shown)


async def test_a_unix_socket(script: Script, tmp_path: Path) -> None:
    path = tmp_path / "service.sock"
    body = f"""
    class Unix(socketserver.UnixStreamServer):
        def get_request(self):
            return super().get_request()[0], ("", 0)
    Unix({str(path)!r}, Handler).serve_forever()
    """
    async with Service(script(textwrap.dedent(body))) as service:
        assert service.url == "http+unix://" + str(path).replace("/", "%2F")


async def test_a_child_that_listens_is_found(script: Script) -> None:
    command = script("serve() if len(sys.argv) > 1 else sys.exit(subprocess.call([sys.executable, __file__, 'child']))")
    async with Service(command) as service:
        pids = service.processes()
        assert len(pids) == 2
    assert await gone(pids, 0.5)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


ASIDE = "threading.Thread(target=serve, daemon=True).start(); "


async def test_the_port_the_command_names_is_the_services(script: Script) -> None:
    """Something else listens, and answers, before it does."""
    port = free_port()
    command = [*script(f"import threading; {ASIDE}time.sleep(0.5); serve({port})"), "--port", str(port)]
    async with Service(command, agent=False) as service:
        assert service.url == f"http://127.0.0.1:{port}"


async def test_a_port_that_is_named_and_never_listens_is_given_up(script: Script) -> None:
    command = [*script("serve()"), "--port", str(free_port())]
    async with Service(command, agent=False, startup_timeout=3.0) as service:
        assert 1.0 < service.startup_seconds < 3.0


async def test_several_ports_that_could_be_the_services_are_named(script: Script) -> None:
    # Both listen before either answers.
    body = """
    import threading
    servers = [Server(("127.0.0.1", 0), Handler) for _ in range(2)]
    threading.Thread(target=servers[0].serve_forever, daemon=True).start()
    servers[1].serve_forever()
    """
    body = textwrap.dedent(body)
    with pytest.raises(ConfigurationError, match="several ports") as caught:
        async with Service(script(body), agent=False):
            pass
    assert str(caught.value.got).count("http://127.0.0.1:") == 2
    assert "--ready http://127.0.0.1:" in (caught.value.hint or "")


async def test_ready_url(script: Script) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/health"
    async with Service(script(f"serve({port})"), agent=False, ready_url=url) as service:
        assert service.url == f"http://127.0.0.1:{port}"
    with pytest.raises(ConfigurationError, match="ready URL"):
        Service(["true"], ready_url="localhost")


async def test_cpus(script: Script) -> None:
    allowed = frozenset(list(os.sched_getaffinity(0))[:1])
    async with Service(script("serve()"), agent=False, cpus=allowed) as service:
        assert os.sched_getaffinity(service.pid) == allowed


@pytest.mark.parametrize(("status", "hint"), [(0, "perfloop profile"), (3, "its output says why")])
async def test_a_command_that_is_no_server(script: Script, status: int, hint: str) -> None:
    with pytest.raises(NoServer, match=f"exit status {status}") as caught:
        async with Service(script(f"print('computed'); sys.exit({status})")):
            pass
    assert caught.value.output == "computed"
    assert hint in (caught.value.hint or "")
    assert "perfloop profile" in (caught.value.hint or "")


@pytest.mark.parametrize("full", ["tempfile.mkdtemp", "socket.socket.bind"])
async def test_no_room_for_temporary_files(script: Script, monkeypatch: pytest.MonkeyPatch, full: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(full, fail, raising=False)
    with pytest.raises(ConfigurationError, match="No space left on device") as caught:
        async with Service(script("serve()")):
            pass
    assert "TMPDIR" in (caught.value.hint or "")


async def test_a_port_in_use(script: Script) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder, pytest.raises(PortInUse) as caught:
        async with Service(script(f"serve({holder.getsockname()[1]})")):
            pass
    assert "already in use" in (caught.value.output or "")


async def test_a_command_that_never_listens(script: Script) -> None:
    service = Service(script("print('thinking', flush=True); time.sleep(60)"), startup_timeout=2.0)
    with pytest.raises(ServiceNotReady, match="listens on no port") as caught:
        await service.__aenter__()
    assert caught.value.output == "thinking"
    assert service.processes() == []


async def test_a_command_that_never_answers(script: Script) -> None:
    body = "s = socket.create_server(('127.0.0.1', 0)); time.sleep(60)"
    with pytest.raises(ServiceNotReady, match="no HTTP answer"):
        async with Service(script(body), startup_timeout=2.0):
            pass


async def test_a_service_that_dies_says_its_last_words(script: Script) -> None:
    async with Service(script("serve()"), agent=False) as service:
        await ask(service, "/die")
        assert await gone([service.pid])
        with pytest.raises(ServiceDied, match="exit status 7") as caught:
            service.check_alive()
        assert caught.value.output == "last words"


@pytest.mark.parametrize("program", ["no-such-program", "./server.py"])
async def test_a_program_that_cannot_be_run(script: Script, tmp_path: Path, program: str) -> None:
    script("serve()")
    with pytest.raises(ConfigurationError) as caught:
        async with Service([program], cwd=tmp_path):
            pass
    assert caught.value.got == program
    with pytest.raises(ConfigurationError, match="working directory"):
        async with Service(["true"], cwd=tmp_path / "nowhere"):
            pass


async def test_processes_that_ignore_sigterm_or_leave_the_group_are_ended(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perfloop.monitoring.service._GRACE_SECONDS", 0.3)
    body = """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if len(sys.argv) == 1:
        subprocess.Popen([sys.executable, __file__, 'stubborn'])
        subprocess.Popen([sys.executable, __file__, 'leaves'], process_group=0)
        serve()
    print(sys.argv[1], flush=True)
    time.sleep(60)
    """
    async with Service(script(textwrap.dedent(body))) as service:
        while service.output_tail().count("\n") < 1:
            await asyncio.sleep(0.02)
        pids = service.processes()
        assert len(pids) == 3
    assert await gone(pids, 0.5)


DAEMON = """
def daemonize(port_file):
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    for descriptor in (0, 1, 2):
        os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
    server = Server(("127.0.0.1", 0), Handler)
    open(port_file, "w").write(f"{os.getpid()}")
    server.serve_forever()
"""


async def test_a_daemon_is_no_foreground_service_and_is_ended(script: Script, tmp_path: Path) -> None:
    body = f"{DAEMON}\ndaemonize({str(tmp_path / 'pid')!r})\nwhile not os.path.exists({str(tmp_path / 'pid')!r}): pass"
    with pytest.raises(NoServer, match="in the background") as caught:
        async with Service(script(body), agent=False):
            pass
    assert "foreground" in (caught.value.hint or "")
    assert await gone([int((tmp_path / "pid").read_text())], 1.0)


async def test_a_daemon_beside_the_service_is_ended_too(script: Script, tmp_path: Path) -> None:
    body = f"{DAEMON}\ndaemonize({str(tmp_path / 'pid')!r})\ntime.sleep(0.5)\nserve({free_port()})"
    command = script(body)
    async with Service([*command, "--port", body.rpartition("(")[2].rstrip(")")], agent=False) as service:
        daemon = int((tmp_path / "pid").read_text())
        assert daemon in service.processes()
    assert await gone([daemon], 1.0)


async def test_cancelled_while_starting_and_while_stopping(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    stubborn = "signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    starting = Service(script(stubborn + "print('up', flush=True); time.sleep(60)"))
    task = asyncio.create_task(starting.__aenter__())
    while "up" not in starting.output_tail():
        await asyncio.sleep(0.01)
    monkeypatch.setattr("perfloop.monitoring.service._GRACE_SECONDS", 0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert starting.processes() == []

    monkeypatch.setattr("perfloop.monitoring.service._GRACE_SECONDS", 30.0)
    service = await Service(script(stubborn + "serve()")).__aenter__()
    stopping = asyncio.create_task(service.stop())
    await asyncio.sleep(0.1)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert service.processes() == []


async def test_the_service_ends_when_we_are_killed(script: Script, tmp_path: Path) -> None:
    command = script("print(os.getpid(), flush=True); serve()")
    parent = tmp_path / "parent.py"
    parent.write_text(
        textwrap.dedent(f"""
        import asyncio
        from perfloop.monitoring import Service
        async def main():
            async with Service({command!r}) as service:
                print(service.pid, service._directory, flush=True)
                await asyncio.sleep(60)
        asyncio.run(main())
        """)
    )
    process = await asyncio.create_subprocess_exec(sys.executable, str(parent), stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    pid, directory = (await process.stdout.readline()).decode().split()
    service_pid = int(pid)
    assert os.path.isdir(directory)  # noqa: PTH112
    assert psutil.pid_exists(service_pid)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    assert await gone([service_pid])
    assert not os.path.exists(directory)  # noqa: PTH110


async def test_a_long_output_is_bounded_and_its_end_is_kept(script: Script) -> None:
    body = "[print('z' * 99) for _ in range(20_000)]; print('end', flush=True); serve()"
    async with Service(script(body), agent=False) as service:
        async with asyncio.timeout(20):
            while service.output_tail(1) != "end":  # it is read in its own time
                await asyncio.sleep(0.01)
        assert service._child is not None
        assert service._child._ring_bytes <= 256 * 1024 + (1 << 16)


async def test_the_private_directory_is_private_and_goes_away(
    script: Script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    async with Service(script("serve()")) as service:
        directory = service._directory
        assert directory is not None
        assert directory.stat().st_mode & 0o777 == 0o700
        # Too deep for a unix socket's address: it moved.
        assert not directory.is_relative_to(deep)
    assert not directory.exists()
    assert list(deep.iterdir()) == []
