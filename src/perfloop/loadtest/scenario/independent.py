"""Independent requests as the plain engine sends them: the message of each row of a feeder made before the run.

Sending one then costs choosing a row. Where the messages of all rows would take too much memory, or each is to carry
its number, they are made as they are sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...exceptions import InvalidValue
from ..request import PreparedRequest, default_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..target import Target
    from .compiling import CompiledScenario, CompiledStep
    from .feeding import Feeding

__all__ = ["prepare_independent"]

_PREPARED_BYTES = 16 * 1024 * 1024


def prepare_independent(scenario: CompiledScenario, target: Target, trace_id: str | None) -> list[PreparedRequest]:
    """The requests of a scenario that is `independent`.

    Args:
        trace_id: as for `prepare`.
    """
    prepared = []
    for journey in scenario.journeys:
        step = journey.steps[0]
        message = _message(step, target, trace_id)
        constant, render = b"", None
        if journey.feeders or trace_id is not None:
            render = _render(message, journey.feeders, constant_number=trace_id is None)
        else:
            constant = message({}, 0)
        prepared.append(
            PreparedRequest(constant, b"", step.method == "HEAD", step.idempotent, step.label, journey.weight, render)
        )
    return prepared


def _message(step: CompiledStep, target: Target, trace_id: str | None) -> Callable[[Mapping[str, str], int], bytes]:
    method = step.method.encode()
    defaults = default_headers(target, step.header_names)
    always = step.method in ("POST", "PUT", "PATCH")

    def message(values: Mapping[str, str], number: int) -> bytes:
        head = b"%b %b HTTP/1.1%b%b" % (method, step.path.render(values), defaults, step.headers.render(values))
        body = b"" if step.body is None else step.body.render(values)
        if body or always:
            head += b"\r\nContent-Length: %d" % len(body)
        if trace_id is not None:
            head += b"\r\ntraceparent: 00-%b-%016x-01" % (trace_id.encode(), number)
        return b"%b\r\n\r\n%b" % (head, body)

    return message


def _messages(message: Callable[[Mapping[str, str], int], bytes], feeding: Feeding) -> list[bytes]:
    made = []
    for row in feeding.rows:
        try:
            made.append(message(row, 0))
        except InvalidValue as error:
            where = f"row {len(made) + 1} of feeder {feeding.name}"
            raise InvalidValue(error.message, got=error.got, where=where) from error
    return made


def _render(
    message: Callable[[Mapping[str, str], int], bytes], feeders: tuple[Feeding, ...], *, constant_number: bool
) -> Callable[[int], bytes]:
    if constant_number and len(feeders) == 1:
        feeding = feeders[0]
        if len(message(feeding.rows[0], 0)) * len(feeding.rows) <= _PREPARED_BYTES:
            messages = _messages(message, feeding)
            next_position = feeding.next_position
            return lambda _number: messages[next_position()]

    def render(number: int) -> bytes:
        values: dict[str, str] = {}
        for feeding in feeders:
            values |= feeding.next_row()
        return message(values, number)

    return render
