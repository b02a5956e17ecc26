"""The schemas of an OpenAPI document as JSON Schema 2020-12, and whether a value holds to one. Pure."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from ...exceptions import MissingExtra
from .patterns import matches

__all__ = ["BadSchema", "Schema", "Schemas"]

Schema = Any
"""A JSON Schema: an object, true or false."""

_DOCUMENT = "urn:perfloop:openapi"
_MOST_REFERENCES = 50
_NOT_SCHEMAS = frozenset({"example", "examples", "default", "enum", "const"})


class BadSchema(ValueError):
    """What cannot be made a request of, and why."""


class Schemas:
    """A document's schemas.

    Args:
        document: the whole document, decoded.
        old: OpenAPI 3.0, whose `nullable` and `exclusiveMinimum` are not JSON Schema's.

    Raises:
        MissingExtra: jsonschema is not installed.
    """

    def __init__(self, document: dict[str, Any], *, old: bool) -> None:
        try:
            from jsonschema import Draft202012Validator, exceptions, validators
            from referencing import Registry
            from referencing.exceptions import Unresolvable
            from referencing.jsonschema import DRAFT202012
        except ImportError as error:
            raise MissingExtra(
                "Expected jsonschema: payloads made for an OpenAPI document are checked against its schemas",
                hint='pip install "perfloop[openapi]"',
            ) from error
        self.document: dict[str, Any] = _modern(document, old)
        registry: Any = Registry().with_resource(_DOCUMENT, DRAFT202012.create_resource(self.document))
        kind: Any = validators.extend(Draft202012Validator, {"pattern": _pattern})
        self._validator = kind({}, registry=registry, format_checker=Draft202012Validator.FORMAT_CHECKER)
        self._broken = (
            exceptions.UnknownType, exceptions.SchemaError, Unresolvable, RecursionError,
            TypeError, ValueError, KeyError, AttributeError, ArithmeticError,
        )  # fmt: skip

    def problem(self, schema: Schema, value: Any) -> str | None:
        """What is wrong with a value, in words; None when it holds to the schema.

        Raises:
            BadSchema: the schema is none.
        """
        try:
            error = next(self._validator.evolve(schema=schema).iter_errors(value), None)
        except self._broken as broken:
            raise BadSchema(f"a schema that is none: {_one_line(broken)}") from broken
        return None if error is None else _one_line(error.message)

    def resolved(self, node: Any) -> Any:
        """What a node stands for, references followed.

        Raises:
            BadSchema: a reference to another file, to nothing, or to itself.
        """
        for _ in range(_MOST_REFERENCES):
            if not isinstance(node, dict) or not isinstance(node.get("$ref"), str):
                return node
            node = self.at(node["$ref"])
        raise BadSchema("a reference that leads to itself")

    def at(self, reference: str) -> Any:
        """The node that a `$ref` names.

        Raises:
            BadSchema: a reference to another file or to nothing.
        """
        document, _, pointer = reference.partition("#")
        if document != _DOCUMENT:
            raise BadSchema(f"a reference to another file, {reference[:80]}")
        node: Any = self.document
        for part in pointer.split("/")[1:]:
            name = unquote(part).replace("~1", "/").replace("~0", "~")
            try:
                node = node[int(name)] if isinstance(node, list) else node[name]
            except (KeyError, IndexError, ValueError, TypeError):
                raise BadSchema(f"a reference to nothing, #{pointer[:80]}") from None
        return node


def _modern(node: Any, old: bool, *, names: bool = False) -> Any:
    """The node with absolute references and, of OpenAPI 3.0, in JSON Schema's words.

    Args:
        names: the keys are names of properties, not keywords.
    """
    if isinstance(node, list):
        return [_modern(each, old) for each in node]
    if not isinstance(node, dict):
        return node
    modern = {
        key: value
        if key in _NOT_SCHEMAS and not names
        else _modern(value, old, names=key == "properties" and not names)
        for key, value in node.items()
    }
    if names:
        return modern
    reference = modern.get("$ref")
    if isinstance(reference, str) and reference.startswith("#"):
        modern["$ref"] = _DOCUMENT + reference
    if old:
        _translate(modern)
    properties, required = modern.get("properties"), modern.get("required")
    if isinstance(properties, dict) and isinstance(required, list):
        # What the service alone sets is required of its answers, not of requests.
        modern["required"] = [name for name in required if not _read_only(properties.get(name))]
    return modern


def _translate(schema: dict[str, Any]) -> None:
    if schema.pop("nullable", None) is True and isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
        if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
            schema["enum"] = [*schema["enum"], None]
    for limit, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(schema.get(exclusive), bool) and schema.pop(exclusive) and limit in schema:
            schema[exclusive] = schema.pop(limit)


def _read_only(schema: Schema) -> bool:
    return isinstance(schema, dict) and schema.get("readOnly") is True


def _pattern(validator: Any, pattern: str, instance: Any, schema: Schema) -> Any:
    from jsonschema import ValidationError

    if isinstance(instance, str) and not matches(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[:120]
