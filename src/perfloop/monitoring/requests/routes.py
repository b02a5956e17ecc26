"""The template of the route a request was sent to (`/orders/{id}`), read where each framework leaves it.

Starlette, FastAPI and Litestar leave it in the ASGI scope. Flask leaves its request in the WSGI environment until the
response is handed over. Django and Falcon leave it nowhere outside: `note_routes` lets the application the middleware
was given note it. Whatever else there is can say its own by `route=`. The raw path is never taken in its place.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ...agent.protocol import UNMATCHED

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping

__all__ = ["NOTES", "UNMATCHED", "ScopeRoutes", "flask_route", "included_route", "note_routes"]

NOTES = "perfloop.route"
"""The key of scope or environment whose value takes the route's template by its `append`."""

_KEPT = 10_000
_INNER = ("app", "application", "wsgi_app", "asgi_app")
_DEEPEST = 20


class ScopeRoutes:
    """Reads templates from ASGI scopes. The result of reading a route object is kept: its template never changes."""

    def __init__(self, application: Any) -> None:
        """`application`: what the middleware wraps; the templates of Starlette's mounts are looked up in it."""
        self._application = application
        self._plain: dict[int, tuple[str, Any]] = {}
        """Templates of the routes that lie under no mount, by identity."""
        self._mounted: dict[tuple[int, str], tuple[str, Any]] = {}
        self._leading: dict[int, tuple[list[Any], Any]] = {}
        """Routes by the endpoint they lead to, which is kept too."""

    def of(self, scope: MutableMapping[str, Any]) -> str:
        """The template of the route that was matched; `UNMATCHED` where none was, or nobody says."""
        plain = "app_root_path" not in scope
        # What FastAPI leaves for every request: its own route alone, under no mount.
        if plain and "fastapi" not in scope and "route" in scope and (known := self._plain.get(id(scope["route"]))):
            return known[0]
        route = self._taken(scope)
        if route is None:
            template = scope.get("path_template")
            return template if isinstance(template, str) and template else UNMATCHED
        known = self._plain.get(id(route)) if plain else self._mounted.get((id(route), scope["root_path"]))
        if known is None:
            known = (self._starlette(route, scope) or UNMATCHED, route)
            # The route is kept too, so that its identity stays its own.
            if plain and len(self._plain) < _KEPT:
                self._plain[id(route)] = known
            elif not plain and len(self._mounted) < _KEPT:
                self._mounted[id(route), scope["root_path"]] = known
        return known[0]

    def _taken(self, scope: MutableMapping[str, Any]) -> Any:
        included = included_route(scope)
        if included:
            return getattr(included, "starlette_route", None) or included
        return scope.get("route") or self._leading_to(scope)

    def _leading_to(self, scope: MutableMapping[str, Any]) -> Any:
        """The route or mount that leads to the scope's endpoint: FastAPI leaves none but its own in the scope."""
        endpoint = scope.get("endpoint")
        if endpoint is None:
            return None
        known = self._leading.get(id(endpoint))
        if known is None:
            known = ([route for route in _routes_of(self._application) if _leads_to(route, endpoint)], endpoint)
            if len(self._leading) < _KEPT:
                self._leading[id(endpoint)] = known
        routes = known[0]
        if len(routes) > 1:
            path = scope["path"].removeprefix(scope.get("app_root_path", scope.get("root_path", "")))
            routes = [route for route in routes if route.path_regex.match(path)]
        return routes[0] if routes else None

    def _starlette(self, route: Any, scope: MutableMapping[str, Any]) -> str:
        root, outer = scope.get("root_path", ""), scope.get("app_root_path", "")
        mounted = root[len(outer) :] if "app_root_path" in scope and root.startswith(outer) else ""
        prefix = _mount_template(_routes_of(self._application), mounted) if mounted else ""
        if hasattr(route, "routes") and not hasattr(route, "endpoint"):
            # A mounted application that has no routes of its own, such as static files.
            return f"{prefix}/{{path}}" if prefix else ""
        path = getattr(route, "path_format", None) or getattr(route, "path", None)
        return f"{prefix}{path}" if isinstance(path, str) else prefix


def included_route(scope: MutableMapping[str, Any]) -> Any:
    """What FastAPI has of the route of an included router, which knows the prefix; None for any other."""
    context = scope.get("fastapi")
    return context.get("effective_route_context") if isinstance(context, dict) else None


def _routes_of(application: Any) -> Iterable[Any]:
    """The routes of the Starlette application that lies somewhere within `application`."""
    for layer in _layers(application):
        routes = getattr(layer, "routes", None)
        if isinstance(routes, list):
            return routes
    return ()


def _leads_to(route: Any, endpoint: Any) -> bool:
    return hasattr(route, "path_regex") and getattr(route, "endpoint", getattr(route, "app", None)) is endpoint


def _mount_template(routes: Iterable[Any], mounted: str) -> str:
    """The templates of the mounts that took `mounted` off the path: `/tenants/7` was `/tenants/{id}`."""
    for route in routes:
        expression = getattr(route, "path_regex", None)
        if expression is None or hasattr(route, "endpoint") or not hasattr(route, "path_format"):
            continue
        match = expression.match(f"{mounted}/")
        if match is not None:
            rest = match.groupdict().get("path", "").rstrip("/")
            template: str = route.path_format.removesuffix("/{path}")
            return template + (_mount_template(getattr(route, "routes", ()), f"/{rest}") if rest else "")
    return "/{mount}"


def flask_route(environ: MutableMapping[str, Any]) -> str:
    """The URL rule Flask matched, as long as its response is not handed over; empty where none was."""
    rule = getattr(environ.get("werkzeug.request"), "url_rule", None)
    template = getattr(rule, "rule", "")
    return template if isinstance(template, str) else ""


def note_routes(application: Any) -> None:
    """Let the Django or Falcon application somewhere within `application` note each request's template."""
    django = sys.modules.get("django.core.handlers.base")
    falcon = sys.modules.get("falcon")
    for layer in _layers(application):
        if django is not None and isinstance(layer, django.BaseHandler):
            _note_django(layer)
        elif falcon is not None and isinstance(layer, falcon.App) and not _has_note(layer):
            layer.add_middleware(_AsyncFalconNote() if _is_asgi(layer) else _FalconNote())


def _layers(application: Any) -> list[Any]:
    """The application and what it wraps, as far as that shows in attributes of the usual names."""
    layers: list[Any] = []
    while application is not None and len(layers) < _DEEPEST and not any(application is layer for layer in layers):
        layers.append(application)
        inner = (vars(application).get(name) for name in _INNER) if hasattr(application, "__dict__") else ()
        application = next((each for each in inner if callable(each)), None)
    return layers


def _note_django(handler: Any) -> None:
    resolve = handler.resolve_request
    if hasattr(resolve, "_perfloop"):
        return

    def noting_resolve(request: Any) -> Any:
        match = resolve(request)
        template = "/" + match.route.removeprefix("^").removeprefix("/")
        _note(getattr(request, "scope", None) or getattr(request, "environ", None), template)
        return match

    noting_resolve._perfloop = True  # type: ignore[attr-defined]
    handler.resolve_request = noting_resolve


class _FalconNote:
    """Falcon middleware: it is asked once the route is known."""

    def process_resource(self, request: Any, response: Any, resource: Any, params: Any) -> None:
        _note(request.env, request.uri_template)


class _AsyncFalconNote:
    async def process_resource(self, request: Any, response: Any, resource: Any, params: Any) -> None:
        _note(request.scope, request.uri_template)


def _is_asgi(application: Any) -> bool:
    asgi = sys.modules.get("falcon.asgi")
    return asgi is not None and isinstance(application, asgi.App)


def _has_note(application: Any) -> bool:
    added = getattr(application, "_unprepared_middleware", ())
    return any(isinstance(each, _FalconNote | _AsyncFalconNote) for each in added)


def _note(holder: Any, template: object) -> None:
    notes = holder.get(NOTES) if holder is not None else None
    if notes is not None and isinstance(template, str):
        notes.append(template)
