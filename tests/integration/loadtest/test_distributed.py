"""Runs made by several worker processes, here and beside the workers of a Dask cluster."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from perfloop.exceptions import ConfigurationError, InvalidValue, UnreachableTarget
from perfloop.loadtest import LoadOptions, Request, new_event_loop, read_scenario, run_distributed

from ...servers.processes import has_ended
from .serving import answer_ok, serve

CALM = {"timeout": 5.0}


def made_by(options: LoadOptions, **how):
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(run_distributed(options, **how))


def workers_below(pid: int) -> list[psutil.Process]:
    """The worker processes among the descendants of a process."""
    found = []
    for child in psutil.Process(pid).children(recursive=True):
        try:
            if "perfloop.loadtest.distributed.worker" in child.cmdline():
                found.append(child)
        except psutil.NoSuchProcess:
            pass
    return found


def wait_until(true, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_together_they_send_at_the_times_planned(service) -> None:
    started = service()
    options = LoadOptions(url=started.url, rate=150, duration=2, connections=12, **CALM)
    outcome = made_by(options, workers=3)
    seen = started.seen()
    assert outcome.summary.requests == len(seen) == 300
    assert outcome.summary.errors == 0
    assert outcome.results.statuses == {"200": 300}
    assert [worker.requests for worker in outcome.results.workers] == [100, 100, 100]
    assert sum(point.requests for point in outcome.results.series) == 300
    assert outcome.latency.count == outcome.service_time.count == outcome.send_lag.count == 300
    gaps = np.diff([at for at, _ in seen])
    assert np.median(gaps) == pytest.approx(1 / 150, rel=0.2)
    assert workers_below(os.getpid()) == []


def test_in_the_closed_model_they_share_the_connections(service) -> None:
    started = service("constant")
    seen_in_flight = []
    options = LoadOptions(url=started.url, duration=1.5, connections=5, **CALM)
    outcome = made_by(options, workers=2, on_progress=lambda progress: seen_in_flight.append(progress.in_flight))
    assert outcome.summary.requests == len(started.seen())
    assert max(seen_in_flight) <= 5
    assert outcome.plan.connections == 5


def test_samples_are_numbered_as_one_generator_numbers_them(service) -> None:
    started = service()
    options = LoadOptions(
        url=started.url,
        requests=(Request(target="/a"), Request(target="/b")),
        rate=100,
        duration=0.5,
        keep_samples=True,
        **CALM,
    )
    samples = made_by(options, workers=2).samples
    assert sorted(samples.number) == list(range(1, 51))
    by_number = np.argsort(samples.number)
    assert np.diff(samples.due[by_number]) == pytest.approx(np.full(49, 0.01))
    assert samples.request_index[by_number].tolist() == [0, 1] * 25
    assert set(samples.status) == {200}


async def test_each_row_of_a_unique_feeder_goes_to_one_of_them(tmp_path) -> None:
    (tmp_path / "users.csv").write_text("id\n" + "".join(f"{number}\n" for number in range(40)))
    (tmp_path / "shop.toml").write_text(
        '[feeders.users]\nfile = "users.csv"\norder = "unique"\n[[journey]]\n[[journey.step]]\npath = "/{users.id}"\n'
    )
    async with serve(answer_ok) as server:
        options = LoadOptions(
            url=server.url, scenario=read_scenario(str(tmp_path / "shop.toml")), connections=4, duration=10, **CALM
        )
        outcome = await run_distributed(options, workers=2)
        paths = sorted(int(exchange.line.split()[1][1:]) for exchange in server.exchanges)
    assert paths == list(range(40))
    assert outcome.summary.requests == 40
    assert [(group.name, group.count) for group in outcome.results.groups] == [("journey 1", 40)]


async def test_users_of_a_python_scenario_have_numbers_of_their_own(tmp_path) -> None:
    (tmp_path / "shop.py").write_text(
        "async def setup(user):\n    await user.get(f'/setup/{user.number}')\n"
        "async def go(user):\n    print('printed')\n    await user.get(f'/{user.number}')\n"
    )
    async with serve(answer_ok) as server:
        options = LoadOptions(
            url=server.url,
            scenario=read_scenario(f"{tmp_path / 'shop.py'}:go"),
            connections=4,
            request_limit=40,
            duration=None,
            **CALM,
        )
        outcome = await run_distributed(options, workers=2)
        lines = [exchange.line.split()[1] for exchange in server.exchanges]
    assert {line for line in lines if line.startswith("/setup")} == {f"/setup/{number}" for number in range(4)}
    assert {line for line in lines if not line.startswith("/setup")} == {"/0", "/1", "/2", "/3"}
    assert outcome.summary.requests == 40


def test_a_target_that_cannot_be_reached_is_said_once_with_the_worker() -> None:
    with pytest.raises(UnreachableTarget) as caught:
        made_by(LoadOptions(url="http://127.0.0.1:1/"), workers=2)
    assert "worker" in caught.value.where
    assert caught.value.hint
    assert workers_below(os.getpid()) == []


def test_stopped_early_it_keeps_what_was_measured(service) -> None:
    started = service()

    async def main():
        stop = asyncio.Event()

        def on_progress(progress) -> None:
            if progress.requests:
                stop.set()

        options = LoadOptions(url=started.url, rate=100, duration=60, **CALM)
        return await run_distributed(options, workers=2, on_progress=on_progress, stop=stop)

    outcome = asyncio.run(main())
    assert outcome.partial
    assert 0 < outcome.summary.requests <= len(started.seen())
    assert all(worker.lost is None for worker in outcome.results.workers)


def test_a_killed_worker_is_named_and_the_other_goes_on(service) -> None:
    started = service()
    killed = []

    def on_progress(progress) -> None:
        if progress.requests > 20 and not killed:
            killed.append(workers_below(os.getpid())[0].pid)
            os.kill(killed[0], signal.SIGKILL)

    outcome = made_by(LoadOptions(url=started.url, rate=100, duration=2, **CALM), workers=2, on_progress=on_progress)
    lost = [worker for worker in outcome.results.workers if worker.lost is not None]
    assert [str(killed[0]) in worker.name for worker in lost] == [True]
    assert "SIGKILL" in lost[0].lost
    assert outcome.partial
    assert not outcome.summary.trustworthy
    assert lost[0].requests > 0
    assert outcome.summary.requests == lost[0].requests + 100


def test_workers_end_with_the_process_that_started_them(service, tmp_path) -> None:
    started = service()
    code = (
        "import asyncio\nfrom perfloop.loadtest import LoadOptions, run_distributed\n"
        f"asyncio.run(run_distributed(LoadOptions(url='{started.url}', rate=20, duration=60), workers=2))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    wait_until(lambda: len(workers_below(parent.pid)) == 2 and started.seen())
    children = workers_below(parent.pid)
    parent.kill()
    parent.wait()
    wait_until(lambda: all(has_ended(child.pid) for child in children))


def test_what_a_scenario_does_with_its_process_is_its_own(service, tmp_path) -> None:
    """It prints, reads, changes the directory and forks; the run hears of none of it and waits for none."""
    (tmp_path / "odd.py").write_text(
        "import os, sys, time\n"
        "async def setup(user):\n"
        "    os.chdir('/')\n"
        "    assert sys.stdin.read() == ''\n"
        "    os.write(1, b'x' * 100_000)\n"
        "    if os.fork() == 0:\n"
        f"        open({str(tmp_path)!r} + f'/{{os.getpid()}}', 'w').close()\n"
        "        time.sleep(60)\n"
        "        os._exit(0)\n"
        "async def go(user):\n"
        "    await user.get('/')\n"
    )
    started = service()
    scenario = read_scenario(f"{tmp_path / 'odd.py'}:go")
    options = LoadOptions(url=started.url, scenario=scenario, connections=2, request_limit=40, duration=None, **CALM)
    try:
        outcome = made_by(options, workers=2)
        forked = [int(path.name) for path in tmp_path.iterdir() if path.name.isdigit()]
        assert [psutil.Process(pid).status() for pid in forked] == ["sleeping"] * 2
    finally:
        for path in tmp_path.iterdir():
            if path.name.isdigit():
                os.kill(int(path.name), signal.SIGKILL)
    assert outcome.summary.requests == len(started.seen()) == 40
    assert all(worker.lost is None for worker in outcome.results.workers)


def test_a_worker_that_a_scenario_holds_up_ends_with_its_coordinator(service, tmp_path) -> None:
    (tmp_path / "stuck.py").write_text(
        "import time\nasync def go(user):\n    await user.get('/')\n    time.sleep(600)\n"
    )
    started = service()
    code = (
        "import asyncio\nfrom perfloop.loadtest import LoadOptions, read_scenario, run_distributed\n"
        f"scenario = read_scenario('{tmp_path / 'stuck.py'}:go')\n"
        f"asyncio.run(run_distributed(LoadOptions(url='{started.url}', scenario=scenario, duration=60), workers=1))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    wait_until(lambda: len(workers_below(parent.pid)) == 1 and started.seen())
    children = workers_below(parent.pid)
    parent.kill()
    parent.wait()
    wait_until(lambda: all(has_ended(child.pid) for child in children))


@pytest.mark.parametrize("workers", [0, 5000])
def test_a_number_of_workers_that_cannot_be(workers) -> None:
    with pytest.raises(InvalidValue, match="workers"):
        made_by(LoadOptions(url="http://127.0.0.1:1/"), workers=workers)


class Cluster:
    """A Dask scheduler and workers in processes of their own, each in an empty directory."""

    def __init__(self, directory: Path, workers: int, *more: str) -> None:
        self.processes: list[subprocess.Popen] = []
        self._directory = directory
        file = directory / "scheduler.json"
        self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))
        wait_until(lambda: file.exists() and file.read_text().strip().endswith("}"))
        self.address = json.loads(file.read_text())["address"]
        for _ in range(workers):
            self._start("worker", self.address, "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", *more)

    def _start(self, *words: str) -> None:
        command = [str(Path(sys.executable).with_name("dask")), *words, "--no-dashboard"]
        output = (self._directory / f"{len(self.processes)}.log").open("w")
        self.processes.append(subprocess.Popen(command, cwd=self._directory, stdout=output, stderr=output))
        output.close()

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    started = Cluster(tmp_path_factory.mktemp("dask"), workers=3)
    yield started
    started.stop()


def made_on(cluster: Cluster, options: LoadOptions, **how):
    """With two of its workers; they may be starting still."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return made_by(options, dask=cluster.address, workers=2, **how)
        except (InvalidValue, UnreachableTarget) as error:
            if "Expected no more workers" not in error.message and "with workers" not in error.message:
                raise
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def test_a_cluster_makes_the_load(cluster, service) -> None:
    started = service()
    outcome = made_on(cluster, LoadOptions(url=started.url, rate=100, duration=2, **CALM))
    assert outcome.summary.requests == len(started.seen()) == 200
    assert [worker.requests for worker in outcome.results.workers] == [100, 100]
    for worker in outcome.results.workers:
        assert worker.name.startswith("tcp://127.0.0.1:")
        assert worker.clock_error_ms > 0
        assert abs(worker.clock_offset_ms) <= worker.clock_error_ms  # it is this machine's clock
    wait_until(lambda: not [child for process in cluster.processes for child in workers_below(process.pid)])


async def test_the_files_of_a_scenario_go_to_the_cluster(cluster, tmp_path, monkeypatch) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    Path("places_of_mine.py").write_text("PLACE = '/from-beside'\n")
    Path("shop_of_mine.py").write_text(
        "from places_of_mine import PLACE\nasync def go(user):\n    await user.get(PLACE)\n    raise ValueError\n"
    )
    async with serve(answer_ok) as server:
        options = LoadOptions(
            url=server.url,
            scenario=read_scenario("shop_of_mine.py"),
            connections=2,
            request_limit=20,
            duration=None,
            **CALM,
        )
        outcome = await asyncio.to_thread(made_on, cluster, options)
        lines = [exchange.line.split()[1] for exchange in server.exchanges]
    assert outcome.summary.requests == 20
    assert lines == ["/from-beside"] * 20
    assert [kind.example for kind in outcome.results.error_kinds] == ["go: ValueError (shop_of_mine.py:4)"]


def test_a_lost_machine_is_named_and_the_run_is_partial(cluster, service) -> None:
    started = service()
    victims = []

    def on_progress(progress) -> None:
        if progress.requests > 20 and not victims:
            busy = [process for process in cluster.processes if workers_below(process.pid)]
            victims.extend([busy[0], *workers_below(busy[0].pid)])
            busy[0].kill()

    outcome = made_on(cluster, LoadOptions(url=started.url, rate=100, duration=3, **CALM), on_progress=on_progress)
    lost = [worker for worker in outcome.results.workers if worker.lost is not None]
    assert len(lost) == 1
    assert "left the cluster" in lost[0].lost
    assert outcome.partial
    assert not outcome.summary.trustworthy
    assert outcome.summary.requests == lost[0].requests + 150
    wait_until(lambda: has_ended(victims[1].pid))


def test_a_scheduler_that_dies_is_named(tmp_path, service, capfd) -> None:
    started, own = service(), Cluster(tmp_path, workers=2)

    def on_progress(progress) -> None:
        if progress.requests > 20:
            own.processes[0].kill()

    try:
        outcome = made_on(own, LoadOptions(url=started.url, rate=100, duration=2, **CALM), on_progress=on_progress)
    finally:
        own.stop()
    assert [worker.lost.rpartition(": ")[2] for worker in outcome.results.workers] == ["the scheduler is gone"] * 2
    assert "distributed.client" not in capfd.readouterr().err


def test_a_machine_without_perfloop_is_said_with_the_next_step(tmp_path) -> None:
    (tmp_path / "without.py").write_text("import sys\nsys.modules['perfloop'] = None\n")
    own = Cluster(tmp_path, 2, "--preload", str(tmp_path / "without.py"))
    try:
        with pytest.raises(ConfigurationError, match="on the machines of the cluster") as caught:
            made_on(own, LoadOptions(url="http://127.0.0.1:1/"))
    finally:
        own.stop()
    assert "install perfloop" in caught.value.hint


def test_no_scheduler_is_said_with_the_next_step() -> None:
    with pytest.raises(UnreachableTarget, match="Dask scheduler") as caught:
        made_by(LoadOptions(url="http://127.0.0.1:1/"), dask="tcp://127.0.0.1:1")
    assert "dask scheduler" in caught.value.hint


@pytest.mark.parametrize("address", ["", "nonsense", "http://127.0.0.1:80", "a:b:c", "tcp://127.0.0.1"])
def test_an_address_of_no_scheduler(address) -> None:
    with pytest.raises(InvalidValue, match="address of a Dask scheduler"):
        made_by(LoadOptions(url="http://127.0.0.1:1/"), dask=address)


def test_what_stops_a_worker_on_the_cluster_is_raised_here(cluster) -> None:
    with pytest.raises(UnreachableTarget) as caught:
        made_on(cluster, LoadOptions(url="http://127.0.0.1:1/"))
    assert caught.value.where.startswith("tcp://")
