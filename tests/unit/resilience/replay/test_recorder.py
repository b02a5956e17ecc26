"""An OutcomeRecorder writes down how calls ended, and gets in the way of none."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import weakref

import pytest

from perfloop.exceptions import AsyncMisuse, CircuitOpen, InvalidValue
from perfloop.resilience import FAILURE, IGNORED, SUCCESS, Classification, Policy
from perfloop.resilience.replay import OutcomeRecorder, read_outcomes
from perfloop.resilience.replay.outcome_file import REJECTED
from perfloop.resilience.timeout import Timeout
from perfloop.telemetry import Registry
from perfloop.testing import FakeClock


@pytest.fixture
def clock():
    return FakeClock(50.0)


@pytest.fixture
def recorder(tmp_path, clock):
    """One that writes only when it is told to."""
    made = OutcomeRecorder(tmp_path / "outcomes", "pay", every=3600, clock=clock, registry=Registry())
    yield made
    made.close()


def outcomes_of(recorder: OutcomeRecorder) -> list[int]:
    recorder.flush()
    return read_outcomes(recorder.paths).outcome.tolist()


def test_a_call_is_kept_with_its_time_and_outcome(recorder, clock) -> None:
    @recorder
    def call(seconds: float) -> str:
        clock.advance(seconds)
        if seconds > 1:
            raise OSError("secret")
        return "secret"

    assert call(0.25) == "secret"
    with pytest.raises(OSError, match="secret"):
        call(2.0)
    recorder.flush()
    found = read_outcomes(recorder.paths)
    assert found.outcome.tolist() == [SUCCESS, FAILURE]
    assert found.took.tolist() == [0.25, 2.0]
    assert found.started[1] - found.started[0] == pytest.approx(0.25, abs=1e-5)
    assert all(b"secret" not in path.read_bytes() for path in recorder.paths)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ValueError(), FAILURE),
        (CircuitOpen("open"), REJECTED),
        (KeyError(), SUCCESS),
        (KeyboardInterrupt(), IGNORED),
        (asyncio.CancelledError(), IGNORED),
    ],
)
def test_outcomes_are_told_apart(tmp_path, error, outcome) -> None:
    recorder = OutcomeRecorder(
        tmp_path, every=3600, classification=Classification(success=KeyError), registry=Registry()
    )

    def call() -> None:
        raise error

    async def acall() -> None:
        raise error

    with pytest.raises(type(error)):
        recorder.execute(call)
    with pytest.raises(type(error)):
        asyncio.run(recorder.aexecute(acall))
    assert outcomes_of(recorder) == [outcome, outcome]


def test_a_result_may_be_a_failure(tmp_path) -> None:
    recorder = OutcomeRecorder(
        tmp_path, every=3600, classification=Classification(failed_result=lambda x: x == 503), registry=Registry()
    )
    recorder.execute(lambda: 503)
    recorder.execute(lambda: 200)
    with recorder.guard():
        pass
    assert outcomes_of(recorder) == [FAILURE, SUCCESS, SUCCESS]


def test_a_coroutine_in_the_sync_call_is_refused(recorder) -> None:
    async def call() -> None: ...

    with pytest.raises(AsyncMisuse):
        recorder.wrap(call)()


def test_a_policy_feeds_it(recorder, clock) -> None:
    policy = Policy(Timeout(5.0, clock=clock, registry=Registry()), registry=Registry())
    policy.on_outcome(recorder.record)
    assert policy.execute(lambda: 1) == 1
    assert outcomes_of(recorder) == [SUCCESS]


def test_calls_that_nobody_writes_are_dropped_and_counted(tmp_path) -> None:
    recorder = OutcomeRecorder(tmp_path, every=3600, max_pending=3, registry=Registry())
    for _ in range(5):
        recorder.execute(int)
    recorder.record(0.0, 0.0, FAILURE)
    assert recorder.counts() == {"recorded": 0, "dropped": 3}
    recorder.flush()
    assert recorder.counts() == {"recorded": 3, "dropped": 3}
    found = read_outcomes(recorder.paths)
    assert (len(found), found.lost) == (3, 3)


def test_the_oldest_file_goes_where_there_are_too_many_bytes(tmp_path) -> None:
    recorder = OutcomeRecorder(tmp_path, every=3600, max_bytes=4096, registry=Registry())
    for number in range(600):
        recorder.record(number * 1.2345 % 17, number * 0.77 % 5, SUCCESS)
        if number % 20 == 19:
            recorder.flush()
    files = list(tmp_path.iterdir())
    assert 1 < len(files) <= 4
    assert sorted(files) == sorted(recorder.paths)
    assert sum(path.stat().st_size for path in files) < 3 * 4096
    assert recorder.counts()["recorded"] == 600


def test_a_directory_that_cannot_be_written_costs_calls_and_says_so(tmp_path, caplog) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    recorder = OutcomeRecorder(blocked / "outcomes", "pay", every=3600, registry=Registry())
    for _ in range(2):
        recorder.execute(int)
        recorder.flush()
    assert recorder.counts() == {"recorded": 0, "dropped": 2}
    assert [record.message.split(":")[0] for record in caplog.records] == ["outcomes of 'pay' are lost"]
    blocked.unlink()
    recorder.execute(int)
    recorder.flush()
    found = read_outcomes(recorder.paths)
    assert (len(found), found.lost) == (1, 2)


def test_a_disk_that_is_full_costs_no_call_that_was_written_before(tmp_path) -> None:
    """A limit of the size of files has writes fail as a full disk does: a file can be made, and not be written."""
    program = f"""
import resource, signal
from perfloop.resilience.replay import OutcomeRecorder
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
recorder = OutcomeRecorder({str(tmp_path)!r}, "pay", every=3600)
recorder.execute(int)
recorder.flush()
written = recorder.paths
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
for _ in range(9):
    recorder.execute(int)
    recorder.flush()
assert recorder.paths == written, recorder.paths
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
recorder.execute(int)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found = read_outcomes([tmp_path])
    assert (len(found), found.lost, found.damage) == (2, 9, [])


@pytest.mark.parametrize("call", [(0.0, None, SUCCESS), (0.0, 1.0, "failed"), (None, 1.0, SUCCESS)])
def test_a_call_that_is_none_costs_its_block_and_not_the_thread(recorder, call) -> None:
    recorder.record(*call)
    recorder.flush()
    recorder.execute(int)
    assert outcomes_of(recorder) == [SUCCESS]
    assert recorder.counts() == {"recorded": 1, "dropped": 1}


def test_one_that_nothing_refers_to_writes_what_it_has(tmp_path) -> None:
    recorder = OutcomeRecorder(tmp_path, "pay", every=3600, registry=Registry())
    thread = recorder._thread
    recorder.execute(int)
    del recorder
    gc.collect()
    thread.join(30)
    assert not thread.is_alive()
    assert len(read_outcomes([tmp_path])) == 1


def test_many_threads_lose_nothing(recorder) -> None:
    def many() -> None:
        for _ in range(2_000):
            recorder.execute(int)

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    recorder.flush()
    for thread in threads:
        thread.join()
    assert len(outcomes_of(recorder)) == 8_000


def test_its_thread_ends_with_it(tmp_path) -> None:
    recorder = OutcomeRecorder(tmp_path, every=0.01, registry=Registry())
    thread, kept = recorder._thread, weakref.ref(recorder)
    del recorder
    gc.collect()
    thread.join(10)
    assert kept() is None
    assert not thread.is_alive()


def test_it_describes_itself(recorder, tmp_path) -> None:
    assert str(recorder.describe()) == (
        f"outcome_recorder 'pay': directory={tmp_path / 'outcomes'}, every=3600, max_pending=100000, "
        "max_bytes=256000000"
    )


@pytest.mark.parametrize("settings", [{"every": 0}, {"max_pending": 0}, {"max_bytes": 100}])
def test_bad_settings_are_refused(tmp_path, settings) -> None:
    with pytest.raises(InvalidValue):
        OutcomeRecorder(tmp_path, registry=Registry(), **settings)


def test_what_cannot_be_encoded_costs_calls_and_not_the_thread(tmp_path, caplog) -> None:
    clock = FakeClock(50.0)
    recorder = OutcomeRecorder(tmp_path, "pay", every=3600, clock=clock, registry=Registry())
    clock.advance(1e300)
    recorder.execute(int)
    recorder.flush()
    assert recorder.counts() == {"recorded": 0, "dropped": 1}
    assert [record.message.split(":")[0] for record in caplog.records] == ["outcomes of 'pay' are lost"]
    unnamed = OutcomeRecorder(tmp_path, "\udcff", every=3600, registry=Registry())
    unnamed.execute(int)
    unnamed.flush()
    assert unnamed.counts() == {"recorded": 0, "dropped": 1}
