"""OpenAPI 3.0 and 3.1 documents, JSON or YAML: each operation becomes a request. Pure.

Parameters and bodies are the document's own examples where they hold to their schema, else made up. Optional parameters
are sent only where the document gives an example of them.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ...exceptions import InvalidValue, MissingExtra
from ..request import Request
from .documents import decode_json
from .fields import origin_form, wire_value
from .imported import Imported, RequestTable, SkippedTally
from .parameters import as_text, encoded_body, query_pairs
from .payloads import Payloads
from .schemas import BadSchema, Schemas

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .imported import ImportOptions

__all__ = ["parse_openapi", "recognises_openapi"]

_METHODS = ("get", "head", "post", "put", "patch", "delete", "options", "trace")
_HEAD = re.compile(
    rb'^\s*\{[^\n]{0,200}"(?:openapi|swagger)"\s*:|^\s*\{\s*"(?:openapi|swagger|info|paths|components)"\s*:'
)
_YAML_HEAD = re.compile(rb"^(?:openapi|swagger)\s*:", re.MULTILINE)
_VARIABLE = re.compile(r"\{([^{}]*)\}")
_MISSING = object()
_MOST_NODES = 1_000_000
# The specification gives these no meaning as parameters (3.1, "Parameter Object").
_IGNORED_HEADERS = frozenset({"accept", "content-type", "authorization"})


def recognises_openapi(head: bytes) -> bool:
    """Whether a file that begins so is an OpenAPI document."""
    return _HEAD.match(head) is not None or _YAML_HEAD.search(head[:4096]) is not None


def parse_openapi(data: bytes, source: str, options: ImportOptions) -> Imported:
    """One request for each operation, with values that hold to the document's schemas.

    Args:
        data: the document's bytes.
        source: the file, for messages.

    Raises:
        InvalidValue: no JSON or YAML, or no OpenAPI 3; names the line or the key.
        MissingExtra: jsonschema, or PyYAML for YAML, is not installed.
    """
    document = _decoded(data, source)
    version = document.get("openapi")
    if not isinstance(version, str) or not version.startswith(("3.0", "3.1", "3.2")):
        raise InvalidValue(
            "Expected OpenAPI 3.0 or 3.1",
            got=version if version is not None else f"swagger {document.get('swagger', 'of no version')}",
            where=f"{source}: openapi",
            hint="converters make OpenAPI 3 of Swagger 2, for example swagger2openapi",
        )
    paths = document.get("paths")
    if not isinstance(paths, dict) or not paths:
        raise InvalidValue("Expected an object of paths", got=paths, where=f"{source}: paths")
    with _expecting("a document", source):
        schemas = Schemas(document, old=version.startswith("3.0"))
    with _expecting("servers", f"{source}: servers"):
        builder = _Builder(schemas, Payloads(schemas, options.seed), options)
    skipped = SkippedTally()
    table = RequestTable(skipped)
    for path, item in schemas.document["paths"].items():
        where = f"{source}: paths.{path}"
        try:
            with _expecting("a path", where):
                operations = list(_operations(schemas, item, where))
        except BadSchema as error:
            skipped.add(str(error), path)
            continue
        for method, operation in operations:
            place = f"{method.upper()} {path}"
            try:
                with _expecting("an operation", f"{where}.{method}"):
                    request = builder.request(path, method, operation)
            except BadSchema as error:
                skipped.add(str(error), place)
                continue
            try:
                request.validate()
            except InvalidValue as error:
                skipped.add("what HTTP does not allow", place, error.message)
            else:
                table.add(request, place)
    with _expecting("security schemes", f"{source}: components.securitySchemes"):
        notes = tuple(_security_notes(schemas.document, builder.secured))
    return Imported(
        format="openapi",
        source=source,
        requests=table.requests(templated=False),
        skipped=skipped.all(),
        notes=notes,
    )


@contextlib.contextmanager
def _expecting(what: str, where: str) -> Iterator[None]:
    """Inside, what is not of the shape the specification gives it is the document's fault."""
    try:
        yield
    except (AttributeError, LookupError, TypeError) as error:
        raise InvalidValue(f"Expected {what} of OpenAPI 3", got=str(error), where=where) from error
    except RecursionError as error:
        raise InvalidValue(f"Expected {what} of OpenAPI 3, this one is nested too deeply", where=where) from error


def _decoded(data: bytes, source: str) -> dict[str, Any]:
    if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
        return decode_json(data, dict[str, Any], source, expected="an OpenAPI document")
    try:
        import yaml
    except ImportError as error:
        raise MissingExtra(
            "Expected PyYAML: the document is no JSON", where=source, hint='pip install "perfloop[openapi]"'
        ) from error
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        document = yaml.load(data, Loader=_json_like(loader))  # noqa: S506  # a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        where = f"{source}:{mark.line + 1}" if mark else source
        raise InvalidValue(f"Expected an OpenAPI document: {problem}", where=where) from error
    except (RecursionError, ValueError) as error:
        raise InvalidValue(f"Expected an OpenAPI document: {error}", where=source) from error
    _check_size(document, source)
    if not isinstance(document, dict):
        raise InvalidValue("Expected an OpenAPI document: an object", got=type(document).__name__, where=source)
    return document


def _json_like(loader: Any) -> Any:
    """The loader without YAML's own idea of what is a time: in JSON it is text."""

    class JsonLike(loader):  # type: ignore[misc]
        yaml_implicit_resolvers = {  # noqa: RUF012
            first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
            for first, resolvers in loader.yaml_implicit_resolvers.items()
        }

    return JsonLike


def _check_size(document: Any, source: str) -> None:
    """See that aliases of a few lines do not name a billion values, or themselves."""
    seen = 0
    waiting = [document]
    while waiting:
        node = waiting.pop()
        seen += 1
        if seen > _MOST_NODES:
            raise InvalidValue(f"Expected an OpenAPI document of at most {_MOST_NODES:,} values", where=source)
        if isinstance(node, dict):
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


def _operations(schemas: Schemas, item: Any, where: str) -> Iterable[tuple[str, dict[str, Any]]]:
    item = schemas.resolved(item)
    if not isinstance(item, dict):
        raise InvalidValue("Expected an object of operations", got=type(item).__name__, where=where)
    shared = item.get("parameters", [])
    for method in _METHODS:
        operation = item.get(method)
        if operation is None:
            continue
        if not isinstance(operation, dict):
            raise InvalidValue("Expected an operation", got=type(operation).__name__, where=f"{where}.{method}")
        yield method, {**operation, "parameters": [*shared, *operation.get("parameters", [])]}


class _Builder:
    def __init__(self, schemas: Schemas, payloads: Payloads, options: ImportOptions) -> None:
        self._schemas = schemas
        self._payloads = payloads
        self._prefix = options.prefix or _server_path(schemas.document)
        self.secured: dict[str, int] = {}
        """Security schemes by how many operations need them."""

    def request(self, path: str, method: str, operation: dict[str, Any]) -> Request:
        parameters = {}
        for node in operation["parameters"]:  # of two with one name, the operation's own counts
            parameter = self._schemas.resolved(node)
            parameters[parameter["in"], parameter["name"]] = parameter
        target, query = path, []
        headers: list[tuple[str, str]] = []
        cookies = []
        for (place, name), parameter in parameters.items():
            value = self._value(parameter, f"{method} {path} {place} {name}")
            if value is _MISSING:
                continue
            if place == "path":
                target = target.replace(f"{{{name}}}", as_text(parameter, value, quoted=True))
            elif place == "query":
                query += query_pairs(parameter, value)
            elif place == "header" and name.lower() not in _IGNORED_HEADERS:
                headers.append((name, wire_value(as_text(parameter, value))))
            elif place == "cookie":
                cookies.append(f"{name}={as_text(parameter, value, quoted=True)}")
        missing = _VARIABLE.search(target)
        if missing:
            raise BadSchema(f"no parameter for {missing[0]} of the path")
        if cookies:
            headers.append(("Cookie", "; ".join(cookies)))
        body = b""
        if operation.get("requestBody") is not None:
            content_type, body = self._body(self._schemas.resolved(operation["requestBody"]), f"{method} {path} body")
            headers.append(("Content-Type", content_type))
        self._note_security(operation)
        return Request(
            method=method.upper(),
            target=origin_form(self._prefix, target, "&".join(query)),
            headers=tuple(headers),
            body=body,
            label=f"{method.upper()} {self._prefix}{path}",
        )

    def _value(self, parameter: dict[str, Any], place: str) -> Any:
        content = parameter.get("content")
        media = next(iter(content.values()), {}) if content else parameter
        schema = media.get("schema", {"type": "string"})
        for example in self._examples(media if content else parameter):
            if self._schemas.problem(schema, example) is None:
                return example
        flat = self._schemas.resolved(schema)
        documented = isinstance(flat, dict) and ("example" in flat or "examples" in flat)
        if not (parameter.get("required") or parameter["in"] == "path" or documented):
            return _MISSING
        if parameter["in"] == "path" and isinstance(flat, dict) and flat.get("type") == "string":
            # An empty segment would be another path.
            schema = {"allOf": [schema, {"minLength": 1}]}
        return self._payloads.value(schema, place)

    def _examples(self, node: dict[str, Any]) -> list[Any]:
        examples = [node["example"]] if "example" in node else []
        named = node.get("examples")
        if isinstance(named, dict):
            resolved = [self._schemas.resolved(each) for each in named.values()]
            examples += [each["value"] for each in resolved if isinstance(each, dict) and "value" in each]
        return examples

    def _body(self, body: dict[str, Any], place: str) -> tuple[str, bytes]:
        content = body.get("content", {})
        kind = next((each for each in content if _is_json(each)), None) or next(
            (each for each in content if each.startswith(("application/x-www-form-urlencoded", "text/plain"))), None
        )
        if kind is None:
            raise BadSchema(f"a body of {', '.join(content) or 'no media type'}, which perfloop does not write")
        media = content[kind]
        schema = media.get("schema", True)
        for example in self._examples(media):
            if self._schemas.problem(schema, example) is None:
                return kind, encoded_body(kind, example)
        return kind, encoded_body(kind, self._payloads.value(schema, place))

    def _note_security(self, operation: dict[str, Any]) -> None:
        wanted = operation.get("security", self._schemas.document.get("security", []))
        if not wanted or {} in wanted:
            return
        for scheme in wanted[0]:
            self.secured[scheme] = self.secured.get(scheme, 0) + 1


def _is_json(media_type: str) -> bool:
    kind = media_type.partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json") or kind == "*/*"


def _server_path(document: dict[str, Any]) -> str:
    servers = document.get("servers")
    server = servers[0] if isinstance(servers, list) and servers and isinstance(servers[0], dict) else {}
    variables = server.get("variables", {})
    url = _VARIABLE.sub(lambda match: str(variables.get(match[1], {}).get("default", "")), str(server.get("url", "")))
    try:
        return urlsplit(url).path.rstrip("/")
    except ValueError:
        raise TypeError(f"{url!r} is no URL") from None


def _security_notes(document: dict[str, Any], secured: dict[str, int]) -> Iterable[str]:
    schemes = document.get("components", {}).get("securitySchemes", {})
    for name, count in secured.items():
        scheme = schemes.get(name, {})
        kind = scheme.get("type")
        if kind == "apiKey" and scheme.get("in") == "header":
            header = f"{scheme.get('name')}: KEY"
        elif kind == "apiKey" and scheme.get("in") == "cookie":
            header = f"Cookie: {scheme.get('name')}=KEY"
        elif kind == "apiKey":
            yield f"{name}: the query parameter `{scheme.get('name')}`, needed {count} times, is not filled in"
            continue
        else:
            basic = kind == "http" and str(scheme.get("scheme")).lower() == "basic"
            header = f"Authorization: {'Basic' if basic else 'Bearer'} …"
        yield f"{name}: pass -H '{header}', needed {count} times"
