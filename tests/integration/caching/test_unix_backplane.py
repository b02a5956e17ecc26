"""Processes of one host tell each other over sockets, and know who has missed something."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from perfloop.caching import Invalidation
from perfloop.caching.backplane.unix import UnixBackplane, _Sockets
from perfloop.caching.effects import run
from perfloop.exceptions import InvalidValue, LevelFailed

from .ears import Ear, assert_others_are_told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[3]
# Tells on its standard output what it hears.
LISTENER = """
import sys, time
from perfloop.caching.backplane.unix import UnixBackplane
backplane = UnixBackplane(sys.argv[1])
say = lambda text: print(text, flush=True)
backplane.listen(lambda said: say(said.keys), lambda: say("gap"), lambda: say("deaf"))
sys.stdin.read()
backplane.close()
"""


@pytest.fixture
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One with a short path."""
    with tempfile.TemporaryDirectory(prefix="perfloop-") as name:
        yield Path(name, "s")


@pytest.fixture
def make_backplane(directory: Path) -> Callable[[str], UnixBackplane]:
    return lambda namespace: UnixBackplane(directory, namespace=namespace)


def sockets(directory: Path) -> set[Path]:
    return {path for path in directory.rglob("*") if path.is_socket()}


def test_others_of_the_namespace_are_told(ears: list[Ear]) -> None:
    assert_others_are_told(ears)


def test_more_than_the_queue_of_a_receiver_holds(ears: list[Ear]) -> None:
    one, two, _ = ears
    for number in range(300):
        run(one.backplane.publish(Invalidation((f"key {number}",))))
    assert two.until(Invalidation(("key 299",)))


def test_more_than_a_message_holds_comes_in_parts_or_as_all(ears: list[Ear]) -> None:
    one, two, _ = ears
    keys = {f"{number} {'k' * 9_000}" for number in range(30)}
    run(one.backplane.publish(Invalidation(tuple(keys))))
    run(one.backplane.publish(Invalidation(("k" * 100_000,))))
    told = two.until(Invalidation(all=True))
    assert {key for said in told if isinstance(said, Invalidation) for key in said.keys} == keys


def test_one_that_was_killed_is_forgotten_and_one_that_was_stopped_finds_a_gap(directory: Path) -> None:
    one = Ear(UnixBackplane(directory))
    command = [sys.executable, "-c", LISTENER, str(directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as other:
        assert other.stdout is not None

        def until(wanted: str) -> None:
            assert other.stdout is not None
            while (line := other.stdout.readline().strip()) != wanted:
                assert line, "it has ended"

        until("gap")
        other.send_signal(signal.SIGSTOP)
        for number in range(400):  # more than its queue holds
            run(one.backplane.publish(Invalidation((f"missed {number}",))))
        other.send_signal(signal.SIGCONT)
        until("gap")
        run(one.backplane.publish(Invalidation(("after",))))
        until("('after',)")
        other.kill()
        other.wait()
        run(one.backplane.publish(Invalidation(("nobody",))))
        assert len(sockets(directory)) == 1
    one.backplane.close()
    assert sockets(directory) == set()


def test_a_child_hears_and_is_heard_as_a_process_of_its_own(ears: list[Ear]) -> None:
    one, two, _ = ears
    child = os.fork()
    if child == 0:
        try:
            mine = Ear(one.backplane)
            run(mine.backplane.publish(Invalidation(("child",))))
            mine.until(Invalidation(("parent",)))
            mine.backplane.close()
            os._exit(0)
        finally:
            os._exit(1)
    assert two.until(Invalidation(("child",)))
    assert one.until(Invalidation(("child",)))
    run(one.backplane.publish(Invalidation(("parent",))))
    assert os.waitpid(child, 0)[1] == 0


def test_a_directory_that_others_may_enter(directory: Path) -> None:
    directory.mkdir(mode=0o755)
    with pytest.raises(LevelFailed, match="nobody else may enter, got 'drwxr-xr-x"):
        _Sockets(directory, "x", "unix").prepare()


@pytest.mark.parametrize("mode", [0o777, 0o700])
def test_what_is_no_socket_of_ours_is_neither_told_nor_removed(directory: Path, mode: int) -> None:
    """Whoever makes the directory first could lead us to what he wants us to remove."""
    kept = directory.with_name("home")
    kept.mkdir(mode=0o700)
    (kept / "letter").write_text("dear reader")
    directory.mkdir()
    directory.chmod(mode)
    backplane = UnixBackplane(directory)
    backplane._sockets.directory.symlink_to(kept)
    with pytest.raises(LevelFailed, match="nobody else may enter"):
        run(backplane.publish(Invalidation(("k",))))
    backplane.close()
    assert (kept / "letter").exists()


def test_no_socket_is_open_after_close(directory: Path) -> None:
    def open_sockets() -> int:
        return sum("socket:" in os.path.realpath(each) for each in Path("/proc/self/fd").iterdir())

    before = open_sockets()
    ear = Ear(UnixBackplane(directory))
    for _ in range(2):
        run(ear.backplane.publish(Invalidation(("k",))))
        ear.backplane.close()
        assert open_sockets() == before


def test_a_file_among_the_sockets_stays(ears: list[Ear], directory: Path) -> None:
    one, two, _ = ears
    place = one.backplane._sockets.directory / "letter"  # type: ignore[attr-defined]
    place.write_text("dear reader")
    run(one.backplane.publish(Invalidation(("k",))))
    two.until(Invalidation(("k",)))
    assert place.exists()


def test_a_path_that_is_too_long_for_sockets(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="at most"):
        UnixBackplane(tmp_path / ("d" * 100))


def test_a_socket_that_somebody_removed_is_made_again(directory: Path) -> None:
    ear = Ear(UnixBackplane(directory, deaf_after=1.5))
    for path in sockets(directory):
        path.unlink()
    assert "deaf" in ear.until("gap")
    ear.backplane.close()
