from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest

from perfloop.database import open_database, run_local_server
from perfloop.exceptions import ServiceNotReady

pytestmark = pytest.mark.services

KILLED = """
import signal
from perfloop.database import run_local_server
with run_local_server() as server:
    print(server.directory, server.keeper, flush=True)
    signal.pause()
"""


def test_a_private_server_is_there_for_the_block_and_gone_afterwards() -> None:
    with run_local_server(settings={"random_page_cost": 1.5}) as server:
        with open_database(server.dsn(), writable=True) as database:
            assert database.rows("SHOW random_page_cost") == [("1.5",)]
            assert database.rows("SHOW listen_addresses") == [("",)]
            database.rows("CREATE DATABASE shop")
        with open_database(server.dsn("shop")) as shop:
            assert shop.rows("SELECT current_user, current_database()") == [("perfloop", "shop")]
        assert server.directory.stat().st_mode & 0o077 == 0
        held = psycopg.connect(server.dsn())  # a client that stays does not keep the server
    assert not server.directory.exists()
    assert not psutil.pid_exists(server.keeper)
    held.close()


def test_it_is_gone_when_the_block_fails() -> None:
    with pytest.raises(RuntimeError, match="on purpose"), run_local_server() as server:
        raise RuntimeError("on purpose")
    assert not server.directory.exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_server_is_left_behind_when_its_user_is_killed(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True) as user:
        assert user.stdout is not None
        directory, keeper = user.stdout.readline().split()
        server = psutil.Process(int(keeper)).children()
        assert server
        os.kill(user.pid, number)
    _, alive = psutil.wait_procs(
        [*server, *([psutil.Process(int(keeper))] if psutil.pid_exists(int(keeper)) else [])], 30
    )
    assert alive == []
    assert not Path(directory).exists()


def test_a_server_that_does_not_start_shows_its_log() -> None:
    with pytest.raises(ServiceNotReady) as caught, run_local_server(settings={"work_mem": "a lot"}):
        pass
    assert caught.value.output is not None
    assert 'invalid value for parameter "work_mem"' in caught.value.output
    assert caught.value.where is not None
    assert not Path(caught.value.where).exists()
