"""Models of pydantic (2.11 or newer) inside values, without importing it: the class' name and JSON by its rules."""

from __future__ import annotations

from typing import Any

__all__ = ["decode_model", "encode_model", "model_schema"]


def encode_model(value: Any) -> tuple[str, str]:
    """What msgspec asks for a value that it does not know.

    Raises:
        TypeError: it is no model.
        ValueError: the model does not come back as it was: what it excludes or serialises in its own way would be lost.
    """
    kind = type(value)
    if not _is_model(kind):
        raise TypeError(f"Encoding objects of type {kind.__name__} is unsupported")
    text: str = value.model_dump_json(by_alias=False, round_trip=True)
    encoded = (kind.__qualname__, text)
    if decode_model(kind, encoded) != value:
        raise ValueError(f"{kind.__name__} would come back as something else")
    return encoded


def decode_model(kind: type, encoded: Any) -> Any:
    """What msgspec asks for a type that it does not know.

    Raises:
        TypeError: it is no model.
        ValueError: what is there is no such model.
    """
    if not _is_model(kind):
        raise TypeError(f"Decoding objects of type {kind.__name__} is unsupported")
    model: Any = kind
    if not isinstance(encoded, (list, tuple)) or len(encoded) != 2 or encoded[0] != kind.__qualname__:
        raise ValueError(f"Expected a {kind.__qualname__}, got {encoded!r:.60}")
    return model.model_validate_json(encoded[1], by_alias=False, by_name=True)


def model_schema(kind: type) -> dict[str, Any]:
    """The JSON Schema, so that a model that has changed is another type.

    Raises:
        NotImplementedError: it is no model, or one that has no schema.
    """
    if not _is_model(kind):
        raise NotImplementedError
    model: Any = kind
    schema: dict[str, Any] = model.model_json_schema()
    return schema


def _is_model(kind: type) -> bool:
    return hasattr(kind, "__pydantic_validator__") and hasattr(kind, "model_validate_json")
