from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfloop.loadtest.importers.payloads import Payloads
from perfloop.loadtest.importers.schemas import BadSchema, Schemas

COMPONENTS: dict[str, Any] = {
    "Name": {"type": "string", "minLength": 2, "maxLength": 5},
    "Node": {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"$ref": "#/components/schemas/Name"},
            "next": {"$ref": "#/components/schemas/Node"},
            "children": {"type": "array", "items": {"$ref": "#/components/schemas/Node"}},
        },
    },
    "Endless": {
        "type": "object",
        "required": ["next"],
        "properties": {"next": {"$ref": "#/components/schemas/Endless"}},
    },
    "Self": {"$ref": "#/components/schemas/Self"},
    "Base": {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer", "minimum": 10}}},
    "Cat": {
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"const": "cat"}, "lives": {"type": "integer"}},
        "additionalProperties": False,
    },
    "Dog": {
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"const": "dog"}},
        "additionalProperties": False,
    },
    "a/b~c": {"type": "integer", "enum": [7]},
}


def document(**more: Any) -> dict[str, Any]:
    return {"components": {"schemas": COMPONENTS}, **more}


def value(schema: Any, *, old: bool = False, seed: int = 0) -> Any:
    schemas = Schemas(document(under={"test": schema}), old=old)
    return Payloads(schemas, seed).value(schemas.document["under"]["test"], "here")


def problem(schema: Any, made: Any) -> str | None:
    """What jsonschema itself says, of the document as it was written."""
    whole = document(**schema) if isinstance(schema, dict) else schema
    validator = jsonschema.Draft202012Validator(whole, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    error = next(validator.iter_errors(made), None)
    return None if error is None else error.message


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {},
        {"type": "string"},
        *(
            {"type": "string", "format": each}
            for each in (
                "date-time",
                "date",
                "time",
                "duration",
                "email",
                "uuid",
                "uri",
                "hostname",
                "ipv4",
                "ipv6",
                "byte",
                "binary",
            )
        ),
        {"type": "string", "minLength": 40},
        {"type": "string", "maxLength": 1},
        {"type": "string", "maxLength": 0},
        {"type": "string", "pattern": "^[A-Z]{3}$"},
        {"type": "string", "pattern": "^[a-z]+$", "minLength": 9, "maxLength": 12},
        {"type": "integer"},
        {"type": "integer", "minimum": 5, "maximum": 5},
        {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 2},
        {"type": "integer", "minimum": -10, "maximum": -5, "multipleOf": 3},
        {"type": "integer", "multipleOf": 150},
        {"type": "integer", "maximum": -1000},
        {"type": "number", "exclusiveMinimum": 0, "maximum": 0.001},
        {"type": "number", "multipleOf": 0.01, "minimum": 1, "maximum": 5},
        {"type": "number", "minimum": 1e12},
        {"type": "boolean"},
        {"type": "null"},
        {"type": ["null", "integer"]},
        {"const": {"a": 1}},
        {"enum": ["a", None, 3]},
        {"type": "array", "items": {"type": "integer"}, "minItems": 3, "maxItems": 4, "uniqueItems": True},
        {"type": "array", "items": {"enum": [1, 2, 3]}, "minItems": 3, "uniqueItems": True},
        {"type": "array", "items": {"type": "integer", "example": 4}, "minItems": 2, "uniqueItems": True},
        {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False, "minItems": 2},
        {"type": "array", "items": {"type": "integer"}, "contains": {"minimum": 90}},
        {"type": "array", "maxItems": 0},
        {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a", "b"]},
        {"type": "object", "minProperties": 3, "additionalProperties": {"type": "integer"}},
        {"type": "object", "properties": {"a": True, "b": True, "c": True}, "maxProperties": 1, "required": ["c"]},
        {"type": "object", "properties": {"a": {"type": "integer"}, "b": False}},
        {"properties": {"a": {"properties": {"b": {"items": {"minimum": 3}}}}}},
        {"type": "object", "properties": {"a": True, "b": True}, "not": {"required": ["a"]}},
        {"allOf": [ref("Base"), {"type": "object", "required": ["name"], "properties": {"name": ref("Name")}}]},
        {"allOf": [{"type": "number"}, {"type": "integer", "maximum": 3}, {"minimum": 2}]},
        {"allOf": [{"oneOf": [ref("Cat"), ref("Dog")]}]},
        {"oneOf": [ref("Cat"), ref("Dog")]},
        {"anyOf": [{"type": "null"}, {"type": "integer"}]},
        {"anyOf": [False, {"type": "integer"}]},
        {"oneOf": [{"required": ["a"]}, {"required": ["b"]}], "type": "object", "properties": {"a": True, "b": True}},
        {"$ref": "#/components/schemas/a~1b~0c"},
        ref("Node"),
        {"type": "array", "items": ref("Node"), "minItems": 2},
        {"$ref": "#/components/schemas/Name", "maxLength": 3},
        {
            "type": "object",
            "if": {"required": ["a"]},
            "then": {"required": ["b"]},
            "properties": {"a": True, "b": True},
        },
        {"type": "string", "pattern": "^(a+)+$"},
    ],
)
def test_a_made_up_value_holds_to_its_schema(schema) -> None:
    for seed in range(5):
        made = value(schema, seed=seed)
        assert problem(schema, made) is None
        assert value(schema, seed=seed) == made, "the same for the same seed"
        json.dumps(made)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "integer", "example": 42}, 42),
        ({"type": "integer", "examples": ["no", 43]}, 43),
        ({"type": "integer", "default": 44}, 44),
        ({"type": "object", "properties": {"a": {"type": "string", "example": "mine"}}}, {"a": "mine"}),
        ({"allOf": [{"type": "string"}, {"example": "whole"}]}, "whole"),
    ],
)
def test_its_own_examples_come_first(schema, expected) -> None:
    assert value(schema) == expected


def test_an_example_that_does_not_hold_is_not_used() -> None:
    assert isinstance(value({"type": "integer", "example": "forty-two"}), int)


def test_openapi_3_0_is_understood() -> None:
    assert value({"type": "integer", "minimum": 0, "exclusiveMinimum": True, "maximum": 1}, old=True) == 1
    assert value({"type": "string", "nullable": True, "example": None}, old=True) is None
    assert value({"type": "string", "nullable": True, "enum": ["a"]}, old=True) == "a"
    named = {"type": "object", "properties": {"nullable": {"type": "integer"}, "enum": {"type": "integer"}}}
    assert set(value(named, old=True)) == {"nullable", "enum"}


def test_what_the_service_sets_itself_is_not_sent() -> None:
    schema = {
        "type": "object",
        "required": ["id", "name"],
        "properties": {"id": {"type": "integer", "readOnly": True}, "name": {"type": "string"}},
    }
    assert set(value(schema)) == {"name"}


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (False, "allows nothing"),
        ({"type": "integer", "minimum": 3, "maximum": 2}, "no value"),
        ({"type": "string", "minLength": 10**9}, "more than"),
        ({"type": "array", "minItems": 10**9}, "more than"),
        ({"type": "string", "pattern": r"\p{L}"}, "pattern"),
        ({"allOf": [{"type": "string"}, {"type": "integer"}]}, "allows nothing"),
        (ref("Endless"), "without end"),
        (ref("Self"), "without end"),
        (ref("Missing"), "reference to nothing"),
        ({"$ref": "other.yaml#/Thing"}, "another file"),
        ({"type": "strin"}, "type"),
        ({"type": "integer", "minimum": "three"}, "schema that is none"),
        ("a string", "schema that is none"),
        ({"properties": []}, "schema that is none"),
        ({"type": []}, "no value"),
    ],
)
def test_where_there_is_no_value_the_reason_is_said(schema, why) -> None:
    with pytest.raises(BadSchema, match=re.escape(why)):
        value(schema)


def schemas_() -> st.SearchStrategy[Any]:
    small = st.integers(0, 6)
    strings = st.fixed_dictionaries({"type": st.just("string")}, optional={"minLength": small, "maxLength": small})
    numbers = st.fixed_dictionaries(
        {"type": st.sampled_from(["integer", "number"])},
        optional={
            "minimum": st.integers(-9, 9),
            "maximum": st.integers(-9, 9),
            "exclusiveMinimum": st.integers(-9, 9),
            "multipleOf": st.sampled_from([1, 2, 3, 0.5, 0.1]),
        },
    )
    leaves = st.one_of(strings, numbers, st.just({"type": "boolean"}), st.just(ref("Node")), st.just(ref("Base")))

    def deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        names = st.sampled_from(["a", "b", "c"])
        objects = st.fixed_dictionaries(
            {"type": st.just("object"), "properties": st.dictionaries(names, inner, max_size=3)},
            optional={
                "required": st.lists(names, unique=True),
                "additionalProperties": st.booleans(),
                "minProperties": st.integers(0, 2),
            },
        )
        arrays = st.fixed_dictionaries(
            {"type": st.just("array"), "items": inner},
            optional={"minItems": st.integers(0, 3), "maxItems": st.integers(0, 3), "uniqueItems": st.booleans()},
        )
        choices = st.lists(inner, min_size=1, max_size=3)
        combined = st.sampled_from(["allOf", "anyOf", "oneOf"]).flatmap(
            lambda key: choices.map(lambda branches: {key: branches})
        )
        return st.one_of(objects, arrays, combined)

    return st.recursive(leaves, deeper, max_leaves=6)


@settings(max_examples=150, deadline=None)
@given(schemas_())
def test_whatever_is_made_validates(schema) -> None:
    try:
        made = value(schema)
    except BadSchema:
        return
    assert problem(schema, made) is None
