from __future__ import annotations

import builtins
import json
from typing import Any

import jsonschema
import pytest

from perfloop.exceptions import InvalidValue, MissingExtra
from perfloop.loadtest.importers import ImportOptions
from perfloop.loadtest.importers.openapi import parse_openapi, recognises_openapi

ITEM = {
    "type": "object",
    "required": ["name", "price"],
    "properties": {
        "id": {"type": "integer", "readOnly": True},
        "name": {"type": "string", "minLength": 3},
        "price": {"type": "number", "minimum": 0.5, "multipleOf": 0.5},
        "tags": {"type": "array", "items": {"type": "string", "enum": ["new", "sale"]}, "minItems": 1},
        "parent": {"$ref": "#/components/schemas/Item"},
    },
    "additionalProperties": False,
}


def document(paths: dict[str, Any], version: str = "3.1.0", **more: Any) -> dict[str, Any]:
    return {"openapi": version, "info": {"title": "Shop", "version": "1"}, "paths": paths, **more}


def parsed(paths: dict[str, Any], version: str = "3.1.0", *, url: str = "http://127.0.0.1:8000", **more: Any):
    data = json.dumps(document(paths, version, **more)).encode()
    return parse_openapi(data, "openapi.json", ImportOptions(url=url))


def one(operation: dict[str, Any], path: str = "/items", method: str = "get"):
    (request,) = parsed({path: {method: operation}}).requests
    request.validate()
    return request


def parameter(name: str, place: str = "query", **more: Any) -> dict[str, Any]:
    return {"name": name, "in": place, "required": True, **more}


@pytest.mark.parametrize("version", ["3.0.3", "3.1.0"])
def test_each_operation_becomes_a_request_whose_body_validates(version) -> None:
    imported = parsed(
        {
            "/items": {
                "post": {
                    "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Item"}}}}
                },
                "get": {},
            },
            "/items/{item_id}": {
                "parameters": [parameter("item_id", "path", schema={"type": "integer", "minimum": 1})],
                "get": {},
                "delete": {"parameters": [parameter("item_id", "path", schema={"type": "integer", "example": 17})]},
            },
        },
        version,
        components={"schemas": {"Item": ITEM}},
        servers=[{"url": "https://shop.example.com/{base}/", "variables": {"base": {"default": "v1"}}}],
    )
    assert imported.skipped == ()
    assert [request.label for request in imported.requests] == [
        "GET /v1/items",
        "POST /v1/items",
        "GET /v1/items/{item_id}",
        "DELETE /v1/items/{item_id}",
    ]
    _, post, get, delete = imported.requests
    body = json.loads(post.body)
    schema = {**ITEM, "components": {"schemas": {"Item": ITEM}}}
    jsonschema.Draft202012Validator(schema).validate(body)
    assert "id" not in body, "it is read-only"
    assert post.headers == (("Content-Type", "application/json"),)
    assert get.target.removeprefix("/v1/items/").isdigit()
    assert delete.target == "/v1/items/17"


def test_the_path_of_the_target_stands_for_that_of_the_servers() -> None:
    imported = parsed({"/items": {"get": {}}}, servers=[{"url": "/v1"}], url="http://127.0.0.1:8000/api/")
    assert imported.requests[0].target == "/api/items"


@pytest.mark.parametrize(
    ("given", "target"),
    [
        (parameter("q", schema={"type": "string"}, example="a b&c"), "/items?q=a%20b%26c"),
        (parameter("q", examples={"one": {"value": "x"}}), "/items?q=x"),
        (parameter("q", schema={"type": "boolean", "default": True}), "/items?q=true"),
        (parameter("q", required=False, schema={"type": "string"}), "/items"),
        (parameter("q", required=False, schema={"type": "string", "example": "x"}), "/items?q=x"),
        (parameter("q", example=[1, 2], schema={"type": "array"}), "/items?q=1&q=2"),
        (parameter("q", example=[1, 2], schema={"type": "array"}, explode=False), "/items?q=1,2"),
        (
            parameter("q", example=[1, 2], schema={"type": "array"}, explode=False, style="pipeDelimited"),
            "/items?q=1|2",
        ),
        (parameter("q", example={"a": 1, "b": "x y"}, schema={"type": "object"}), "/items?a=1&b=x%20y"),
        (parameter("q", example={"a": 1}, schema={"type": "object"}, explode=False), "/items?q=a,1"),
        (parameter("q", example={"a": 1}, schema={"type": "object"}, style="deepObject"), "/items?q[a]=1"),
        (
            parameter("q", content={"application/json": {"example": {"a": 1}, "schema": {}}}),
            "/items?q=%7B%22a%22%3A%201%7D",
        ),
    ],
)
def test_query_parameters_are_written_in_their_style(given, target) -> None:
    assert one({"parameters": [given]}).target == target


def test_parameters_of_other_places() -> None:
    request = one(
        {
            "parameters": [
                parameter("id", "path", example="a/b ü", schema={"type": "string"}),
                parameter("X-Trace", "header", example="t1", schema={"type": "string"}),
                parameter("Authorization", "header", example="no", schema={"type": "string"}),
                parameter("session", "cookie", example="s1", schema={"type": "string"}),
            ]
        },
        "/items/{id}",
    )
    assert request.target == "/items/a%2Fb%20%C3%BC"
    assert request.headers == (("X-Trace", "t1"), ("Cookie", "session=s1"))


@pytest.mark.parametrize(
    ("content", "body"),
    [
        ({"application/json": {"example": {"a": "ü"}}}, '{"a":"ü"}'.encode()),
        ({"application/vnd.shop+json": {"examples": {"x": {"value": [1]}}}}, b"[1]"),
        ({"application/x-www-form-urlencoded": {"example": {"a": "x y", "b": [1, True]}}}, b"a=x+y&b=1&b=true"),
        ({"text/plain": {"example": "hello"}}, b"hello"),
        ({"application/xml": {}, "application/json": {"example": 1}}, b"1"),
    ],
)
def test_bodies_are_written_in_their_media_type(content, body) -> None:
    assert one({"requestBody": {"content": content}}, method="post").body == body


@pytest.mark.parametrize(
    ("path", "operation", "reason"),
    [
        ("/x", {"requestBody": {"content": {"multipart/form-data": {}}}}, "multipart/form-data"),
        ("/x/{id}", {}, "no parameter for {id}"),
        ("/x", {"parameters": [parameter("q", schema={"type": "string", "pattern": r"\p{L}"})]}, "pattern"),
        ("/x", {"parameters": [{"$ref": "#/components/parameters/none"}]}, "reference to nothing"),
        (
            "/x",
            {"parameters": [parameter("X", "header", example="a\r\nEvil: b", schema={"type": "string"})]},
            "what HTTP does not allow",
        ),
        ("/x/{a}", {"parameters": [parameter("a", "path", style="matrix", schema={})]}, "style matrix"),
    ],
)
def test_an_operation_that_cannot_be_sent_is_counted(path, operation, reason) -> None:
    imported = parsed({"/fine": {"get": {}}, path: {"post": operation}})
    assert [request.target for request in imported.requests] == ["/fine"]
    (skipped,) = imported.skipped
    assert reason in skipped.reason
    assert skipped.first.startswith(f"POST {path}")


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ({"servers": [{"url": "/{v}", "variables": {"v": 3}}]}, "servers"),
        ({"servers": [{"url": "http://[::1/"}]}, "servers"),
        ({"security": [{"k": []}], "components": {"securitySchemes": {"k": "none"}}}, "components.securitySchemes"),
        ({"components": []}, "components.securitySchemes"),
    ],
)
def test_parts_of_another_shape_are_named(more, where) -> None:
    with pytest.raises(InvalidValue) as caught:
        parsed({"/a": {"get": {"security": [{"k": []}]}}}, **more)
    assert caught.value.where == f"openapi.json: {where}"


def test_a_path_that_is_elsewhere_is_counted() -> None:
    imported = parsed({"/a": {"get": {}}, "/b": {"$ref": "other.yaml#/b"}})
    assert [(each.reason, each.first) for each in imported.skipped] == [
        ("a reference to another file, other.yaml#/b", "/b")
    ]


def test_what_must_be_passed_for_security_is_said() -> None:
    imported = parsed(
        {
            "/a": {"get": {}},
            "/b": {"get": {"security": [{"key": []}]}},
            "/c": {"get": {"security": []}},
            "/d": {"get": {"security": [{}, {"key": []}]}},
            "/e": {"get": {"security": [{"query": []}]}},
        },
        security=[{"bearer": []}],
        components={
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
                "query": {"type": "apiKey", "in": "query", "name": "token"},
            }
        },
    )
    assert set(imported.notes) == {
        "bearer: pass -H 'Authorization: Bearer …', needed 1 times",
        "key: pass -H 'X-Key: KEY', needed 1 times",
        "query: the query parameter `token`, needed 1 times, is not filled in",
    }


YAML = b"""\
openapi: 3.0.3
info: {title: Shop, version: '1'}
paths:
  /days/{day}:
    get:
      parameters:
        - {name: day, in: path, required: true, schema: {type: string, format: date}, example: 2026-11-25}
      responses:
        200: {description: OK}
"""


def test_yaml_is_read_and_its_dates_stay_text() -> None:
    (request,) = parse_openapi(YAML, "openapi.yaml", ImportOptions(url="http://127.0.0.1:8000")).requests
    assert request.target == "/days/2026-11-25"


@pytest.mark.parametrize(
    ("data", "where", "says"),
    [
        (b'{"openapi": "3.1.0",\n "paths": ', "openapi.json:", "OpenAPI"),
        (b'{"swagger": "2.0"}', "openapi.json: openapi", "swagger 2.0"),
        (b'{"openapi": "4.0.0"}', "openapi.json: openapi", "4.0.0"),
        (b'{"openapi": "3.1.0"}', "openapi.json: paths", "paths"),
        (b'{"openapi": "3.1.0", "paths": {}}', "openapi.json: paths", "paths"),
        (b'{"openapi": "3.1.0", "paths": {"/a": 3}}', "openapi.json: paths./a", "operations"),
        (b'{"openapi": "3.1.0", "paths": {"/a": {"get": 3}}}', "openapi.json: paths./a.get", "operation"),
        (b'{"openapi": "3.1.0", "paths": {"/a": {"get": {"parameters": [3]}}}}', "paths./a.get", "operation"),
        (b'{"openapi": "3.1.0", "paths": {"/a": {"get": {"parameters": [{"in": "query"}]}}}}', "paths./a.get", "name"),
        (b"openapi: 3.1.0\npaths: [\n", "openapi.json:3", "OpenAPI"),
        (b"- a\n- b\n", "openapi.json", "list"),
        (b"openapi: \x00", "openapi.json", "OpenAPI"),
        (
            b"a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n"
            b"d: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e]\n"
            b"g: [*f,*f,*f,*f,*f,*f,*f,*f]\n",
            "openapi.json",
            "1,000,000 values",
        ),
        (b"a: &a [*a]\n", "openapi.json", "1,000,000 values"),
        (b'{"openapi": "3.1.0", "paths": ' + b'{"a":' * 5_000 + b"1" + b"}" * 5_001, "openapi.json", "nested"),
    ],
)
def test_an_invalid_document_is_refused_with_its_line_or_key(data, where, says) -> None:
    with pytest.raises(InvalidValue) as caught:
        parse_openapi(data, "openapi.json", ImportOptions(url="http://127.0.0.1:8000"))
    assert where in caught.value.where
    assert says in str(caught.value)


@pytest.mark.parametrize("module", ["jsonschema", "yaml"])
def test_a_missing_library_is_named_with_its_extra(module, monkeypatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == module:
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra) as caught:
        parse_openapi(YAML, "openapi.yaml", ImportOptions(url="http://127.0.0.1:8000"))
    assert "perfloop[openapi]" in caught.value.hint


@pytest.mark.parametrize(
    ("head", "known"),
    [
        (b'{"openapi": "3.1.0"', True),
        (b'{\n  "openapi": "3.1.0"', True),
        (b'{"info": {"title": "x"}, "openapi": "3.1.0"', True),
        (b'{\n "swagger": "2.0"', True),
        (YAML, True),
        (b"# a comment\nopenapi: 3.1.0\n", True),
        (b'{"log": {"entries": []}}', False),
        (b'{"uri": "/openapi.json"}\n', False),
    ],
)
def test_recognition(head, known) -> None:
    assert recognises_openapi(head) is known
