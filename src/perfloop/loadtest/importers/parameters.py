"""Values of parameters and bodies as they are written into a request (OpenAPI 3, "Style Values"). Pure."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

from .schemas import BadSchema

__all__ = ["as_text", "encoded_body", "query_pairs"]

_SEPARATORS = {"form": ",", "spaceDelimited": "%20", "pipeDelimited": "|"}


def as_text(parameter: dict[str, Any], value: Any, *, quoted: bool = False) -> str:
    """The value of a path, header or cookie parameter: style `simple`.

    Args:
        quoted: percent-encode what is not allowed in a path or cookie.
    """
    style = parameter.get("style", "simple")
    if parameter["in"] == "path" and style in ("label", "matrix"):
        raise BadSchema(f"a path parameter of style {style}")
    if "content" in parameter:
        text = json.dumps(value)
        return quote(text, safe="") if quoted else text
    words = [_quoted(word, quoted) for word in _words(value, "=" if parameter.get("explode") else ",")]
    return ",".join(words)


def _words(value: Any, mark: str) -> list[str]:
    if isinstance(value, dict):
        return [f"{key}{mark}{_scalar(each)}" for key, each in value.items()]
    if isinstance(value, list):
        return [_scalar(each) for each in value]
    return [_scalar(value)]


def _quoted(text: str, quoted: bool) -> str:
    return quote(text, safe="") if quoted else text


def query_pairs(parameter: dict[str, Any], value: Any) -> list[str]:
    """The `name=value` parts of a query parameter, percent-encoded."""
    name = quote(parameter["name"], safe="[]")
    style = parameter.get("style", "form")
    if "content" in parameter:
        return [f"{name}={quote(json.dumps(value), safe='')}"]
    if isinstance(value, dict):
        if style == "deepObject":
            return [f"{name}[{quote(key, safe='')}]={_query(each)}" for key, each in value.items()]
        if parameter.get("explode", style == "form"):
            return [f"{quote(key, safe='')}={_query(each)}" for key, each in value.items()]
        return [f"{name}=" + ",".join(f"{quote(key, safe='')},{_query(each)}" for key, each in value.items())]
    if isinstance(value, list):
        if parameter.get("explode", style == "form"):
            return [f"{name}={_query(each)}" for each in value]
        return [f"{name}=" + _SEPARATORS.get(style, ",").join(map(_query, value))]
    return [f"{name}={_query(value)}"]


def encoded_body(media_type: str, value: Any) -> bytes:
    """A body of that media type: JSON, a form, or text."""
    kind = media_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        if not isinstance(value, dict):
            raise BadSchema("a form that is no object")
        return urlencode({key: _form(each) for key, each in value.items()}, doseq=True).encode()
    if kind.startswith("text/"):
        return (value if isinstance(value, str) else json.dumps(value)).encode()
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _form(value: Any) -> Any:
    return [_scalar(each) for each in value] if isinstance(value, list) else _scalar(value)


def _query(value: Any) -> str:
    return quote(_scalar(value), safe="")


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, dict | list) else str(value)
