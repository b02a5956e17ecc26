"""What a declarative scenario says: frozen objects, the same from TOML and from Python.

Templates (`{name}`, `{feeder.column}`) are understood in paths, headers, bodies and variables.
Durations are float seconds, or text such as `500ms`.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

__all__ = [
    "Check",
    "Extraction",
    "Feeder",
    "Journey",
    "PythonScenario",
    "Scenario",
    "Step",
    "WeightedRequest",
    "step_method",
    "step_name",
]


class Feeder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rows of data; an iteration that uses a feeder takes one row of it.

    Args:
        file: CSV with a header line, or JSON lines (`.jsonl`, `.ndjson`) with an object a line.
        rows: the rows themselves, in place of a file.
        order: `sequential` starts again after the last row; `random` takes any; `unique` gives each row once.
        on_end: when a `unique` feeder has no row left: `stop` ends the run as its planned end would, `fail` ends it
            with an error.
    """

    file: str | None = None
    rows: tuple[dict[str, Any], ...] = ()
    order: Literal["sequential", "random", "unique"] = "sequential"
    on_end: Literal["stop", "fail"] = "stop"


class Extraction(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a variable's value is found in a response: one of the three.

    Args:
        json: a JSON pointer (RFC 6901) into the body: `/items/0/id`.
        regex: a regular expression searched in the body; its first group, or the whole match.
        header: a header's name.
        default: the value when nothing is found; None: that is an error, and the journey ends.
    """

    json: str | None = None
    regex: str | None = None
    header: str | None = None
    default: str | None = None


class Check(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a response must be like; each that is not counts as an error of kind `check: …`.

    Args:
        status: 200, "2xx", "200,404", or a list of statuses. The response's status is then judged by it alone.
        contains: text that stands in the body.
        matches: a regular expression that is found in the body.
        json: JSON pointers into the body with the values there: `{ "/total" = 3 }`.
        headers: header names with the values they have.
        max_latency: the longest latency.
    """

    status: int | str | tuple[int, ...] | None = None
    contains: str | None = None
    matches: str | None = None
    json: dict[str, Any] = {}
    headers: dict[str, str] = {}
    max_latency: str | float | None = None


class Step(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One request of a journey.

    Args:
        name: under which its figures stand; by default the method and the path's template.
        method: by default GET, or POST with a body.
        path: with its query.
        headers: of this request, before the scenario's.
        body: text. With a JSON content type, values are escaped as inside a JSON string, else they stand as they are.
        json: a value that is sent as JSON; placeholders stand in its strings.
        body_file: a file that is sent as it is, a piece at a time.
        extract: variables that later steps use, by name.
        check: what the response must be like.
        think: the pause after the response: seconds, `500ms`, or any time of `1s..3s`.
    """

    path: str
    name: str | None = None
    method: str | None = None
    headers: dict[str, str] = {}
    body: str | None = None
    json: Any = None
    body_file: str | None = None
    extract: dict[str, Extraction] = {}
    check: Check | None = None
    think: str | float | None = None


class WeightedRequest(Step, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request that is a journey of its own."""

    weight: float = 1


class Journey(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Steps that one user takes one after the other.

    Args:
        step: the steps.
        name: under which its time stands; by default `journey 1`, 2, …
        weight: how often it is taken, relative to the others.
        think: the pause after each step that has none of its own.
    """

    step: tuple[Step, ...]
    name: str | None = None
    weight: float = 1
    think: str | float | None = None


class Scenario(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A declarative scenario: requests and journeys, taken in proportion to their weights.

    Args:
        name: as it stands in the record.
        headers: of each request.
        variables: names for values; they may be made of other variables and of feeders' columns.
        feeders: rows of data by name; `{users.email}` is a column of the feeder `users`.
        cookies: keep the cookies that responses set for the rest of the journey.
        request: requests that are taken one at a time.
        journey: sequences of requests.
    """

    name: str = "scenario"
    headers: dict[str, str] = {}
    variables: dict[str, str | int | float] = {}
    feeders: dict[str, Feeder] = {}
    cookies: bool = False
    request: tuple[WeightedRequest, ...] = ()
    journey: tuple[Journey, ...] = ()

    def journeys(self) -> tuple[Journey, ...]:
        """All that is taken, in one form: a request is a journey of one step; each has its name."""
        single = [
            Journey(step=(request,), name=request.name or step_name(request), weight=request.weight)
            for request in self.request
        ]
        several = [
            Journey(
                step=journey.step, name=journey.name or f"journey {number}", weight=journey.weight, think=journey.think
            )
            for number, journey in enumerate(self.journey, start=1)
        ]
        return (*single, *several)

    def lines(self) -> list[str]:
        """What is taken, a line each, as a record has it: no header, no body."""
        lines = []
        for journey in self.journeys():
            steps = ", ".join(step_name(step) for step in journey.step)
            weight = "" if journey.weight == 1 else f"{journey.weight:g}x "
            lines.append(f"{weight}{steps}" if journey.name == steps else f"{weight}{journey.name}: {steps}")
        return lines


class PythonScenario(Struct, frozen=True, kw_only=True):
    """Coroutine functions of a Python file that take a user, in proportion to their weights."""

    file: str
    functions: tuple[tuple[str, float], ...]

    @property
    def name(self) -> str:
        """As it stands in the record: the file, and the function where it is one."""
        return f"{self.file}:{self.functions[0][0]}" if len(self.functions) == 1 else self.file

    def lines(self) -> list[str]:
        """The functions, a line each."""
        return [name if weight == 1 else f"{weight:g}x {name}" for name, weight in self.functions]


def step_method(step: Step) -> str:
    """The method of a step."""
    if step.method is not None:
        return step.method
    return "GET" if step.body is None and step.json is None and step.body_file is None else "POST"


def step_name(step: Step) -> str:
    """The label of a step's figures: the template, not what it becomes, so that they are few."""
    return step.name or f"{step_method(step)} {step.path}"
