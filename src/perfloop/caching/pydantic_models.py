"""Models of pydantic (2.11 or newer) inside values, without importing it: the class' name and JSON by its rules."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["decode_model", "encode_model", "model_schema"]

_NAME = re.compile(r"[A-Za-z_][\w.<>]*")


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
    # No message shows a value: it may be a secret, and messages are logged.
    if not isinstance(encoded, (list, tuple)) or len(encoded) != 2:
        raise ValueError(f"Expected a {kind.__qualname__}, got {type(encoded).__name__}")
    name, text = encoded
    if name != kind.__qualname__:
        other = name if isinstance(name, str) and _NAME.fullmatch(name) else type(name).__name__
        raise ValueError(f"Expected a {kind.__qualname__}, got a {other:.60}")
    try:
        return model.model_validate_json(text, by_alias=False, by_name=True)
    except ValueError as error:
        errors: Any = getattr(error, "errors", None)
        if errors is None:
            raise
        found = errors(include_url=False, include_input=False, include_context=False)
        told = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in found[:3])
        raise ValueError(f"Expected a {kind.__qualname__}: {told}") from None


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
