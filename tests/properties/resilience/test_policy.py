"""Whatever becomes of a call, each gate that let it in hears of it once, the innermost first. Failures are repeated."""

from __future__ import annotations

import asyncio
import itertools

from hypothesis import given
from hypothesis import strategies as st

from perfloop.exceptions import CallRejected
from perfloop.resilience import FAILURE, IGNORED, SUCCESS, Classification, ConstantBackoff, Policy, Retry
from perfloop.telemetry import Registry

from ...unit.resilience.gates import Door

ADMITS, WAITS, REJECTS, INTERRUPTED = "admits", "waits", "rejects", "interrupted in release"
GATES = st.lists(st.sampled_from([ADMITS, WAITS, REJECTS, INTERRUPTED]), min_size=1, max_size=5)
ENDS = {"returns": None, "fails": ValueError, "is rejected": CallRejected, "is interrupted": KeyboardInterrupt}
OUTCOMES = {"returns": SUCCESS, "fails": FAILURE, "is rejected": IGNORED, "is interrupted": IGNORED}
CLASSES = (LookupError, KeyError, IndexError, ValueError, OSError, CallRejected)
TESTS = st.sets(st.sampled_from(CLASSES)).map(tuple)
registry = Registry()


def doors(gates: list[str], log: list[str]) -> list[Door]:
    return [
        Door(
            name=str(number),
            rejects=gate == REJECTS,
            waits=gate == WAITS,
            interrupted=KeyboardInterrupt if gate == INTERRUPTED else None,
            log=log,
            registry=registry,
        )
        for number, gate in enumerate(gates)
    ]


def expected(gates: list[str], end: str) -> tuple[list[str], list[list[int]]]:
    """The log, and the outcomes that each gate hears."""
    admitted = list(itertools.takewhile(lambda number: gates[number] != REJECTS, range(len(gates))))
    outcome = OUTCOMES[end] if len(admitted) == len(gates) else IGNORED
    log = [f"+{number}" for number in admitted]
    if len(admitted) == len(gates):
        log.append("call")
    log += [f"-{number}" for number in reversed(admitted)]
    return log, [[outcome] if number in admitted else [] for number in range(len(gates))]


@given(gates=GATES, end=st.sampled_from(sorted(ENDS)), awaits=st.booleans())
def test_each_gate_hears_once_of_what_it_admitted(gates: list[str], end: str, awaits: bool) -> None:
    log: list[str] = []
    made = doors(gates, log)
    policy = Policy(*made, order="as given", registry=registry)

    def function() -> None:
        log.append("call")
        if (error := ENDS[end]) is not None:
            raise error("asked for")

    async def coroutine() -> None:
        await asyncio.sleep(0)
        function()

    async def drive() -> None:
        # Not asyncio.run: an interruption is to reach the caller of the task, not the loop.
        await policy.aexecute(coroutine)

    try:
        if awaits:
            run = drive()
            while True:
                run.send(None)
        else:
            policy.execute(function)
    except (StopIteration, ValueError, CallRejected, KeyboardInterrupt):
        pass
    wanted, outcomes = expected(gates, end)
    assert log == wanted
    assert [[outcome for outcome, _ in door.ended] for door in made] == outcomes
    assert not any(door.open_tokens for door in made)


@given(gates=st.lists(st.sampled_from([ADMITS, WAITS]), min_size=1, max_size=5), steps=st.integers(0, 8))
def test_nothing_is_held_after_a_cancellation_at_any_await(gates: list[str], steps: int) -> None:
    log: list[str] = []
    made = doors(gates, log)
    policy = Policy(*made, order="as given", registry=registry)

    async def coroutine() -> None:
        await asyncio.sleep(0)

    run = policy.aexecute(coroutine)
    try:
        for _ in range(steps):
            run.send(None)
        run.throw(asyncio.CancelledError)
    except (StopIteration, asyncio.CancelledError):
        pass
    assert not any(door.open_tokens for door in made)
    admitted = [entry[1:] for entry in log if entry[0] == "+"]
    assert [entry[1:] for entry in log if entry[0] == "-"] == admitted[::-1]
    assert [len(door.ended) for door in made] == [door.admitted for door in made]


@given(
    failure=TESTS,
    ignored=TESTS,
    success=TESTS,
    bad=st.none() | st.sets(st.integers(0, 3)),
    ends=st.lists(st.integers(0, 3) | st.sampled_from(CLASSES), min_size=1, max_size=4),
    awaits=st.booleans(),
)
def test_a_retry_repeats_exactly_what_the_policys_classification_calls_a_failure(
    failure, ignored, success, bad, ends, awaits
) -> None:
    classification = Classification(
        failure=failure, ignored=ignored, success=success, failed_result=None if bad is None else bad.__contains__
    )
    gate = doors([ADMITS], [])[0]
    retry = Retry(len(ends), idempotent=True, backoff=ConstantBackoff(0), registry=registry, sleep=lambda _: None)
    policy = Policy(retry, gate, classification=classification, registry=registry)
    made = []

    def function() -> int:
        made.append(ends[len(made)])
        if isinstance(made[-1], int):
            return made[-1]
        raise made[-1]("asked for")

    async def coroutine() -> int:
        return function()

    try:
        given = asyncio.run(policy.aexecute(coroutine)) if awaits else policy.execute(function)
    except CLASSES as error:
        given = type(error)
    outcomes = [
        classification.of_result(end) if isinstance(end, int) else classification.of_error(end("asked for"))
        for end in ends
    ]
    failures = len(list(itertools.takewhile(lambda outcome: outcome == FAILURE, outcomes)))
    assert made == ends[: failures + 1]
    assert given == made[-1]
    assert [outcome for outcome, _ in gate.ended] == outcomes[: len(made)]
