"""blocking-call-in-async: async code makes a call that holds the event loop until it returns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...sources import STATEMENT_CALLS
from ...units import format_duration
from ..loop_holds import BlockingLine, blocking_lines
from .rule import Rule, finding, others_wait

if TYPE_CHECKING:
    from ...records import Finding
    from ..evidence import Evidence
    from ..service_model import Work

__all__ = ["RULE"]

NAME = "blocking-call-in-async"
# Part of a statement's time that still holds the interpreter after moving it to a thread, at worst.
_STILL_HELD = 0.5
_CLIENT = "an async client (httpx2, aiohttp)"
_PROCESS = "await asyncio.create_subprocess_exec(…)"
_DRIVER = "an async driver (aiosqlite, asyncpg, SQLAlchemy's create_async_engine)"
_INSTEAD = {
    "sleep": "await asyncio.sleep(…) where only time shall pass",
    "urlopen": _CLIENT,
    **dict.fromkeys(("get", "post", "put", "patch", "delete", "head", "request", "getresponse"), _CLIENT),
    **dict.fromkeys(("run", "check_output", "check_call", "communicate"), _PROCESS),
    **dict.fromkeys((*sorted(STATEMENT_CALLS), "scalars", "scalar", "commit"), _DRIVER),
    "acquire": "asyncio.Lock or asyncio.Semaphore, which all who share it must then use",
    "wait": "asyncio.Event or asyncio.Condition",
    "result": "await asyncio.wrap_future(…)",
}
"""What to use for a call of this name; of several on a line the first here counts."""


def _find(evidence: Evidence) -> list[Finding]:
    findings = []
    for line in blocking_lines(evidence):
        rows = evidence.routes[line.route]
        held = float(line.seconds[rows].mean()) * 1e3
        little, estimate, much = (_released(evidence, line, part) for part in (1.0 - _STILL_HELD, 1.0, 1.0))
        if not held:
            continue
        prediction = evidence.predict(little, estimate, much, line.route)
        if not evidence.is_material(prediction, line.route, held_ms=held):
            continue
        call = _call(evidence, line)
        steps = evidence.long_steps(line.route)
        text = f"{call} holds the event loop for {format_duration(held / 1e3)} of each {line.route} (mean)"
        if steps:
            longest = max(steps, key=lambda step: step.wall)
            text += (
                f"; {len(steps)} steps of more than 20 ms, the longest {format_duration(longest.wall)} with "
                f"{format_duration(longest.cpu)} on the processor"
            )
        text += others_wait(evidence, line.route)
        findings.append(
            finding(
                rule=NAME,
                title=f"blocking call in async code on {line.route}",
                route=line.route,
                place=evidence.place(line.frame, line.route),
                evidence=text,
                fix=f"{call} → {_instead(evidence, call, line)}",
                cost=(
                    "a thread or an async driver for the call, and a limit on how many run at once; the request itself "
                    "waits as long as before"
                ),
                prediction=prediction,
                measures={"call": call, "held_ms": held, "steps": float(len(steps))},
            )
        )
    return findings


def _released(evidence: Evidence, line: BlockingLine, part: float) -> Work:
    """The same waits off the loop. `part` of the statements' time no longer holds it; sleeps never need to."""
    work = evidence.model.work
    statements = np.minimum(line.statements * part, work.database_on_loop)
    waits = np.minimum(line.waits, work.blocking)
    return replace(
        work,
        database_on_loop=work.database_on_loop - statements,
        database=work.database + statements,
        blocking=work.blocking - waits,
        wait=work.wait + waits,
    )


def _call(evidence: Evidence, line: BlockingLine) -> str:
    """The blocking call as the source has it: `time.sleep(…)`."""
    if line.frame is None:
        return "a statement" if line.statements.any() else "a blocking call"
    calls = evidence.sources.calls(line.frame.file, line.frame.line)
    last = [call.rpartition(".")[2] for call in calls]
    for word in (*_INSTEAD, "recv", "read"):
        if word in last:
            return f"{calls[last.index(word)]}(…)"
    return f"{calls[0]}(…)" if calls else f"line {line.frame.line}"


def _instead(evidence: Evidence, call: str, line: BlockingLine) -> str:
    """What to write instead, where it can stand: `await` only in async functions."""
    name = call.removesuffix("(…)").rpartition(".")[2]
    other = _DRIVER if line.statements.any() else _INSTEAD.get(name, "an asynchronous equivalent")
    sources, frame = evidence.sources, line.frame
    helper = sources.definition(frame.file, frame.line) if frame is not None else None
    if frame is None or helper is None or sources.is_coroutine(frame.file, frame.line):
        return f"{other}, else await asyncio.to_thread(…)"
    # The outermost of the plain functions is what the coroutine calls: it can go to a thread whole.
    at = next((at for at, each in enumerate(line.frames) if sources.is_coroutine(each.file, each.line)), None)
    outermost = line.frames[(len(line.frames) if at is None else at) - 1]
    called = sources.definition(outermost.file, outermost.line) or helper
    where = f"where async code calls {called}"
    if at is not None:
        place = sources.place(line.frames[at])
        where = f"at {place.file}:{place.line}"
    return (
        f"{helper} is no async function: make it one and use {other}; or, {where}, await asyncio.to_thread({called}, …)"
    )


RULE = Rule(NAME, "a call that holds the event loop until it returns", _find)
