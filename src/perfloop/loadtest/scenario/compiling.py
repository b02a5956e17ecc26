"""A declarative scenario compiled: every name resolved, every template ready, every mistake said before a byte is sent.

Requests that depend on nothing but feeders become messages that the plain engine sends; everything else becomes steps
that a user takes.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...exceptions import ConfigurationError, InvalidValue
from ...records import redact_url
from ...units import parse_duration_range
from .. import parts
from ..request import IDEMPOTENT_METHODS, Request
from .checking import CompiledCheck, compile_check, seconds
from .document import step_method, step_name
from .extraction import compile_extraction
from .feeding import Feeding
from .reading import Places, nearest
from .template import (
    BytesTemplate,
    Part,
    Slot,
    expand,
    header_text,
    json_text,
    parse,
    path_template,
    plain,
    slots,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from .document import Journey, Scenario, Step
    from .extraction import Answered

__all__ = ["CompiledExtraction", "CompiledJourney", "CompiledScenario", "CompiledStep", "compile_scenario"]


class CompiledExtraction(NamedTuple):
    """One variable taken from a response."""

    name: str
    find: Callable[[Answered], str | None]
    default: str | None


class CompiledStep(NamedTuple):
    """One request with its templates compiled. `headers` renders as lines, each after a line break."""

    label: str
    method: str
    path: BytesTemplate
    headers: BytesTemplate
    header_names: frozenset[str]
    body: BytesTemplate | None
    body_file: str | None
    extract: tuple[CompiledExtraction, ...]
    checks: tuple[CompiledCheck, ...]
    think: tuple[float, float] | None

    @property
    def independent(self) -> bool:
        """Nothing of its response is looked at, and nothing but sending it is to be done."""
        return not (self.extract or self.checks or self.think or self.body_file)

    @property
    def idempotent(self) -> bool:
        """Sending it twice has the effect of sending it once."""
        return self.method in IDEMPOTENT_METHODS


class CompiledJourney(NamedTuple):
    """Steps, and the feeders of which they use a row."""

    name: str
    weight: float
    steps: tuple[CompiledStep, ...]
    feeders: tuple[Feeding, ...]


class CompiledScenario(NamedTuple):
    """What is taken, in proportion to the weights."""

    journeys: tuple[CompiledJourney, ...]
    cookies: bool

    @property
    def independent(self) -> bool:
        """Each journey is one request that needs no user: any connection may send it."""
        return not self.cookies and all(
            len(journey.steps) == 1
            and journey.steps[0].independent
            and all(feeding.feeder.order != "unique" for feeding in journey.feeders)
            for journey in self.journeys
        )


def compile_scenario(
    scenario: Scenario,
    *,
    headers: tuple[tuple[str, str], ...] = (),
    seed: int = 0,
    part: parts.Part = parts.ONLY_PART,
    places: Places | None = None,
) -> CompiledScenario:
    """Compile a scenario; feeders are read.

    Args:
        headers: of each request that has none of that name.
        seed: of feeders in random order.
        part: of the rows of the others, which this generator takes.
        places: where its keys stand, for messages.

    Raises:
        ConfigurationError: says which key cannot be used, and why.
    """
    return _Compilation(scenario, headers, seed, part, places or Places()).result()


class _Compilation:
    def __init__(
        self, scenario: Scenario, headers: tuple[tuple[str, str], ...], seed: int, part: parts.Part, places: Places
    ) -> None:
        self._scenario = scenario
        self._headers = headers
        self._places = places
        self._feeders = {
            name: Feeding(name, feeder, places.where("feeders", name), seed, part)
            for name, feeder in scenario.feeders.items()
        }
        self._definitions = {name: parse(str(value)) for name, value in scenario.variables.items()}
        for name in self._definitions:
            if name in self._feeders:
                raise ConfigurationError(
                    "Expected a variable and a feeder of different names",
                    got=name,
                    where=places.where("variables", name),
                )
            self._expanded((Slot(name),), "variables", name)

    def result(self) -> CompiledScenario:
        scenario, places = self._scenario, self._places
        if not (scenario.request or scenario.journey):
            raise ConfigurationError(
                "Expected at least one [[request]] or [[journey]]",
                where=places.where(),
                hint='for example [[request]] with path = "/products"',
            )
        paths: list[tuple[str | int, ...]] = [("request", index) for index in range(len(scenario.request))]
        paths += [("journey", index) for index in range(len(scenario.journey))]
        journeys = [self._journey(*pair) for pair in zip(scenario.journeys(), paths, strict=True)]
        return CompiledScenario(tuple(journeys), scenario.cookies)

    def _journey(self, journey: Journey, path: tuple[str | int, ...]) -> CompiledJourney:
        if not (math.isfinite(journey.weight) and journey.weight > 0):
            raise InvalidValue(
                "Expected a weight above 0", got=journey.weight, where=self._places.where(*path, "weight")
            )
        if not journey.step:
            raise ConfigurationError("Expected at least one step", where=self._places.where(*path))
        extracted: set[str] = set()
        used: dict[str, Feeding] = {}
        steps = []
        for index, step in enumerate(journey.step):
            place = path if path[0] == "request" else (*path, "step", index)
            think = self._think(step.think, (*place, "think"))
            if think is None:
                think = self._think(journey.think, (*path, "think"))
            steps.append(self._step(step, place, extracted, used, think))
            extracted.update(step.extract)
        return CompiledJourney(str(journey.name), journey.weight, tuple(steps), tuple(used.values()))

    def _step(
        self,
        step: Step,
        path: tuple[str | int, ...],
        extracted: set[str],
        used: dict[str, Feeding],
        think: tuple[float, float] | None,
    ) -> CompiledStep:
        method = step_method(step)
        Request(method=method).validate(where=self._places.where(*path, "method"))
        own = {name.lower() for name in step.headers}
        pairs = [((*path, "headers", name), name, value) for name, value in step.headers.items()]
        pairs += [
            (("headers", name), name, value)
            for name, value in self._scenario.headers.items()
            if name.lower() not in own
        ]
        own |= {name.lower() for name in self._scenario.headers}
        # A header of the command line is text, not a template.
        lines: list[Part] = [f"\r\n{name}: {value}" for name, value in self._headers if name.lower() not in own]
        own |= {name.lower() for name, _ in self._headers}
        for place, name, value in pairs:
            where = self._places.where(*place)
            if name.lower() == "content-length":
                raise InvalidValue("Expected no Content-Length: perfloop counts the body", where=where)
            Request(method=method, headers=((name, value),)).validate(where=where)
            lines += [f"\r\n{name}: ", *self._resolved(value, place, extracted, used)]
        is_json = any(
            name.lower() == "content-type" and "json" in value.lower()
            for name, value in (*((name, value) for _, name, value in pairs), *self._headers)
        )
        if step.json is not None and "content-type" not in own:
            lines.append("\r\nContent-Type: application/json")
            own.add("content-type")
        return CompiledStep(
            label=redact_url(step_name(step)),
            method=method,
            path=path_template(
                step.path,
                self._resolved(step.path, (*path, "path"), extracted, used),
                self._places.where(*path, "path"),
            ),
            headers=BytesTemplate(lines, lambda text: text.encode("latin-1"), header_text),
            header_names=frozenset(own),
            body=self._body(step, path, extracted, used, is_json=is_json),
            body_file=self._body_file(step, path),
            extract=tuple(
                CompiledExtraction(
                    name, compile_extraction(one, self._places.where(*path, "extract", name)), one.default
                )
                for name, one in step.extract.items()
            ),
            checks=tuple(compile_check(step.check, (*path, "check"), self._places)) if step.check else (),
            think=think,
        )

    def _body(
        self,
        step: Step,
        path: tuple[str | int, ...],
        extracted: set[str],
        used: dict[str, Feeding],
        *,
        is_json: bool,
    ) -> BytesTemplate | None:
        given = [key for key in ("body", "json", "body_file") if getattr(step, key) is not None]
        if len(given) > 1:
            raise ConfigurationError(
                f"Expected one body, got {' and '.join(given)}", where=self._places.where(*path, given[-1])
            )
        if step.json is not None:
            text = _json_of(step.json, self._places.where(*path, "json"))
            parts = self._resolved(text, (*path, "json"), extracted, used)
            return BytesTemplate(parts, plain, json_text)
        if step.body is not None:
            parts = self._resolved(step.body, (*path, "body"), extracted, used)
            return BytesTemplate(parts, plain, json_text if is_json else plain)
        return None

    def _body_file(self, step: Step, path: tuple[str | int, ...]) -> str | None:
        if step.body_file is not None and not Path(step.body_file).is_file():
            raise ConfigurationError(
                "Expected a file", got=step.body_file, where=self._places.where(*path, "body_file")
            )
        return step.body_file

    def _think(self, value: str | float | None, path: tuple[str | int, ...]) -> tuple[float, float] | None:
        if value is None:
            return None
        where = self._places.where(*path)
        if isinstance(value, str) and ".." in value:
            pause = parse_duration_range(value, where=where)
            if pause[0] > pause[1]:
                raise InvalidValue("Expected the shorter time first, as in 1s..3s", got=value, where=where)
            return pause
        return (seconds(value, where),) * 2

    def _expanded(self, parts: tuple[Part, ...], *path: str | int) -> tuple[Part, ...]:
        try:
            return expand(parts, self._definitions)
        except InvalidValue as error:
            raise InvalidValue(error.message, got=error.got, where=self._places.where(*path)) from error

    def _resolved(
        self, text: str, path: tuple[str | int, ...], extracted: set[str], used: dict[str, Feeding]
    ) -> tuple[Part, ...]:
        """The template with variables put in; what is left are columns of feeders and what was extracted before."""
        parts = self._expanded(parse(text), *path)
        for name in slots(parts):
            feeder, dot, column = name.partition(".")
            if not dot:
                if name not in extracted:
                    raise self._unknown(name, path, extracted)
            elif feeder not in self._feeders:
                raise ConfigurationError(
                    "Unknown feeder",
                    got=feeder,
                    where=self._places.where(*path),
                    hint=nearest(feeder, self._feeders),
                )
            else:
                feeding = used[feeder] = self._feeders[feeder]
                if column not in feeding.columns:
                    raise ConfigurationError(
                        f"Expected a column of the feeder `{feeder}`",
                        got=column,
                        where=self._places.where(*path),
                        hint=nearest(column, feeding.columns),
                    )
        return parts

    def _unknown(self, name: str, path: tuple[str | int, ...], extracted: set[str]) -> ConfigurationError:
        columns = [f"{feeder}.{column}" for feeder, one in self._feeders.items() for column in one.columns]
        known = [*self._definitions, *extracted, *columns]
        hint = next((f"did you mean `{column}`?" for column in columns if column.endswith(f".{name}")), None)
        return ConfigurationError(
            "Unknown variable",
            got=name,
            where=self._places.where(*path),
            hint=hint or f"{nearest(name, known)}; `{{{{{name}}}}}` is the text {{{name}}}",
        )


def _json_of(value: Any, where: str) -> str:
    try:
        return json.dumps(value)
    except (TypeError, ValueError) as error:
        raise InvalidValue(f"Expected a value that JSON has: {error}", where=where) from error
