"""A declarative journey, taken by a user: steps with their extractions, checks and pauses."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from ..request import default_headers
from .endpoint import Endpoint
from .user import Body

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .compiling import CompiledJourney, CompiledStep
    from .endpoint import Endpoints
    from .response import Response
    from .user import User

__all__ = ["JourneyEnded", "journey_function"]


class JourneyEnded(Exception):
    """A journey cannot go on; that it cannot counts as an error already."""


def journey_function(
    journey: CompiledJourney, endpoints: Endpoints, *, cookies: bool, seed: int
) -> Callable[[User], Coroutine[None, None, None]]:
    """The journey as a scenario's function.

    Args:
        cookies: keep them from step to step; each journey begins without.
        seed: of the pauses.
    """
    steps = []
    for step in journey.steps:
        index = endpoints.add(step.label, step.method)
        endpoint = Endpoint(endpoints, index, step.method, step.path, step.label)
        capture = bool(cookies or step.extract or step.checks)
        steps.append((step, endpoint, default_headers(endpoints.target, step.header_names), capture))
    pause = random.Random(seed).uniform

    async def take(user: User) -> None:
        user.cookies.clear()
        values: dict[str, str] = {}
        for feeding in journey.feeders:
            values |= feeding.next_row()
        for step, endpoint, defaults, capture in steps:
            body = None
            if step.body_file is not None:
                body = Body(file=step.body_file)
            elif step.body is not None or endpoint.has_length:
                body = Body(b"" if step.body is None else step.body.render(values))
            response = await user.call_of(
                endpoint, step.path.render(values), step.headers.render(values), defaults, body, capture=capture
            )
            for check in step.checks:
                wrong = check.wrong(response)
                if wrong is not None:
                    user.engine.count_check(user, check.name, wrong)
            if step.extract:
                _extract(step, response, values, user)
            if step.think is not None:
                await asyncio.sleep(pause(*step.think))

    return take


def _extract(step: CompiledStep, response: Response, values: dict[str, str], user: User) -> None:
    for extraction in step.extract:
        value = extraction.find(response)
        if value is None:
            value = extraction.default
        if value is None:
            user.engine.count_error(
                user,
                f"extract: {extraction.name}",
                f"{step.label} was answered with {response.status}, and {extraction.name} is not in it",
            )
            raise JourneyEnded
        values[extraction.name] = value
