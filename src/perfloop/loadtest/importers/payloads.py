"""Values that hold to a JSON Schema: its own examples where they do, else made up, the same for the same seed. Pure."""

from __future__ import annotations

import math
from fractions import Fraction
from random import Random
from typing import TYPE_CHECKING, Any

from .patterns import PatternError, matching_text
from .schemas import BadSchema, Schema, Schemas

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Payloads"]

_ATTEMPTS = 4
_LEAN_FROM = 2
_DEEPEST = 8
_MOST_STEPS = 5_000
_MOST_ITEMS = 1_000
_LONGEST = 10_000
_WORDS = ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliet")
_FORMATS: dict[str, Callable[[Random], str]] = {
    "date-time": lambda random: f"2026-0{random.randint(1, 9)}-1{random.randint(0, 9)}T1{random.randint(0, 9)}:30:00Z",
    "date": lambda random: f"2026-0{random.randint(1, 9)}-1{random.randint(0, 9)}",
    "time": lambda random: f"1{random.randint(0, 9)}:30:00Z",
    "duration": lambda random: f"PT{random.randint(1, 59)}M",
    "email": lambda random: f"{random.choice(_WORDS)}{random.randint(1, 999)}@example.com",
    "hostname": lambda random: f"{random.choice(_WORDS)}.example.com",
    "ipv4": lambda random: f"192.0.2.{random.randint(1, 254)}",
    "ipv6": lambda random: f"2001:db8::{random.randint(1, 9999)}",
    "uri": lambda random: f"https://example.com/{random.choice(_WORDS)}",
    "uri-reference": lambda random: f"/{random.choice(_WORDS)}",
    "uuid": lambda random: _uuid(random),
    "byte": lambda random: "cGVyZmxvb3A=",
}
_FORMATS |= {"idn-email": _FORMATS["email"], "idn-hostname": _FORMATS["hostname"], "iri": _FORMATS["uri"],
             "url": _FORMATS["uri"]}  # fmt: skip
_INFERRED = (
    ("object", ("properties", "required", "additionalProperties", "minProperties", "maxProperties")),
    ("array", ("items", "prefixItems", "minItems", "maxItems", "uniqueItems")),
    ("string", ("format", "pattern", "minLength", "maxLength")),
    ("number", ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")),
)


class Payloads:
    """Makes values for the schemas of one document.

    Args:
        seed: of what is made up.
    """

    def __init__(self, schemas: Schemas, seed: int = 0) -> None:
        self._schemas = schemas
        self._seed = seed

    def value(self, schema: Schema, place: str) -> Any:
        """A value that holds to the schema.

        Args:
            place: what it is for; other places get other values.

        Raises:
            BadSchema: none is found; says why.
        """
        reason = "no value was found"
        for attempt in range(_ATTEMPTS):
            maker = _Maker(self._schemas, Random(f"{self._seed} {place} {attempt}"), lean=attempt >= _LEAN_FROM)
            try:
                value = maker.make(schema, (), 0)
                problem = self._schemas.problem(schema, value)
            except (ValueError, TypeError, AttributeError, ArithmeticError, LookupError, RecursionError) as error:
                reason = str(error) if isinstance(error, BadSchema | PatternError) else "a schema that is none"
                continue
            if problem is None:
                return value
            reason = f"no value was found: {problem}"
        raise BadSchema(reason)


class _Maker:
    """One attempt.

    Args:
        lean: leave out what is not required.
    """

    def __init__(self, schemas: Schemas, random: Random, *, lean: bool) -> None:
        self._schemas = schemas
        self._random = random
        self._lean = lean
        self._steps = 0

    def make(self, schema: Schema, references: tuple[str, ...], depth: int) -> Any:
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise BadSchema("a value that would be too large")
        if schema is True:
            return self._random.choice(_WORDS)
        if not isinstance(schema, dict):
            raise BadSchema("a schema that allows nothing" if schema is False else "a schema that is none")
        for candidate in _given(schema):
            if self._schemas.problem(schema, candidate) is None:
                return candidate
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            return self._random.choice([value for value in schema["enum"] if value is not None] or [None])
        if "$ref" in schema or "allOf" in schema:
            flat, references = self._flat(schema, references)
            return self.make(flat, references, depth)
        for key in ("oneOf", "anyOf"):
            if isinstance(schema.get(key), list):
                return self._one_of(schema, key, references, depth)
        return self._of_type(schema, references, depth)

    def _flat(self, schema: dict[str, Any], references: tuple[str, ...]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """The schema with its reference and its `allOf` merged into it."""
        rest = {key: value for key, value in schema.items() if key not in ("$ref", "allOf")}
        parts = list(schema.get("allOf", ()))
        if "$ref" in schema:
            reference = schema["$ref"]
            if references.count(reference) >= 2:
                raise BadSchema("a schema that contains itself without end")
            references = (*references, reference)
            parts.insert(0, self._schemas.at(reference))
        for part in parts:
            if isinstance(part, dict) and ("$ref" in part or "allOf" in part):
                part, references = self._flat(part, references)
            if part is False:
                raise BadSchema("a schema that allows nothing")
            if isinstance(part, dict):
                rest = _merged(rest, part)
        return rest, references

    def _one_of(self, schema: dict[str, Any], key: str, references: tuple[str, ...], depth: int) -> Any:
        rest = {name: value for name, value in schema.items() if name != key}
        reason: BadSchema | PatternError = BadSchema(f"an empty {key}")
        branches = list(schema[key])
        # null last: it is rarely what a request should say.
        branches.sort(key=lambda branch: isinstance(branch, dict) and branch.get("type") == "null")
        for branch in branches:
            try:
                value = self.make({**rest, "allOf": [branch]}, references, depth)
            except (BadSchema, PatternError) as error:
                reason = error
                continue
            if self._schemas.problem(schema, value) is None:
                return value
            reason = BadSchema(f"no branch of {key} fits alone")
        raise reason

    def _of_type(self, schema: dict[str, Any], references: tuple[str, ...], depth: int) -> Any:
        kind = schema.get("type")
        if isinstance(kind, list):
            kinds = [each for each in kind if each != "null"] or ["null"]
            if depth > _DEEPEST and "null" in kind:
                kinds = ["null"]
            kind = kinds[0]
        if kind is None:
            kind = next((name for name, keys in _INFERRED if any(key in schema for key in keys)), "string")
        if kind == "object":
            return self._object(schema, references, depth)
        if kind == "array":
            return self._array(schema, references, depth)
        if kind == "string":
            return self._string(schema)
        if kind in ("integer", "number"):
            return self._number(schema, whole=kind == "integer")
        if kind == "boolean":
            return self._random.random() < 0.5
        if kind == "null":
            return None
        raise BadSchema(f"an unknown type, {kind!r}")

    def _object(self, schema: dict[str, Any], references: tuple[str, ...], depth: int) -> dict[str, Any]:
        properties = schema.get("properties", {})
        required = list(schema.get("required", ()))
        most = schema.get("maxProperties", math.inf)
        value: dict[str, Any] = {}
        for name in (*required, *(each for each in properties if each not in required)):
            if name in required:
                value[name] = self.make(properties.get(name, self._additional(schema)), references, depth + 1)
            elif not (self._lean or depth >= _DEEPEST or len(value) >= most or _read_only(properties[name])):
                try:
                    value[name] = self.make(properties[name], references, depth + 1)
                except (BadSchema, PatternError):
                    continue
        for number in range(min(schema.get("minProperties", 0) - len(value), _MOST_ITEMS)):
            value[f"property{number + 1}"] = self.make(self._additional(schema), references, depth + 1)
        return value

    @staticmethod
    def _additional(schema: dict[str, Any]) -> Schema:
        return schema.get("additionalProperties", True)

    def _array(self, schema: dict[str, Any], references: tuple[str, ...], depth: int) -> list[Any]:
        least = schema.get("minItems", 0)
        if least > _MOST_ITEMS:
            raise BadSchema(f"an array of more than {_MOST_ITEMS} items")
        first = list(schema.get("prefixItems", ()))
        items = schema.get("items", True)
        if "contains" in schema:
            first.append({"allOf": [schema["contains"], items]})
            least = max(least, len(first))
        wanted = max(least, 0 if self._lean or depth >= _DEEPEST else min(1, schema.get("maxItems", 1)))
        value: list[Any] = []
        for position in range(wanted):
            of_item = first[position] if position < len(first) else items
            try:
                item = self.make(of_item, references, depth + 1)
                for _ in range(20 if schema.get("uniqueItems") else 0):
                    if item not in value:
                        break
                    item = self.make(_without_given(of_item, value), references, depth + 1)
            except (BadSchema, PatternError):
                if len(value) < least:
                    raise
                break
            value.append(item)
        return value

    def _string(self, schema: dict[str, Any]) -> str:
        least, most = schema.get("minLength", 0), schema.get("maxLength", _LONGEST)
        if least > _LONGEST:
            raise BadSchema(f"a text of more than {_LONGEST} characters")
        if "pattern" in schema:
            return matching_text(schema["pattern"], self._random, least, most)
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]](self._random)
        text = f"{self._random.choice(_WORDS)}{self._random.randint(1, 9999)}"
        while len(text) < least:
            text += f" {self._random.choice(_WORDS)}"
        # A blank at the end could be taken off on the way.
        return text[: max(least, min(most, len(text)))].replace(" ", "-")

    def _number(self, schema: dict[str, Any], *, whole: bool) -> int | float:
        step = Fraction(str(schema["multipleOf"])) if "multipleOf" in schema else Fraction(1) if whole else None
        if step is not None and whole and step.denominator != 1:
            step *= step.denominator
        low, high = _bounds(schema)
        if low is None and high is None:
            low, high = Fraction(1), Fraction(100)
        elif low is None and high is not None:
            low = high - 100
        elif high is None and low is not None:
            high = low + 100
        assert low is not None
        assert high is not None
        open_low, open_high = schema.get("exclusiveMinimum") is not None, schema.get("exclusiveMaximum") is not None
        if step is None:
            at = Fraction(self._random.randint(1, 99), 100)
            return float(low + (high - low) * at if high > low else low)
        step = max(step, Fraction(1, 10**9))
        first, last = math.ceil(low / step), math.floor(high / step)
        first += open_low and first * step == low
        last -= open_high and last * step == high
        if first > last:
            # Between 0 and 100 there may be no multiple of 150, but nobody asked for 0 to 100.
            first = last = first if "maximum" not in schema and "exclusiveMaximum" not in schema else last
        for _ in range(20):
            number = self._random.randint(first, last) * step
            # Multiples of 0.1 are none in binary: find one that JSON Schema libraries agree on.
            if number.denominator == 1 or (float(number) / float(step)).is_integer():
                break
        return int(number) if number.denominator == 1 else float(number)


def _given(schema: dict[str, Any]) -> list[Any]:
    """What the schema itself offers as a value, the best first."""
    given = [schema[key] for key in ("example",) if key in schema]
    examples = schema.get("examples")
    if isinstance(examples, list):
        given += examples
    return given + [schema[key] for key in ("default", "const") if key in schema]


def _without_given(schema: Schema, taken: list[Any]) -> Schema:
    """The schema without its examples and the values of its `enum` that are taken, so that another value is made."""
    if not isinstance(schema, dict):
        return schema
    rest = {key: value for key, value in schema.items() if key not in ("example", "examples", "default")}
    if isinstance(rest.get("enum"), list):
        rest["enum"] = [value for value in rest["enum"] if value not in taken]
    return rest


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """A schema for what holds to both, as far as making values needs it: they are checked afterwards."""
    merged = dict(one)
    for key, value in other.items():
        own: Any = merged.get(key)
        if key not in merged:
            merged[key] = value
        elif key == "properties":
            merged[key] = own | {
                name: {"allOf": [own[name], each]} if name in own else each for name, each in value.items()
            }
        elif key == "required":
            merged[key] = [*own, *(name for name in value if name not in own)]
        elif key == "type":
            merged[key] = _common_types(own, value)
        elif key == "enum":
            merged[key] = [each for each in own if each in value]
        elif key in ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"):
            merged[key] = max(own, value)
        elif key in ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"):
            merged[key] = min(own, value)
        elif key in ("items", "additionalProperties") and own is not False:
            merged[key] = False if value is False else {"allOf": [own, value]}
        elif key in ("oneOf", "anyOf"):
            merged["allOf"] = [*merged.get("allOf", ()), value[0]] if value else merged.get("allOf", [])
    return merged


def _common_types(one: Any, other: Any) -> Any:
    first = one if isinstance(one, list) else [one]
    second = other if isinstance(other, list) else [other]
    common = [kind for kind in first if kind in second]
    if not common and "integer" in {*first, *second} and "number" in {*first, *second}:
        return "integer"
    if not common:
        raise BadSchema("a schema that allows nothing")
    return common


def _bounds(schema: dict[str, Any]) -> tuple[Fraction | None, Fraction | None]:
    lows = [Fraction(str(schema[key])) for key in ("minimum", "exclusiveMinimum") if key in schema]
    highs = [Fraction(str(schema[key])) for key in ("maximum", "exclusiveMaximum") if key in schema]
    return max(lows, default=None), min(highs, default=None)


def _read_only(schema: Schema) -> bool:
    return isinstance(schema, dict) and schema.get("readOnly") is True


def _uuid(random: Random) -> str:
    digits = f"{random.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"
